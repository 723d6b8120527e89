"""Past wakes, from the lease's history: how long they took, whether they come too often. Pure.

Relay (callers' waiting time) and policy (pre-warm, flap damping) read the same history here. Whoever asks brings the
events; the reaper asks only where the answer could change a decision (`core.policy.asks_past`).
"""

from __future__ import annotations

from collections.abc import Sequence
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


def wakes(events: Sequence[Event]) -> tuple[Wake, ...]:
    """Every wake in the history (oldest first in, oldest first out); starts that failed are none."""
    found: list[Wake] = []
    began: Event | None = None
    for event in events:
        if event.after == State.STARTING:
            began = event
        elif event.after == State.RUNNING and event.before == State.STARTING and began is not None:
            found.append(Wake(began.at, event.at - began.at, began.before in _OFF))
            began = None
        elif event.after != State.RUNNING:
            began = None
    return tuple(found)


def longest_s(past: Sequence[Wake]) -> float | None:
    """What a wake may take, s: the longest of the last ones, or None where there was none."""
    return max((w.took_s for w in past[-PAST_WAKES:]), default=None)


def flaps(past: Sequence[Wake]) -> bool:
    """The last FLAPS wakes from off began within an hour of each other."""
    woken = [w.at for w in past if w.from_off][-FLAPS:]
    return len(woken) == FLAPS and woken[-1] - woken[0] <= FLAPS_WITHIN_S
