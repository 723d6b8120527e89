"""Notifications on the embedded cloud: topic → queue → mapping → function → a receiver on this computer; no host is
deployed.

First with a small function of the test's own: what is tried is the way to it, its retries and its end. Then with a
stack that Pulumi made, whose webhook's URL is a secret, and the notifier itself.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import threading
import time
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from core.contract.documents import Outputs
from local.cloud.client import Cloud
from local.folders import CHECKOUT

pytestmark = pytest.mark.e2e

VISIBILITY_S = 2
RECEIVES = 3
HANDLER = """
import json, os, urllib.error, urllib.request

def handler(event, context):
    left = []
    for record in event["Records"]:
        about = {"x-count": record["attributes"]["ApproximateReceiveCount"], "x-source": record["eventSourceARN"]}
        call = urllib.request.Request(os.environ["RECEIVER"], data=record["body"].encode(), headers=about)
        try:
            urllib.request.urlopen(call, timeout=1).close()
        except urllib.error.HTTPError:
            left.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": left}
"""


@dataclass(frozen=True)
class Call:
    """One POST."""

    path: str
    headers: dict[str, str]
    body: str

    @property
    def count(self) -> int:
        """How often SQS had handed the message out, as HANDLER says."""
        return int(self.headers["x-count"])


class Receiver:
    """A webhook on this computer. `refusing` answers 500."""

    def __init__(self) -> None:
        self.refusing = False
        self.got: list[Call] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append(Call(self.path, headers, body))
                self.send_response(500 if receiver.refusing else 204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def bodies(self) -> list[str]:
        return [call.body for call in self.got]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Way:
    """Topic, queue with dead letters, function and mapping, of one test."""

    def __init__(self, cloud: Cloud, receiver: Receiver) -> None:
        self.cloud, self.receiver = cloud, receiver
        self.name = f"notify-{uuid.uuid4().hex[:8]}"
        self.sns, self.sqs, self.lambda_ = (cloud.client(s) for s in ("sns", "sqs", "lambda"))
        self.topic = self.sns.create_topic(Name=self.name)["TopicArn"]
        self.dead, dead_arn = self._queue(f"{self.name}-dead", {})
        redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": RECEIVES})
        self.queue, queue_arn = self._queue(
            self.name, {"VisibilityTimeout": str(VISIBILITY_S), "RedrivePolicy": redrive}
        )
        self.sns.subscribe(
            TopicArn=self.topic, Protocol="sqs", Endpoint=queue_arn, Attributes={"RawMessageDelivery": "true"}
        )
        self._function()
        self.mapping = self.lambda_.create_event_source_mapping(
            EventSourceArn=queue_arn, FunctionName=self.name, BatchSize=1,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )["UUID"]  # fmt: skip

    def _queue(self, name: str, attributes: dict[str, str]) -> tuple[str, str]:
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        seen = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, seen["Attributes"]["QueueArn"]

    def _function(self) -> None:
        role = self.cloud.client("iam").create_role(RoleName=self.name, AssumeRolePolicyDocument="{}")
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as packed:
            packed.writestr("code.py", HANDLER)
        self.lambda_.create_function(
            FunctionName=self.name, Runtime="python3.12", Role=role["Role"]["Arn"], Handler="code.handler",
            Timeout=VISIBILITY_S, Code={"ZipFile": code.getvalue()},
            Environment={"Variables": {"RECEIVER": self.receiver.url}},
        )  # fmt: skip

    def report(self) -> dict[str, Any]:
        return next(s for s in self.cloud.status()["event_sources"] if s["uuid"] == self.mapping)

    def remove(self) -> None:
        self.lambda_.delete_event_source_mapping(UUID=self.mapping)
        self.lambda_.delete_function(FunctionName=self.name)
        for queue in (self.queue, self.dead):
            self.sqs.delete_queue(QueueUrl=queue)
        self.sns.delete_topic(TopicArn=self.topic)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def way(cloud: Cloud, receiver: Receiver) -> Iterator[Way]:
    made = Way(cloud, receiver)
    yield made
    made.remove()


def until(true: Any, seconds: float = 30.0) -> Any:
    """What `true` returns as soon as it is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def test_what_is_published_reaches_the_receiver_once_and_as_it_was_sent(way: Way) -> None:
    parts = {"default": "words", "sqs": json.dumps({"kind": "stopped", "of": "demo/host"})}
    way.sns.publish(TopicArn=way.topic, Message=json.dumps(parts), MessageStructure="json")
    until(way.receiver.bodies)
    for number in range(5):
        way.sns.publish(TopicArn=way.topic, Message=f"plain {number}")
    until(lambda: len(way.receiver.got) >= 6)
    until(lambda: way.report()["deleted"] == 6)
    assert sorted(way.receiver.bodies()) == sorted([parts["sqs"], *(f"plain {n}" for n in range(5))])
    assert {call.count for call in way.receiver.got} == {1}
    calls = way.cloud.calls()["by_source"][f"poller:{way.name}"]
    assert calls["sqs:DeleteMessageBatch"] == 6
    assert calls["sqs:ReceiveMessage"] < 20  # an idle queue is not asked


def test_a_receiver_that_refuses_is_asked_again_and_then_it_is_a_dead_letter(way: Way) -> None:
    way.receiver.refusing = True
    way.sns.publish(TopicArn=way.topic, Message="refused")
    received = until(lambda: way.sqs.receive_message(QueueUrl=way.dead).get("Messages"))
    assert [message["Body"] for message in received] == ["refused"]
    assert [(call.body, call.count) for call in way.receiver.got] == [("refused", n + 1) for n in range(RECEIVES)]
    assert (way.report()["deleted"], way.report()["left"]) == (0, RECEIVES)


def test_a_receiver_that_comes_back_gets_it(way: Way) -> None:
    way.receiver.refusing = True
    way.sns.publish(TopicArn=way.topic, Message="late")
    until(way.receiver.bodies)
    way.receiver.refusing = False
    until(lambda: way.report()["deleted"] == 1)
    assert [call.count for call in way.receiver.got] == [1, 2]


def test_queues_that_refuse_for_a_while_lose_nothing(way: Way) -> None:
    way.cloud.fault("sqs:ReceiveMessage", source=f"poller:{way.name}", count=2)
    way.cloud.fault("sqs:DeleteMessageBatch", source=f"poller:{way.name}")
    way.sns.publish(TopicArn=way.topic, Message="kept")
    until(lambda: way.report()["deleted"] == 1)
    assert way.receiver.bodies() == ["kept", "kept"]  # at least once: its first deletion was refused
    way.cloud.fault("sqs:SendMessage")
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        way.sqs.send_message(QueueUrl=way.queue, MessageBody="not taken")


STACK = "notify"
SECRET = uuid.uuid4().hex  # in the webhook's URL
needs_notifier = pytest.mark.skipif(
    not (CHECKOUT / "runtime" / "notifier").is_dir(), reason="no notifier in this checkout"
)


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    """The stack's one webhook."""
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def stack(cloud: Cloud, hook: Receiver) -> Iterator[dict[str, Any]]:
    """A stack with one webhook, whose URL is a secret in the file; its outputs, and what `up` said."""
    cloud.render_stack(STACK, overrides={"notify": {"email": ["ops@example.org"]}})
    cloud.pulumi(["stack", "select", "--create", STACK])
    path = ["--path", "pilotlight:notify.webhooks[0].url", "--secret"]
    cloud.pulumi(["config", "set", "-s", STACK, *path, f"{hook.url}?token={SECRET}"])
    said = cloud.pulumi(["up", "--yes", "--diff", "-s", STACK]).stdout
    found = json.loads(cloud.pulumi(["stack", "output", "--json", "-s", STACK]).stdout)
    yield {**found, "said": said}
    cloud.pulumi(["destroy", "--yes", "--skip-preview", "-s", STACK])
    cloud.pulumi(["stack", "rm", "--yes", STACK])


def key_of(cloud: Cloud) -> str:
    """What an owner of the stack reads, to check signatures with."""
    return cloud.pulumi(["stack", "output", Outputs.WEBHOOK_KEY, "--show-secrets", "-s", STACK]).stdout.strip()


@needs_notifier
def test_a_secret_url_reaches_the_notifier_and_nobody_else(cloud: Cloud, stack: dict[str, Any], hook: Receiver) -> None:
    """In the file, on the screen and in the state it is encrypted; `up` again, and after a refresh, changes nothing."""
    ssm = cloud.client("ssm")
    names = [p["Name"] for p in ssm.describe_parameters()["Parameters"] if p["Name"].startswith(f"{STACK}-")]
    assert len(names) == 1
    parameter = ssm.get_parameter(Name=names[0], WithDecryption=True)["Parameter"]
    document = json.loads(parameter["Value"])
    ((arn, webhook),) = document["webhooks"].items()
    assert webhook == {"url": f"{hook.url}?token={SECRET}", "format": "json"}
    assert parameter["Type"] == "SecureString"
    assert [s["queue"] for s in cloud.status()["event_sources"]] == [arn]
    assert (key_of(cloud), stack[Outputs.WEBHOOK_KEY]) == (document["key"], "[secret]")
    backend = Path(cloud.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
    files = [Path(cloud.project, "stacks", f"Pulumi.{STACK}.yaml"), *backend.rglob(f"{STACK}*.json")]
    written = [file.read_text() for file in files]
    assert len(written) > 1
    for text in [stack["said"], *written]:
        assert SECRET not in text
        assert document["key"] not in text
    for verb in ("refresh", "up"):
        cloud.pulumi([verb, "--yes", "--skip-preview", "--expect-no-changes", "-s", STACK])


@needs_notifier
def test_the_notifier_delivers_signed_what_comes_to_the_topic_and_keeps_what_is_refused(
    cloud: Cloud, stack: dict[str, Any], hook: Receiver
) -> None:
    """The signature as docs/notifications.md has it: HMAC-SHA256 of `<timestamp>.<body>`."""
    sns = cloud.client("sns")
    sns.publish(TopicArn=stack[Outputs.ALERTS_TOPIC], Message="somebody said this by hand")
    (call,) = until(lambda: list(hook.got))
    assert call.path == f"/hook?token={SECRET}"
    assert "somebody said this by hand" in call.body
    signed = f"{call.headers['x-pilotlight-timestamp']}.{call.body}".encode()
    right = hmac.new(bytes.fromhex(key_of(cloud)), signed, hashlib.sha256).hexdigest()
    assert call.headers["x-pilotlight-signature"] == f"v1={right}"
    until(lambda: cloud.status()["event_sources"][0]["deleted"] == 1)
    hook.refusing = True
    sns.publish(TopicArn=stack[Outputs.ALERTS_TOPIC], Message="refused")
    until(lambda: cloud.status()["event_sources"][0]["left"] == 1)
    notifier = next(f for f in cloud.status()["lambdas"] if f["name"].startswith(f"{STACK}-notifier-"))
    assert (notifier["invocations"], notifier["errors"]) == (2, 0)
    assert SECRET not in Path(notifier["log"]).read_text()
    caller = cloud.calls()["by_source"][f"lambda:{notifier['name']}"]
    assert caller["sqs:ChangeMessageVisibility"] == 1
