"""When a host was on, as what, and what the month has cost: the figures by hand, once."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.lease import Event, State
from core.money import ledger
from core.money.ledger import Interval, Ledger, Spent, intervals, spending
from core.money.prices import PriceUnknown
from tests.samples import unit_settings

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
HOUR = 3600.0
SETTINGS = unit_settings(instance_types=("g6.xlarge", "g6e.xlarge"), monthly_budget_usd=150.0)


def event(at: float, before: str, after: str, epoch: int = 1, **facts: Any) -> Event:
    return Event(epoch, at, before, after, "x", "y", facts)


def on_for(hours: float, start: float = NOVEMBER, **facts: Any) -> list[Event]:
    """A wake, a run and a stop; `facts` are what the agent says when it is ready."""
    ends = start + hours * HOUR
    return [
        event(start, "STOPPED", "STARTING"),
        event(start + 60, "STARTING", "RUNNING", **facts),
        event(ends - 60, "RUNNING", "STOPPING"),
        event(ends, "STOPPING", "STOPPED"),
    ]


def spent(events: list[Event], machine: str, now: float) -> float:
    found = spending(ledger.of(events), SETTINGS, machine, now)
    assert (found.month_usd is not None, found.problem) == (True, "")
    return round(found.month_usd or 0.0, 2)


AFTER = NOVEMBER + 200 * HOUR


@pytest.mark.parametrize("fact", ["rung", "instance_type"])
@pytest.mark.parametrize("machine", ["g6.xlarge", "g6e.xlarge", ""])
def test_hours_keep_their_price_when_the_type_is_set_back(fact: str, machine: str) -> None:
    assert spent(on_for(100, **{fact: "g6e.xlarge"}), machine, AFTER) == 186.10


@pytest.mark.parametrize("known", [{}, {"instance_type": "g6.xlarge"}])
def test_the_other_way_round_a_dear_half_hour_does_not_make_the_rest_dear(known: dict[str, Any]) -> None:
    events = [*on_for(100, **known), event(AFTER, "STOPPED", "STARTING", rung="g6e.xlarge")]
    assert spent(events[:-1], "g6e.xlarge", AFTER) == 80.48
    assert spent(events, "g6e.xlarge", AFTER + HOUR / 2) == 81.41


def test_an_open_start_that_says_nothing_is_what_the_machine_is_now() -> None:
    events = [*on_for(100), event(AFTER, "STOPPED", "STARTING")]
    assert spent(events, "g6e.xlarge", AFTER + HOUR / 2) == 81.41


def test_intervals_from_the_history() -> None:
    history = [
        event(0, "", "NEW"),
        event(100, "NEW", "RUNNING"),
        event(200, "RUNNING", "DRAINING"),
        event(210, "DRAINING", "STOPPING"),
        event(215, "STOPPING", "STOPPED"),
        event(1000, "STOPPED", "STARTING"),
        event(1300, "STARTING", "FAILED", failure="start-timeout"),
        event(2000, "FAILED", "STARTING"),
    ]
    assert intervals(history, now=2500) == [Interval(0, 215), Interval(1000, 1300), Interval(2000, 2500)]
    assert intervals([], now=5) == []


@pytest.mark.parametrize("failure", ["capacity", "InsufficientInstanceCapacity", "quota", "VcpuLimitExceeded"])
def test_a_start_that_ec2_refused_is_not_billed(failure: str) -> None:
    refused = [event(0, "STOPPED", "STARTING"), event(9, "STARTING", "FAILED", failure=failure)]
    assert intervals(refused, now=50) == []
    ran = [event(0, "STOPPED", "STARTING"), event(5, "STARTING", "RUNNING"), event(6, "RUNNING", "STARTING")]
    assert intervals([*ran, refused[1]], now=50) == [Interval(0, 9)]


def test_a_type_that_changes_under_the_lease_splits_the_interval_at_its_start() -> None:
    """Stopped, changed and started by hand, before anybody saw it off."""
    history = [*on_for(1, 0.0, instance_type="g6.xlarge")[:2], event(700, "RUNNING", "STARTING")]
    history.append(event(760, "STARTING", "RUNNING", instance_type="g6e.xlarge"))
    assert intervals(history, now=1000) == [Interval(0, 700, "g6.xlarge"), Interval(700, 1000, "g6e.xlarge")]
    same = [*history[:3], event(760, "STARTING", "RUNNING", instance_type="g6.xlarge")]
    assert intervals(same, now=1000) == [Interval(0, 1000, "g6.xlarge")]


UP, DOWN = event(10, "STOPPED", "STARTING"), event(150, "DRAINING", "STOPPING")
OFF = event(160, "STOPPING", "STOPPED")


@pytest.mark.parametrize(
    ("events", "state", "on"),
    [
        ([], State.RUNNING, [Interval(100, 300, "now")]),
        ([], State.STOPPED, []),
        ([DOWN, OFF], State.STOPPED, [Interval(100, 160)]),  # on since before
        ([OFF, event(200, "STOPPED", "STARTING")], State.STARTING, [Interval(100, 160), Interval(200, 300, "now")]),
        ([event(250, "", "NEW")], State.NEW, [Interval(250, 300, "now")]),
    ],
)
def test_a_history_that_begins_later(events: list[Event], state: State, on: list[Interval]) -> None:
    assert intervals(events, now=300, since=100, state=state, instance_type="now") == on


def test_a_start_costs_at_least_a_minute_once() -> None:
    assert Interval(0, 5).billed_s == 60
    assert Interval(0, 61).billed_s == 61
    assert (Interval(0, 5).billed_since(3), Interval(0, 5).billed_since(-9)) == (2, 60)
    over = ledger.of([event(NOVEMBER - 2, "STOPPED", "STARTING"), event(NOVEMBER + 3, "STARTING", "FAILED")])
    assert over.months == {"2026-10": {"": 57.0}, "2026-11": {"": 3.0}}


def test_only_this_month_counts_and_the_open_end_is_now() -> None:
    history = [
        *on_for(10, NOVEMBER - 50 * HOUR),
        *on_for(15, NOVEMBER - 5 * HOUR),  # over the turn of the month
        event(NOVEMBER + 20 * HOUR, "STOPPED", "STARTING"),
    ]
    found = ledger.of(history)
    assert found.month(NOVEMBER + 25 * HOUR, "g5.xlarge") == {"": 10 * HOUR, "g5.xlarge": 5 * HOUR}
    assert found.months["2026-10"] == {"": 15 * HOUR}
    assert found.month(datetime(2026, 12, 3, tzinfo=UTC).timestamp()) == {"": 48 * HOUR}  # since the first


def test_without_a_budget_nothing_is_asked_and_without_a_price_it_is_said() -> None:
    assert spending(Ledger(), dataclasses.replace(SETTINGS, monthly_budget_usd=None), "g6.xlarge", AFTER) == Spent()
    found = spending(ledger.of(on_for(1, instance_type="x9.huge")), SETTINGS, "g6.xlarge", AFTER)
    assert (found.month_usd, found.day_usd) == (None, None)
    assert "not enforced" in found.problem
    assert "x9.huge" in found.problem
    with pytest.raises(PriceUnknown, match="x9"):
        ledger.host_usd({"": 5.0}, "us-east-1", "x9.huge")


def test_a_days_spending_and_only_the_newest_days_are_kept() -> None:
    """Over midnight each day has its own hours; of the days before nobody asks."""
    history = [*on_for(1), *on_for(4, NOVEMBER + 46 * HOUR), event(NOVEMBER + 60 * HOUR, "STOPPED", "STARTING")]
    found = ledger.of(history)
    assert found.days == {"2026-11-02": {"": 2 * HOUR}, "2026-11-03": {"": 2 * HOUR}}
    assert found.day(NOVEMBER + 61 * HOUR, "g6.xlarge") == {"": 2 * HOUR, "g6.xlarge": HOUR}
    assert found.day(NOVEMBER + 73 * HOUR, "g6.xlarge") == {"g6.xlarge": HOUR}  # since midnight
    only_daily = dataclasses.replace(SETTINGS, monthly_budget_usd=None, daily_budget_usd=5.0)
    spent_so_far = spending(found, only_daily, "g6.xlarge", NOVEMBER + 61 * HOUR)
    assert spent_so_far.day_usd == pytest.approx(3 * 0.8048)
    assert spent_so_far.month_usd == pytest.approx(6 * 0.8048)


STATES = st.sampled_from(["NEW", "STARTING", "RUNNING", "DRAINING", "STOPPING", "STOPPED", "FAILED"])
STEPS = st.lists(
    st.tuples(st.floats(0, 40 * 86400), STATES, st.sampled_from(["", "g6.xlarge", "g6e.xlarge"])), max_size=12
)


@settings(deadline=None)
@given(STEPS, st.integers(0, 12), st.floats(0, 90 * 86400))
def test_counting_on_from_any_event_is_counting_from_the_first(steps: list[Any], cut: int, later: float) -> None:
    """And the months of the ledger are the seconds of the intervals."""
    at, before, history = NOVEMBER, "STOPPED", list[Event]()
    for gap, after, kind in steps:
        at += gap
        history.append(event(at, before, after, **({"instance_type": kind} if kind else {})))
        before = after
    whole, now = ledger.of(history), at + later
    assert ledger.of(history[:cut]).add(history[cut:]) == whole
    first = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
    seconds = sum(i.billed_since(first) for i in intervals(history, now=now))
    assert sum(whole.month(now).values()) == pytest.approx(seconds, abs=1e-3)
