"""Past wakes, from the lease's history: how long they took, whether they come too often. Pure.

Relay (callers' waiting time) and policy (pre-warm, flap damping) read the same history here. Whoever asks brings the
events; the reaper asks only where the answer could change a decision (`core.policy.asks_past`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.lease import WANTED_BY, Event, State
from core.times.durations import show

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


# ---------------------------------------------------------------- as people read them
@dataclass(frozen=True)
class Attempt:
    """A start that ended at `at` (table time, s): how long it took, and what of. `failure`: why it failed; "": ready.

    `took_s` from the start order; None: the order is not in the history. `engines_s`: each engine from the start of its
    process until it answered. `who` asked for it; "" where the history does not say.
    """

    at: float
    took_s: float | None
    engines_s: Mapping[str, float]
    who: str = ""
    failure: str = ""

    @property
    def boot_s(self) -> float | None:
        """From the start order until the engines' processes started; None: not known."""
        if self.took_s is None or not self.engines_s:
            return None
        return max(0.0, self.took_s - max(self.engines_s.values()))

    @property
    def stages(self) -> str:
        """`boot 21s, engine a 20s`; "" where nothing is known."""
        parts = [] if self.boot_s is None else [f"boot {show(self.boot_s)}"]
        return ", ".join(parts + [f"engine {name} {show(seconds)}" for name, seconds in self.engines_s.items()])

    @property
    def words(self) -> str:
        """`42s for key ann: boot 21s, engine a 20s`."""
        total = "" if self.took_s is None else show(self.took_s) + (f" for {self.who}" if self.who else "")
        return ": ".join(words for words in (total, self.stages) if words)


def attempts(events: Iterable[Event]) -> list[Attempt]:
    """Every start in the history that has ended, oldest first in, oldest first out."""
    found, began = list[Attempt](), None
    for event in events:
        if event.before == State.STARTING and event.after in (State.RUNNING, State.FAILED):
            found.append(_attempt(began, event))
        began = event if event.after == State.STARTING else None
    return found


def _attempt(began: Event | None, ended: Event) -> Attempt:
    engines = {
        name.removeprefix("engine_").removesuffix("_s"): float(value)
        for name, value in ended.facts.items()
        if name.startswith("engine_") and name.endswith("_s")
    }
    took, who = (None, "") if began is None else (ended.at - began.at, str(began.facts.get(WANTED_BY, "")))
    return Attempt(ended.at, took, engines, who, ended.reason if ended.after == State.FAILED else "")
