"""Notifications on SNS: what a queue and a mail address get, and a topic that does not take them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from moto import mock_aws

from core.notifications import Kind, Notification
from runtime import aws
from runtime.backends.notifications.sns import ATTEMPTS, READ_TIMEOUT_S, SnsNotifications
from tests.clients import REGION, client
from tests.core.notifications.examples import EXAMPLES

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": REGION}


@pytest.fixture(scope="module")
def ours() -> Iterator[None]:
    """The programs' own clients, for all tests here."""
    aws.forget()
    yield
    aws.forget()


@pytest.fixture
def topic(ours: None) -> Iterator[str]:
    cleared = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    with mock.patch.dict(os.environ, cleared | CREDENTIALS, clear=True), mock_aws():
        yield client("sns").create_topic(Name="t")["TopicArn"]


@pytest.mark.parametrize("notification", EXAMPLES.values(), ids=lambda n: n.kind.value)
def test_a_queue_gets_the_notification_itself(topic: str, notification: Notification) -> None:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    client("sns").subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{REGION}:123456789012:q",
        Attributes={"RawMessageDelivery": "true"},
    )
    assert SnsNotifications(REGION).send(topic, notification)
    assert Notification.from_json(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]) == notification


def test_a_mail_has_a_subject_and_text(topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    sender = aws.client("sns", REGION, read_timeout_s=READ_TIMEOUT_S, attempts=ATTEMPTS)
    monkeypatch.setattr(sender, "publish", lambda **given: asked.update(given))
    assert SnsNotifications(REGION).send(topic, EXAMPLES[Kind.READY])
    assert (asked["Subject"], asked["MessageStructure"]) == ("qwen7b is ready after 1m 43s", "json")
    parts = json.loads(asked["Message"])
    assert parts["default"] == parts["sqs"] == EXAMPLES[Kind.READY].to_json()
    assert parts["email"].startswith("qwen7b is ready after 1m 43s\n")


def test_a_long_summary_of_strange_letters_is_taken(topic: str) -> None:
    assert SnsNotifications(REGION).send(topic, replace(EXAMPLES[Kind.FAILED], summary="ü\n" * 200))


def test_a_topic_that_is_gone_is_said_and_tried_again_later(topic: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("ERROR", logger="pilotlight.reaper"):
        assert not SnsNotifications(REGION).send(f"{topic}-gone", EXAMPLES[Kind.READY])
    assert "could not publish qwen7b/host:12:ready" in caplog.text


def test_without_a_topic_it_is_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="pilotlight.reaper"):
        assert SnsNotifications(REGION).send("", EXAMPLES[Kind.READY])
    assert "qwen7b is ready after 1m 43s" in caplog.text
