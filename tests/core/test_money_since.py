"""Hours since a moment, where the history may begin later or be empty."""

from __future__ import annotations

import pytest

from core.lease import Event, State
from core.money import Interval, on_since


def event(at: float, before: str, after: str) -> Event:
    return Event(1, at, before, after, "x", "y")


UP, DOWN = event(10, "STOPPED", "STARTING"), event(150, "DRAINING", "STOPPING")
OFF = event(160, "STOPPING", "STOPPED")


@pytest.mark.parametrize(
    ("events", "state", "on"),
    [
        ([], State.RUNNING, [Interval(100, 300)]),
        ([], State.STOPPED, []),
        ([UP], State.RUNNING, [Interval(100, 300)]),
        ([UP, DOWN, OFF], State.STOPPED, [Interval(100, 160)]),  # on since before
        ([OFF, event(200, "STOPPED", "STARTING")], State.STARTING, [Interval(100, 160), Interval(200, 300)]),
        ([event(250, "", "NEW")], State.NEW, [Interval(250, 300)]),
    ],
)
def test_on_since(events: list[Event], state: State, on: list[Interval]) -> None:
    assert on_since(events, state, since=100, now=300) == on
