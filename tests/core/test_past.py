"""What a history adds up to: counted on from anywhere it is the same, kept it is the same, and nonsense is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.lease import Event
from core.past import WAKES_KEPT, Past, begin, from_item, to_item
from core.wakes import Wake, wakes

CYCLE = ("STARTING", "RUNNING", "DRAINING", "STOPPING", "STOPPED")


def history(cycles: int, at: float = 1_790_000_000.0, gap: float = 600.0) -> list[Event]:
    """A new unit, then so many wakes of it, each step `gap` seconds after the one before."""
    steps = ["NEW", "RUNNING", "DRAINING", "STOPPING", "STOPPED", *CYCLE * cycles]
    facts = {"instance_type": "g6.xlarge"}
    return [
        Event(n + 1, at + n * gap, steps[n - 1] if n else "", step, "x", "y", facts if step == "RUNNING" else {})
        for n, step in enumerate(steps)
    ]


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(0, 160), st.integers(0, 160))
def test_counted_on_from_anywhere_it_is_the_same(cycles: int, one: int, other: int) -> None:
    events = history(cycles)
    first, second = sorted((min(one, len(events)), min(other, len(events))))
    parts = (events[:first], events[first:second], events[second:])
    past = Past()
    for part in parts:
        past = past.add(part, upto=part[-1].epoch if part else past.epoch)
    assert past == Past().add(events, upto=len(events))
    assert past.wakes == wakes(events)[-WAKES_KEPT:]
    assert from_item(json.loads(json.dumps(to_item(past)))) == past


def test_a_past_that_begins_in_the_middle_knows_what_the_host_was() -> None:
    events = history(3)
    assert begin(events, upto=20) == Past().add(events, upto=20)
    later = begin(events[6:], upto=20)  # from RUNNING on, before which it was STARTING
    assert (later.since, later.epoch) == (events[6].at, 20)
    assert later.wakes == wakes(events)[1:]
    assert later.ledger.on is None
    assert begin(events[6:8], upto=8).ledger.on is not None
    assert begin([], upto=9) == Past(9)


def test_a_start_that_has_not_ended_is_kept() -> None:
    events = history(1)[:6]
    past = begin(events, upto=6)
    again = from_item(to_item(past))
    assert again == past
    woken = [Event(7, events[-1].at + 42, "STARTING", "RUNNING", "x", "y")]
    assert (again or Past()).add(woken, upto=7).wakes == (Wake(events[-1].at, 42.0),)


GOOD = to_item(begin(history(2)[:-3], upto=12))


@pytest.mark.parametrize(
    "change",
    [
        {"past_version": 99},
        {"epoch": -1},
        {"epoch": "7"},
        {"since": 1e12},
        {"months": 7},
        {"months": [{"month": "2026-11", "type": "", "s": "nan"}]},
        {"months": [{}]},
        {"wakes": [{"at": 1}]},
        {"wakes": [None]},
        {"on": 5},
        {"on": {"start": 5}},
        {"began": []},
    ],
)
def test_nonsense_is_no_past_and_is_counted_again(change: dict[str, Any]) -> None:
    assert from_item(GOOD) is not None
    assert from_item(GOOD | change) is None
    assert from_item({k: v for k, v in GOOD.items() if k not in change} if "on" not in change else {}) is None or (
        change.keys() & {"began"}
    )


def test_none_is_kept_where_there_is_none() -> None:
    assert from_item(None) is None
    assert from_item({}) is None
