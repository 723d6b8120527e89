"""When the host was awake, waking and asleep, day by day: what the picture of `fab cost` shows. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Final

from core.lease import Event, State
from core.times import moments

PHASES: Final = ("awake", "waking", "stopping", "asleep")
_PHASE: Final = {
    State.NEW: "awake",
    State.RUNNING: "awake",
    State.STARTING: "waking",
    State.DRAINING: "stopping",
    State.STOPPING: "stopping",
    State.STOPPED: "asleep",
    State.FAILED: "asleep",
}


@dataclass(frozen=True)
class Timeline:
    """`days`: their midnights (s). `bars`: (row, phase, begins, lasts), hours of the day."""

    stack: str
    zone: str
    days: tuple[float, ...]
    bars: tuple[tuple[int, str, float, float], ...]


def days_of(since: float, until: float, zone: str) -> Iterator[tuple[float, float]]:
    """The days on a clock in `zone`, from, to; the first and the last one may be parts of days."""
    edges, day = [since], moments.local(since, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    while (next_day := (day := day + timedelta(days=1)).timestamp()) < until:
        edges.append(next_day)
    return pairwise([*edges, until])


def of(stack: str, events: Sequence[Event], *, since: float, now: float, zone: str) -> Timeline:
    """A history from `since` to `now` (s), oldest first. Before its first event nothing is drawn."""
    spans = [(max(since, a), b, phase) for a, b, phase in _spans(events, now) if b > since]
    days = list(days_of(since, now, zone))
    midnights = tuple(moments.midnight(start, zone) for start, _ in days)
    bars = tuple(
        (row, phase, (max(a, start) - midnights[row]) / 3600, (min(b, end) - max(a, start)) / 3600)
        for row, (start, end) in enumerate(days)
        for a, b, phase in spans
        if min(b, end) > max(a, start)
    )
    return Timeline(stack, zone, midnights, bars)


def _spans(events: Sequence[Event], now: float) -> Iterator[tuple[float, float, str]]:
    moments_ = [(event.at, event.after) for event in events]
    for (at, state), (until, _) in pairwise([*moments_, (now, "")]):
        yield at, until, _PHASE[State(state)]
