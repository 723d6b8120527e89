"""Past wakes, from the lease's history: how long they took, whether they come too often. Pure.

Relay (callers' waiting time) and policy (pre-warm, flap damping) read the same history here. Whoever asks brings the
events; the reaper asks only where the answer could change a decision (`core.policy.asks_past`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from core.lease import Event, State

PAST_WAKES: Final = 5  # so many of the last ones count
FLAPS: Final = 3  # woken so often …
FLAPS_WITHIN_S: Final = 3600.0  # … within this: the host flaps
_OFF: Final = frozenset({State.STOPPED, State.FAILED})


@dataclass(frozen=True)
class Wake:
    """A start that ended RUNNING: when it began (table time, s), how long it took (s).

    `from_off`: the host was off before, not restarted under its lease.
    """

    at: float
    took_s: float
    from_off: bool = True


@dataclass(frozen=True)
class Waking:
    """The wakes of the events so far, and when a start began that has not ended yet."""

    wakes: tuple[Wake, ...] = ()
    began_at: float | None = None
    from_off: bool = False

    def add(self, events: Iterable[Event]) -> Waking:
        """With the next events, oldest first; starts that failed are no wakes."""
        found, began_at, from_off = list(self.wakes), self.began_at, self.from_off
        for event in events:
            if event.after == State.STARTING:
                began_at, from_off = event.at, event.before in _OFF
                continue
            if event.after == State.RUNNING and event.before == State.STARTING and began_at is not None:
                found.append(Wake(began_at, event.at - began_at, from_off))
            if event.after != State.RUNNING or event.before == State.STARTING:
                began_at = None
        return Waking(tuple(found), began_at, from_off and began_at is not None)


def wakes(events: Iterable[Event]) -> tuple[Wake, ...]:
    """Every wake in the history, oldest first in, oldest first out."""
    return Waking().add(events).wakes


def longest_s(past: Sequence[Wake]) -> float | None:
    """What a wake may take, s: the longest of the last ones, or None where there was none."""
    return max((w.took_s for w in past[-PAST_WAKES:]), default=None)


def flaps(past: Sequence[Wake]) -> bool:
    """The last FLAPS wakes from off began within an hour of each other."""
    woken = [w.at for w in past if w.from_off][-FLAPS:]
    return len(woken) == FLAPS and woken[-1] - woken[0] <= FLAPS_WITHIN_S
