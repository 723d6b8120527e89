"""The schema: read back what was written, refuse what is none, and its spellings for mail and Slack."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from core.errors import ContractError
from core.notifications import Kind, Notification, email, line, name_of, slack, subject
from core.notifications.record import SUBJECT_MAX, SUMMARY_MAX
from tests.core.notifications.examples import EXAMPLES

STOPPED = EXAMPLES[Kind.STOPPED]


@pytest.mark.parametrize("notification", EXAMPLES.values(), ids=lambda n: n.kind.value)
def test_it_reads_back(notification: Notification) -> None:
    assert Notification.from_json(notification.to_json()) == notification
    assert "\n" not in notification.to_json()


def test_fields_of_later_versions_are_left_out() -> None:
    later = json.loads(STOPPED.to_json()) | {"colour": "blue"}
    assert Notification.from_json(json.dumps(later)) == STOPPED


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": 2}, "schema_version 2; this program reads 1"),
        ({"kind": "party"}, "kind 'party'; known are about-to-stop"),
        ({"id": "a b"}, "id 'a b'"),
        ({"id": "a\r\nX-Evil: 1"}, "printable ASCII"),
        ({"id": ""}, "printable ASCII"),
        ({"summary": None}, "lacks summary"),
        ({"at": 7}, "lacks at"),
        ({"facts": []}, "an object, not list"),
        ({"facts": {"a": {}}}, "facts a are"),
    ],
    ids=str,
)
def test_what_is_no_notification_is_said(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ContractError, match=words):
        Notification.from_json(json.dumps(json.loads(STOPPED.to_json()) | change))


@pytest.mark.parametrize("text", ["", "hello", "[1]", '"x"', "null", "[" * 100_000])
def test_what_is_no_object_is_said(text: str) -> None:
    with pytest.raises(ContractError, match="A notification is"):
        Notification.from_json(text)


@pytest.mark.parametrize(
    ("summary", "is_subject"),
    [
        ("demo stopped", "demo stopped"),
        ("  über\nall – \t x\x00", "u?ber all ? x"),
        ("x" * 200, "x" * SUBJECT_MAX),
        ("\n", "pilotlight: stopped"),
    ],
)
def test_a_subject_is_what_sns_takes(summary: str, is_subject: str) -> None:
    found = subject(dataclasses.replace(STOPPED, summary=summary))
    assert found == is_subject
    assert found.isascii()
    assert found.isprintable()
    assert len(found) < 100


def test_a_mail_is_readable() -> None:
    first, rest = email(EXAMPLES[Kind.READY]).split("\n\n", 1)
    assert first == "qwen7b is ready after 1m 43s"
    assert rest.startswith("one real completion succeeded\n\n")
    assert "took_s: 103.4\n" in rest
    assert email(STOPPED).count(STOPPED.reason) == 1


def test_slack_reads_no_markup_in_it() -> None:
    text = json.loads(slack(dataclasses.replace(STOPPED, summary="<!channel> & more", reason="why")))["text"]
    assert text == ":zzz: &lt;!channel&gt; &amp; more\nwhy"


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_slack_text(kind: Kind) -> None:
    assert set(json.loads(slack(EXAMPLES[kind]))) == {"text"}


def test_a_line_is_one_and_not_too_long() -> None:
    assert line("a\n b\t c") == "a b c"
    assert len(line("x" * 999)) == SUMMARY_MAX


def test_a_stacks_one_host_has_its_stacks_name() -> None:
    assert (name_of("demo", "demo/host"), name_of("demo", "demo/chat")) == ("demo", "demo/chat")
