"""The page of notifications is what the code does: its examples are the code's own, its table has every field."""

from __future__ import annotations

import dataclasses
import json

import pytest

from core.capacity import power_errors
from core.notifications import Kind, Notification
from runtime.notifier import delivery, retries
from runtime.notifier.messages import RAW_MAX
from tests.alert_codes import alert_codes
from tests.core.notifications.examples import EXAMPLES, shown
from tests.notifications_page import PAGE, blocks, verified

AGAIN = "`python -m tests.core.notifications.examples` prints what belongs into docs/notifications.md"
SHOWN = {json.loads(block)["kind"]: block for block in blocks("json")}


@pytest.mark.parametrize("kind", Kind)
def test_there_is_one_current_example_of_each_kind(kind: Kind) -> None:
    assert f"### {kind}\n" in PAGE
    assert SHOWN.get(kind) == shown(EXAMPLES[kind]) + "\n", AGAIN
    assert len(blocks("json")) == len(Kind)


def test_every_field_has_its_row() -> None:
    rows = {f"| `{field.name}` |" for field in dataclasses.fields(Notification)}
    assert {row for row in rows if row not in PAGE} == set()


def test_every_fact_of_the_examples_is_explained_or_plain() -> None:
    plain = {"by", "epoch", "forced", "state_before", "month", "percent", "instance_type", "limit_s", "stops_in_s"}
    plain |= {"spent_usd", "budget_usd", "engine_qwen7b_s"}
    facts = {fact for notification in EXAMPLES.values() for fact in notification.facts}
    assert {fact for fact in facts - plain if f"`{fact}" not in PAGE} == set()


def test_every_header_has_its_row() -> None:
    for name in ("Content-Type", "User-Agent", "Event", "Delivery", "Timestamp", "Signature"):
        assert f"`{name}`" in PAGE or f"`X-Pilotlight-{name}`" in PAGE


def test_its_numbers_are_the_codes() -> None:
    assert f"within {delivery.READ_S:.0f} seconds" in PAGE
    waits = [retries.wait_s(n) for n in range(1, 8)]
    assert [w / 60 for w in waits] == [0.5, 1, 2, 4, 8, 15, 15]
    assert "after 30 s, 1, 2, 4, 8, 15 and 15 minutes" in PAGE
    assert f"first {RAW_MAX} characters" in PAGE


KEY = "00ff" * 16


def test_its_verification_takes_what_we_sign_and_nothing_else() -> None:
    check, body = verified(), b'{"a": 1}'
    headers = {
        "x-pilotlight-timestamp": "1000",
        "x-pilotlight-signature": delivery.sign(bytes.fromhex(KEY), "1000", body),
    }
    assert check(KEY, headers, body, now=1300.0)
    assert not check(KEY, headers, body, now=1301.0), "a recorded request"
    assert not check(KEY, headers, b'{"a": 2}', now=1000.0)
    assert not check(KEY, headers | {"x-pilotlight-timestamp": "1001"}, body, now=1000.0)
    assert not check("ff" * 32, headers, body, now=1000.0)
    assert not check(KEY, {}, body, now=1000.0)


# Told by a kind of its own: about-to-stop, forced, stopped, budget (core/notifications/standing.py)
TOLD_BY_A_KIND = {"budget", "hard-cap", "max-lease", "hard-cap-soon", "max-lease-soon", "lost"}


def test_every_code_stands_on_the_page() -> None:
    codes = alert_codes()
    assert {
        "silent",
        "duplicate",
        "tag",
        "price",
        "clock",
        "broken",
        "plain-tag",
        "plain-refused",
        "start-timeout",
    } <= codes
    assert {code for code in codes - TOLD_BY_A_KIND if f"`{code}`" not in PAGE} == set()


def test_every_answer_of_ec2_that_ends_a_start_stands_on_the_page() -> None:
    unnamed = power_errors.PASSING | {power_errors.Kind.OTHER}  # never a failure; EC2's own code
    assert {kind for kind in power_errors.Kind if kind not in unnamed and f"`{kind}`" not in PAGE} == set()
