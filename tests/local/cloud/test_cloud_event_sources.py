"""Pollers on moto in this process: what reaches the function, what is deleted, what stays and ends as a dead letter."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.awslambda.models import lambda_backends
from moto.core.exceptions import JsonRESTError
from moto.sqs.models import sqs_backends

from local.cloud.event_sources import EventSources, ShortPolling
from local.cloud.lambdas import RunnerBackend
from local.cloud.runtime_api import Invoked
from tests.clients import client

Answer = Callable[[list[dict[str, Any]]], Invoked]


def ok(records: list[dict[str, Any]]) -> Invoked:
    return Invoked(b"{}")


def refused(records: list[dict[str, Any]]) -> Invoked:
    return Invoked(json.dumps({"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in records]}).encode())


class Now(Executor):
    """Runs at once, in the caller."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Later(Executor):
    """Runs when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.waiting.append(lambda: fn(*args, **kwargs))
        return Future()


class FakeRunner:
    """Instead of a process: answers, and remembers what it got."""

    def __init__(self) -> None:
        self.answer: Answer = ok
        self.batches: list[list[dict[str, Any]]] = []

    def run(self, function: Any, body: bytes) -> Invoked:
        records: list[dict[str, Any]] = json.loads(body)["Records"]
        self.batches.append(records)
        return self.answer(records)

    def forget(self, name: str) -> None:
        """The function is gone."""

    def bodies(self) -> list[str]:
        return [record["body"] for records in self.batches for record in records]


class Lab:
    """A queue, its dead letters, a function and a mapping."""

    def __init__(self, runner: FakeRunner, pool: Executor) -> None:
        self.runner, self.now = runner, 0.0
        self.sqs = client("sqs")
        self.lambda_ = client("lambda")
        self.sources = EventSources(runner, lambda _function, _region: self.sqs, lambda: self.now, pool)  # type: ignore[arg-type]
        self.dead = self.sqs.create_queue(QueueName="dead")["QueueUrl"]
        redrive = json.dumps({"deadLetterTargetArn": arn("dead"), "maxReceiveCount": 2})
        attributes = {"VisibilityTimeout": "240", "RedrivePolicy": redrive}
        self.queue = self.sqs.create_queue(QueueName="hooks", Attributes=attributes)["QueueUrl"]
        role = client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as packed:
            packed.writestr("main.py", "")
        self.lambda_.create_function(
            FunctionName="notifier", Runtime="python3.12", Role=role, Handler="main.f", Timeout=30,
            Code={"ZipFile": code.getvalue()},
        )  # fmt: skip

    def map(self, **more: Any) -> str:
        wanted = {"BatchSize": 10, "FunctionResponseTypes": ["ReportBatchItemFailures"], **more}
        made = self.lambda_.create_event_source_mapping(EventSourceArn=arn("hooks"), FunctionName="notifier", **wanted)
        return str(made["UUID"])

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def count(self, queue: str) -> tuple[int, int]:
        """Messages that are there to be received, and hidden ones."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        seen = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return int(seen[names[0]]), int(seen[names[1]])

    def show_again(self) -> None:
        """As if the visibility time-out of everything hidden were over."""
        for record in {r["messageId"]: r for records in self.runner.batches for r in records}.values():
            self.sqs.change_message_visibility(
                QueueUrl=self.queue, ReceiptHandle=record["receiptHandle"], VisibilityTimeout=0
            )


def arn(queue: str) -> str:
    return f"arn:aws:sqs:us-east-1:123456789012:{queue}"


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRunner]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    made = FakeRunner()
    monkeypatch.setattr(RunnerBackend, "runner", made, raising=False)
    monkeypatch.setattr(lambda_backends, "backend", RunnerBackend)
    monkeypatch.setattr(sqs_backends, "backend", ShortPolling)
    with mock_aws():
        yield made


@pytest.fixture
def lab(runner: FakeRunner) -> Lab:
    return Lab(runner, Now())


def test_a_message_reaches_the_function_once_and_is_gone(lab: Lab) -> None:
    lab.map()
    lab.sqs.send_message(
        QueueUrl=lab.queue, MessageBody="one", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}}
    )
    assert lab.runner.batches == []  # sending alone calls nobody: moto itself would have
    lab.sources.poll()
    lab.sources.poll()
    ((record,),) = lab.runner.batches
    assert (record["body"], record["eventSource"], record["eventSourceARN"]) == ("one", "aws:sqs", arn("hooks"))
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert {"SenderId", "SentTimestamp", "ApproximateFirstReceiveTimestamp"} <= set(record["attributes"])
    assert record["messageAttributes"]["k"]["stringValue"] == "v"
    assert lab.count(lab.queue) == (0, 0)


@pytest.mark.parametrize(("size", "batches"), [(1, [1, 1, 1]), (2, [2, 1]), (10, [3])])
def test_batches_are_no_larger_than_the_mapping_says(lab: Lab, size: int, batches: list[int]) -> None:
    lab.map(BatchSize=size)
    lab.send("a", "b", "c")
    lab.sources.poll()
    assert [len(records) for records in lab.runner.batches] == batches
    assert sorted(lab.runner.bodies()) == ["a", "b", "c"]


def test_what_the_function_names_stays_hidden_and_the_rest_is_deleted(lab: Lab) -> None:
    lab.map()
    lab.send("good", "bad")
    lab.runner.answer = lambda records: refused([r for r in records if r["body"] == "bad"])
    lab.sources.poll()
    assert lab.count(lab.queue) == (0, 1)
    (report,) = lab.sources.report()
    assert (report["received"], report["deleted"], report["left"], report["batches_under_way"]) == (2, 1, 1, 0)


@pytest.mark.parametrize(
    "answer", [lambda _: Invoked(b"{}", "Unhandled"), lambda _: Invoked(b'{"batchItemFailures": "x"}'), refused]
)
def test_everything_stays_where_the_function_fails(lab: Lab, answer: Answer) -> None:
    lab.map()
    lab.send("a", "b")
    lab.runner.answer = answer
    lab.sources.poll()
    assert lab.count(lab.queue) == (0, 2)


def test_a_mapping_without_partial_responses_does_not_read_them(lab: Lab) -> None:
    lab.map(FunctionResponseTypes=[])
    lab.send("a")
    lab.runner.answer = refused
    lab.sources.poll()
    assert lab.count(lab.queue) == (0, 0)


def test_no_free_environment_leaves_the_batch(lab: Lab) -> None:
    lab.map()
    lab.send("a")

    def throttled(records: list[dict[str, Any]]) -> Invoked:
        raise JsonRESTError("TooManyRequestsException", "Rate Exceeded.")

    lab.runner.answer = throttled
    lab.sources.poll()
    assert lab.count(lab.queue) == (0, 1)


def test_it_comes_again_with_a_growing_count_and_ends_with_the_dead_letters(lab: Lab) -> None:
    lab.map()
    lab.send("never")
    lab.runner.answer = refused
    for _ in range(2):
        lab.sources.poll()
        lab.show_again()
    lab.sources.poll()
    counts = [records[0]["attributes"]["ApproximateReceiveCount"] for records in lab.runner.batches]
    assert counts == ["1", "2"]
    assert (lab.count(lab.queue), lab.count(lab.dead)) == ((0, 0), (1, 0))


def test_the_functions_own_visibility_is_kept(lab: Lab) -> None:
    lab.map()
    lab.send("a")

    def at_once_again(records: list[dict[str, Any]]) -> Invoked:
        lab.sqs.change_message_visibility(
            QueueUrl=lab.queue, ReceiptHandle=records[0]["receiptHandle"], VisibilityTimeout=0
        )
        lab.runner.answer = ok
        return refused(records)

    lab.runner.answer = at_once_again
    lab.sources.poll()
    assert len(lab.runner.batches) == 2
    assert lab.count(lab.queue) == (0, 0)


def test_a_disabled_or_deleted_mapping_takes_nothing(lab: Lab) -> None:
    uuid = lab.map(Enabled=False)
    lab.send("a")
    lab.sources.poll()
    assert lab.runner.batches == []
    lab.lambda_.update_event_source_mapping(UUID=uuid, Enabled=True)
    lab.sources.poll()
    assert lab.runner.bodies() == ["a"]
    lab.lambda_.delete_event_source_mapping(UUID=uuid)
    lab.send("b")
    lab.sources.poll()
    assert (lab.runner.bodies(), lab.sources.report()) == (["a"], [])


@pytest.mark.parametrize("gone", ["queue", "function"])
def test_what_was_removed_under_a_mapping_is_no_harm(lab: Lab, gone: str) -> None:
    lab.map()
    lab.send("a")
    if gone == "queue":
        lab.sqs.delete_queue(QueueUrl=lab.queue)
    else:
        lab.lambda_.delete_function(FunctionName="notifier")
    lab.sources.poll()
    assert lab.runner.batches == []
    if gone == "function":
        assert lab.count(lab.queue) == (1, 0)


def test_no_more_batches_at_a_time_than_the_mapping_allows(runner: FakeRunner) -> None:
    pool = Later()
    lab = Lab(runner, pool)
    lab.map(BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    lab.send("a", "b", "c")
    lab.sources.poll()
    lab.sources.poll()
    assert len(pool.waiting) == 2
    assert lab.count(lab.queue) == (1, 2)
    pool.waiting.pop()()
    lab.sources.poll()
    assert len(pool.waiting) == 2


def test_a_receive_that_fails_is_tried_again_later(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.map()
    lab.send("a")
    receive = lab.sqs.receive_message
    calls: list[int] = []

    def down(**_: Any) -> Any:
        calls.append(1)
        raise ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "injected"}}, "ReceiveMessage")

    monkeypatch.setattr(lab.sqs, "receive_message", down)
    lab.sources.poll()
    lab.sources.poll()
    assert len(calls) == 1  # not ten times a second
    monkeypatch.setattr(lab.sqs, "receive_message", receive)
    lab.now += 1.0
    lab.sources.poll()
    assert lab.runner.bodies() == ["a"]


def test_a_delete_that_fails_makes_the_message_come_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.map()
    lab.send("a")
    delete = lab.sqs.delete_message_batch

    def down(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "injected"}}, "DeleteMessageBatch")

    monkeypatch.setattr(lab.sqs, "delete_message_batch", down)
    lab.sources.poll()
    assert lab.count(lab.queue) == (0, 1)
    monkeypatch.setattr(lab.sqs, "delete_message_batch", delete)
    lab.show_again()
    lab.now += 1.0
    lab.sources.poll()
    assert lab.runner.bodies() == ["a", "a"]
    assert lab.count(lab.queue) == (0, 0)


def test_a_queue_that_would_show_messages_too_early_is_refused_as_aws_does(lab: Lab) -> None:
    lab.sqs.set_queue_attributes(QueueUrl=lab.queue, Attributes={"VisibilityTimeout": "29"})
    with pytest.raises(ClientError, match="Queue visibility timeout: 29 seconds is less than Function timeout: 30"):
        lab.map()
    lab.send("a")
    lab.sources.poll()
    assert (lab.runner.batches, lab.sources.report()) == ([], [])


def test_a_long_poll_is_answered_at_once(lab: Lab) -> None:
    assert "Messages" not in lab.sqs.receive_message(QueueUrl=lab.queue, WaitTimeSeconds=20)


def test_a_topic_delivers_raw_and_by_protocol(lab: Lab) -> None:
    """What the notifier's queues stand on: the `sqs` part of a message in parts, the default of one without."""
    sns = client("sns")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn("hooks"), Attributes={"RawMessageDelivery": "true"})
    lab.map()
    parts = {"default": "words", "sqs": '{"kind": "stopped"}', "email": "Dear all"}
    sns.publish(TopicArn=topic, Message=json.dumps(parts), MessageStructure="json", Subject="s")
    sns.publish(TopicArn=topic, Message=json.dumps({"default": "words"}), MessageStructure="json")
    sns.publish(TopicArn=topic, Message="plain", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
    lab.sources.poll()
    assert sorted(lab.runner.bodies()) == ["plain", "words", '{"kind": "stopped"}']
    (plain,) = [r for records in lab.runner.batches for r in records if r["body"] == "plain"]
    assert plain["messageAttributes"]["k"]["stringValue"] == "v"
