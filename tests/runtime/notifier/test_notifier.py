"""The Lambda, whole: SQS and SSM by moto, and a real receiver that verifies as docs/notifications.md says."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from moto import mock_aws

from core.contract.documents import NOTIFIER_ENV_WEBHOOKS, NOTIFIER_HANDLER
from core.errors import ContractError
from core.notifications import Kind, Notification
from runtime import aws, notifier
from runtime.notifier import delivery, webhooks
from tests.clients import REGION, client
from tests.core.notifications.examples import EXAMPLES
from tests.notifications_page import verified
from tests.runtime.notifier.receiver import Receiver, running

KEY = "0123456789abcdef" * 4
PARAMETER = "/demo/webhooks"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    NOTIFIER_ENV_WEBHOOKS: PARAMETER,
}
SECRET_PATH = "/services/T00/B00/s3cr3t"


class Context:
    left_ms = 30_000

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


class Queue:
    """One webhook's queue, its receiver, and the visibilities that were set."""

    def __init__(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        self.receiver = receiver
        self._sqs, self._ssm = client("sqs"), client("ssm")
        self.url = self._sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "240"})["QueueUrl"]
        self.arn = f"arn:aws:sqs:{REGION}:123456789012:q"
        self.put_off: list[int] = []
        ours = aws.client("sqs", REGION)
        change = ours.change_message_visibility

        def spy(**given: Any) -> Any:
            self.put_off.append(given["VisibilityTimeout"])
            return change(**given)

        monkeypatch.setattr(ours, "change_message_visibility", spy)

    def goes_to(self, url: str, form: str = "json", arn: str = "") -> None:
        """What `pulumi up` writes."""
        entry = {"url": url, "format": form}
        value = json.dumps({"key": KEY, "webhooks": {arn or self.arn: entry}})
        self._ssm.put_parameter(Name=PARAMETER, Type="SecureString", Value=value, Overwrite=True)

    def batch(self, *bodies: str, receives: int = 1) -> dict[str, Any]:
        """The event that the mapping makes of these messages."""
        for body in bodies:
            self._sqs.send_message(QueueUrl=self.url, MessageBody=body)
        got = [self._sqs.receive_message(QueueUrl=self.url, AttributeNames=["All"])["Messages"][0] for _ in bodies]
        records = [
            {
                "messageId": m["MessageId"],
                "receiptHandle": m["ReceiptHandle"],
                "body": m["Body"],
                "attributes": m["Attributes"] | {"ApproximateReceiveCount": str(receives)},
                "eventSourceARN": self.arn,
            }
            for m in got
        ]
        return {"Records": records}


@pytest.fixture(scope="module")
def clients() -> Iterator[None]:
    """The notifier's own, for all tests here."""
    aws.forget()
    yield
    aws.forget()


@pytest.fixture
def queue(clients: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    cleared = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    monkeypatch.setattr(notifier, "_webhooks", None)
    with mock.patch.dict(os.environ, cleared | ENVIRONMENT, clear=True), mock_aws(), running() as receiver:
        made = Queue(receiver, monkeypatch)
        made.goes_to(receiver.url())
        yield made


def run(event: dict[str, Any], context: Any = None) -> list[str]:
    """The handler's answer: the messages that failed."""
    answer = notifier.handler(event, context or Context())
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def names(event: dict[str, Any]) -> list[str]:
    return [record["messageId"] for record in event["Records"]]


# ---------------------------------------------------------------- delivered
@pytest.mark.parametrize("notification", EXAMPLES.values(), ids=lambda n: n.kind.value)
def test_every_example_arrives_signed_and_readable(queue: Queue, notification: Notification) -> None:
    assert run(queue.batch(notification.to_json())) == []
    (request,) = queue.receiver.requests
    assert verified()(KEY, request.headers, request.body)
    assert Notification.from_json(request.body.decode()) == notification
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("pilotlight-notifier/")
    assert request.headers["x-pilotlight-event"] == notification.kind
    assert request.headers["x-pilotlight-delivery"] == notification.id
    assert abs(int(request.headers["x-pilotlight-timestamp"]) - time.time()) < 60
    assert queue.put_off == []


def test_slack_gets_a_text_and_a_signature(queue: Queue) -> None:
    queue.goes_to(queue.receiver.url(f"{SECRET_PATH}?a=b"), "slack")
    assert run(queue.batch(EXAMPLES[Kind.STOPPED].to_json())) == []
    (request,) = queue.receiver.requests
    assert request.path == f"{SECRET_PATH}?a=b"
    assert set(json.loads(request.body)) == {"text"}
    assert "qwen7b stopped after 2h 7m" in json.loads(request.body)["text"]
    assert verified()(KEY, request.headers, request.body)


ALARM = {
    "AlarmName": "demo control silent",
    "AlarmDescription": "the reaper has not succeeded for 10 minutes",
    "AWSAccountId": "123456789012",
    "NewStateValue": "ALARM",
    "NewStateReason": "Threshold Crossed",
    "StateChangeTime": "2026-11-24T09:00:00.123+0000",
    "OldStateValue": "OK",
}


@pytest.mark.parametrize(("state", "cleared"), [("ALARM", False), ("OK", True), ("INSUFFICIENT_DATA", False)])
def test_an_alarm_becomes_an_alert(queue: Queue, state: str, cleared: bool) -> None:
    assert run(queue.batch(json.dumps(ALARM | {"NewStateValue": state}))) == []
    notification = Notification.from_json(queue.receiver.requests[0].body.decode())
    assert (notification.kind, notification.stack, notification.at) == (Kind.ALERT, "", "2026-11-24T09:00:00Z")
    assert notification.facts == {"alert": "demo control silent", "cleared": cleared, "alarm_state": state}
    assert "the reaper has not succeeded" in notification.summary
    assert notification.reason == "Threshold Crossed"


@pytest.mark.parametrize(
    "body",
    ["hello", "[1, 2]", '{"schema_version": 2}', "x" * 5000, "[" * 50_000, '{"AlarmName": 7}', '{"AlarmName": "a"}'],
    ids=lambda b: b[:20],
)
def test_what_cannot_be_read_is_passed_on(queue: Queue, body: str) -> None:
    assert run(queue.batch(body)) == []
    notification = Notification.from_json(queue.receiver.requests[0].body.decode())
    assert notification.kind is Kind.ALERT
    if notification.facts["alert"] == "unreadable":
        assert body[:900] in notification.reason
        assert notification.facts["truncated"] is (len(body) > 1000)


# ---------------------------------------------------------------- not delivered
@pytest.mark.parametrize("status", [500, 503, 404, 401, 429, 301, 307])
def test_a_refusal_is_put_off_and_reported(queue: Queue, status: int) -> None:
    queue.receiver.status = status
    event = queue.batch(EXAMPLES[Kind.READY].to_json())
    assert run(event) == names(event)
    assert len(queue.receiver.requests) == 1, "a redirect is not followed"
    assert 24 <= queue.put_off[0] <= 36


def test_a_receiver_that_says_nothing_is_a_time_out(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(delivery, "CONNECT_S", 60.0)  # which does not count once it is connected
    monkeypatch.setattr(delivery, "READ_S", 0.1)
    queue.receiver.hang = True
    event = queue.batch(EXAMPLES[Kind.READY].to_json())
    with caplog.at_level("WARNING", logger="pilotlight.notifier"):
        assert run(event) == names(event)
    assert len(queue.put_off) == 1
    assert [r.__dict__["facts"]["why"] for r in caplog.records] == ["127.0.0.1 did not answer: TimeoutError"]


def test_nobody_listens(queue: Queue) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        queue.goes_to(f"http://127.0.0.1:{unused.getsockname()[1]}{SECRET_PATH}")
        event = queue.batch(EXAMPLES[Kind.READY].to_json(), receives=4)
        assert run(event) == names(event)
    assert 192 <= queue.put_off[0] <= 288


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/s3cr3t path", "http://127.0.0.1:99999/s3cr3t", "https://127.0.0.1"]
)
def test_a_url_that_leads_nowhere_is_a_failure_like_any(queue: Queue, url: str) -> None:
    port = queue.receiver.port if url.startswith("https") else 0
    queue.goes_to(f"{url}:{port}/s3cr3t" if port else url)  # TLS towards a receiver that has none
    event = queue.batch(EXAMPLES[Kind.READY].to_json())
    assert run(event) == names(event)


def test_only_what_failed_is_reported(queue: Queue) -> None:
    queue.receiver.status = 500
    event = queue.batch(*(n.to_json() for n in EXAMPLES.values()))
    original = delivery.deliver

    def first_works(notification: Notification, webhook: Any, key: bytes) -> int:
        queue.receiver.status = 200 if notification.kind is Kind.BUDGET else 500
        return original(notification, webhook, key)

    with mock.patch.object(notifier, "deliver", first_works):
        failed = run(event)
    good = [r["messageId"] for r in event["Records"] if '"budget"' in r["body"]]
    assert sorted(failed) == sorted(set(names(event)) - set(good))
    assert len(good) == 1


def test_a_visibility_that_cannot_be_set_is_the_queues_own(queue: Queue) -> None:
    queue.receiver.status = 500
    event = queue.batch(EXAMPLES[Kind.READY].to_json())
    event["Records"][0]["receiptHandle"] = "nonsense"
    assert run(event) == names(event)


def test_out_of_time_the_rest_comes_back(queue: Queue) -> None:
    context = Context()
    context.left_ms = 1000
    event = queue.batch(EXAMPLES[Kind.READY].to_json(), EXAMPLES[Kind.STOPPED].to_json())
    assert run(event, context) == names(event)[1:]
    assert len(queue.receiver.requests) == 1, "the first is always tried"


# ---------------------------------------------------------------- the parameter
def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    reads: list[str] = []
    client = aws.client("ssm", REGION)
    get = client.get_parameter
    monkeypatch.setattr(client, "get_parameter", lambda **given: reads.append(given["Name"]) or get(**given))
    return reads


def test_the_parameter_is_read_once(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = count_reads(monkeypatch)
    for _ in range(3):
        assert run(queue.batch(EXAMPLES[Kind.READY].to_json())) == []
    assert reads == [PARAMETER]


def test_an_unknown_queue_is_looked_up_once_a_minute(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, clock = count_reads(monkeypatch), [1000.0]
    monkeypatch.setattr(webhooks.time, "monotonic", lambda: clock[0])
    queue.goes_to(queue.receiver.url(), arn="arn:aws:sqs:us-east-1:123456789012:other")
    for later, known in ((0, 1), (59, 1), (1, 2)):
        clock[0] += later
        event = queue.batch(EXAMPLES[Kind.READY].to_json())
        assert run(event) == names(event)
        assert len(reads) == known
    queue.goes_to(queue.receiver.url())
    clock[0] += webhooks.AGAIN_S
    assert run(queue.batch(EXAMPLES[Kind.READY].to_json())) == []


def test_a_corrected_url_counts_after_a_failed_try(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(webhooks.time, "monotonic", lambda: clock[0])
    queue.goes_to(queue.receiver.url("/old"))
    queue.receiver.status = 404
    assert len(run(queue.batch(EXAMPLES[Kind.READY].to_json()))) == 1
    queue.goes_to(queue.receiver.url("/new"))
    queue.receiver.status = 200
    clock[0] += webhooks.AGAIN_S
    assert run(queue.batch(EXAMPLES[Kind.READY].to_json())) == []
    assert [r.path for r in queue.receiver.requests] == ["/old", "/new"]


def test_a_parameter_that_is_gone_later_leaves_what_is_known(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(webhooks.time, "monotonic", lambda: clock[0])
    queue.receiver.status = 500
    assert len(run(queue.batch(EXAMPLES[Kind.READY].to_json()))) == 1
    queue.receiver.status = 200
    client("ssm").delete_parameter(Name=PARAMETER)
    clock[0] += webhooks.AGAIN_S
    assert run(queue.batch(EXAMPLES[Kind.READY].to_json())) == []


def test_a_parameter_that_cannot_be_read_fails_the_message(queue: Queue) -> None:
    client("ssm").delete_parameter(Name=PARAMETER)
    event = queue.batch(EXAMPLES[Kind.READY].to_json())
    assert run(event) == names(event)
    assert len(queue.put_off) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"key": "ff"}',
        '{"key": "xyz", "webhooks": {}}',
        '{"key": "", "webhooks": {}}',
        '{"key": "ff", "webhooks": {"a": {"url": "ftp://s3cr3t", "format": "json"}}}',
        '{"key": "ff", "webhooks": {"a": {"url": "https://s3cr3t", "format": "xml"}}}',
        '{"key": "ff", "webhooks": {"a": {"url": "https://s3cr3t"}}}',
    ],
)
def test_a_wrong_parameter_is_said_without_its_secrets(text: str) -> None:
    with pytest.raises(ContractError, match="/demo/webhooks") as said:
        webhooks.parse("/demo/webhooks", text)
    assert "s3cr3t" not in str(said.value)


def test_a_missing_variable_is_named(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NOTIFIER_ENV_WEBHOOKS)
    with pytest.raises(ContractError, match=NOTIFIER_ENV_WEBHOOKS):
        notifier.handler({"Records": []}, Context())


# ---------------------------------------------------------------- secrets, times, names
@pytest.mark.parametrize("trouble", ["", "500", "refused", "invalid"])
def test_no_log_holds_the_url_or_the_key(queue: Queue, trouble: str, caplog: pytest.LogCaptureFixture) -> None:
    url = {"invalid": queue.receiver.url("/s3cr3t path"), "refused": "http://127.0.0.1:1/s3cr3t"}.get(trouble)
    queue.goes_to(url or queue.receiver.url(SECRET_PATH))
    queue.receiver.status = 500 if trouble else 204
    with caplog.at_level("DEBUG", logger="pilotlight.notifier"):
        run(queue.batch(EXAMPLES[Kind.READY].to_json()))
    said = "\n".join(f"{r.getMessage()} {getattr(r, 'facts', '')}" for r in caplog.records if "pilotlight" in r.name)
    assert "127.0.0.1" in said
    assert "s3cr3t" not in said
    assert KEY not in said


def test_back_off_doubles_and_ends() -> None:
    from runtime.notifier.retries import LONGEST_S, wait_s

    assert [wait_s(n) for n in (0, 1, 2, 3, 4, 5, 6, 7, 999)] == [30, 30, 60, 120, 240, 480, 900, 900, 900]
    assert wait_s(7, 1.2) == LONGEST_S
    assert wait_s(1, 0.8) == 24


def test_a_queues_url_is_its_arns() -> None:
    from runtime.notifier.retries import queue_url

    found = queue_url("https://sqs.eu-central-1.amazonaws.com", "arn:aws:sqs:eu-central-1:1:q")
    assert found == "https://sqs.eu-central-1.amazonaws.com/1/q"


def test_its_handler_is_where_the_function_looks_for_it() -> None:
    module, _, attribute = NOTIFIER_HANDLER.rpartition(".")
    assert getattr(__import__(module, fromlist=[attribute]), attribute) is notifier.handler
