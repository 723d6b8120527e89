"""Budget parts, alerts and their end, and which alerts a kind tells already."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.lease import Lease, State
from core.notifications import Kind, standing
from core.policy import Action
from core.soon import Soon
from tests.core.notifications.examples import LEASE

NOVEMBER = datetime(2026, 11, 30, 23, 59, tzinfo=UTC).timestamp()
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("told", "spent", "budget", "now", "part"),
    [
        ("", 49.99, 100.0, NOVEMBER, 0),
        ("", 50.0, 100.0, NOVEMBER, 50),
        ("2026-11:50", 79.9, 100.0, NOVEMBER, 0),
        ("2026-11:50", 80.0, 100.0, NOVEMBER, 80),
        ("2026-11:80", 99.9, 100.0, NOVEMBER, 0),
        ("2026-11:80", 100.0, 100.0, NOVEMBER, 100),
        ("2026-11:100", 250.0, 100.0, NOVEMBER, 0),
        ("", 85.0, 100.0, NOVEMBER, 80),  # 50 was jumped over
        ("2026-11:100", 60.0, 100.0, NOVEMBER, 0),  # the budget was raised
        ("2026-11:100", 60.0, 100.0, DECEMBER, 50),
        ("2026-12:50", 60.0, 100.0, DECEMBER, 0),
        ("broken", 60.0, 100.0, DECEMBER, 50),
        ("", None, 100.0, NOVEMBER, 0),
        ("", 60.0, None, NOVEMBER, 0),
        ("", 0.0, 0.0, NOVEMBER, 0),
    ],
)
def test_each_part_of_a_budget_once_a_month(
    told: str, spent: float | None, budget: float | None, now: float, part: int
) -> None:
    lease = replace(LEASE, budgeted=told)
    assert standing.budget_part(lease, spent_usd=spent, budget_usd=budget, now=now) == part


def test_what_the_lease_remembers_of_a_budget_is_what_is_asked_for() -> None:
    part, notification = standing.budget(LEASE, 100, stack="demo", spent_usd=101.0, budget_usd=100.0, now=NOVEMBER)
    after = replace(LEASE, budgeted=part)
    assert standing.budget_part(after, spent_usd=101.0, budget_usd=100.0, now=NOVEMBER) == 0
    assert (part, notification.id) == ("2026-11:100", "qwen7b/host:2026-11:100")
    assert "all of its budget" in notification.summary


def test_an_alert_and_its_end() -> None:
    alerted = replace(LEASE, alerted="tag")
    begun = standing.alert(LEASE, "tag", stack="demo", reason="tag x: bad", now=NOVEMBER)
    over = standing.alert(alerted, "", stack="demo", reason="all well", now=NOVEMBER)
    assert (begun.kind, begun.facts["alert"], begun.facts["cleared"]) == (Kind.ALERT, "tag", False)
    assert (over.facts["alert"], over.facts["cleared"]) == ("tag", True)
    assert begun.id != over.id
    assert begun.id == standing.alert(LEASE, "tag", stack="demo", reason="tag x: bad", now=NOVEMBER + 30).id


def test_the_same_trouble_has_the_same_id() -> None:
    ids = {
        standing.trouble("a/host", "broken", stack="a", reason=r, now=n).id
        for r in ("x", "y")
        for n in (NOVEMBER, DECEMBER)
    }
    assert len(ids) == 2


FAILED = replace(LEASE, state=State.FAILED, failure="quota")


@pytest.mark.parametrize(
    ("lease", "action", "key", "by_a_kind"),
    [
        (LEASE, Action.KEEP, "", False),
        (LEASE, Action.KEEP, "silent", False),
        (LEASE, Action.KEEP, "tag", False),
        (LEASE, Action.KEEP, "gone", False),
        (FAILED, Action.KEEP, "quota", True),
        (FAILED, Action.KEEP, "replaced", False),
        (LEASE, Action.KEEP, "budget", True),
        (LEASE, Action.DRAIN, "budget", True),
        (LEASE, Action.KEEP, "max-lease-soon", True),
        (LEASE, Action.KEEP, "hard-cap-soon", True),
        (LEASE, Action.FORCE, "silent", True),
        (LEASE, Action.LOST, "lost", True),
        (LEASE, Action.FAIL, "gone", True),
        (LEASE, Action.FAIL_STOP, "start-timeout", True),
        (replace(LEASE, state=State.STARTING), Action.START, "capacity", True),
    ],
)
def test_one_mechanism_a_happening(lease: Lease, action: Action, key: str, by_a_kind: bool) -> None:
    assert standing.told_by_a_kind(lease, action, key) is by_a_kind


def test_a_stop_that_is_near() -> None:
    idle = standing.about_to_stop(LEASE, Soon("idle", 400.0, 100.0, 300.0), stack="qwen7b", reason="r", now=340.0)
    assert (idle.summary, idle.facts["stops_in_s"], idle.facts["forced"]) == ("qwen7b stops in 1m", 60, False)
    cap = standing.about_to_stop(LEASE, Soon("hardCap", 400.0, 100.0, 300.0), stack="qwen7b", reason="r", now=340.0)
    assert (cap.summary, cap.facts["forced"]) == ("qwen7b is stopped by force in 1m (hardCap)", True)
    assert idle.id != cap.id
