"""One drain as the agent lives it: wait for the cordon, close admission, check until two readings agree, or give up.

Pure progress on a monotonic clock; the agent does the writing. The same steps serve the dead-man's switch, which has
no cordon to wait for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from runtime.agent.idle_check import IdleCheck

CORDON_WAIT_S: Final = 10.0  # the agent waits this long for the cordon, then checks all the same
IDLE_CHECK_WAIT_S: Final = 30.0  # admission closed, not quiet within this: veto
IDLE_CHECK_GAP_S: Final = 0.5  # between the two readings of an idle check
IDLE_CHECK_EVERY_S: Final = IDLE_CHECK_GAP_S / 2


class Step(StrEnum):
    """What is to be done next."""

    WAIT = "wait"
    CLOSE = "close"
    CHECK = "check"
    QUIET = "quiet"  # two readings agree: nothing is in flight
    GIVE_UP = "give-up"


@dataclass
class Drain:
    """A drain of one epoch. Times are the monotonic clock's, in seconds."""

    epoch: int
    began: float
    closed_at: float | None = None
    first: IdleCheck | None = None  # the first of two quiet readings
    first_at: float = 0.0
    last: IdleCheck | None = None
    checked_at: float = float("-inf")
    stop_tried: bool = False  # a stop was written and its answer never came
    given_up: str = ""
    by_demand: bool = False  # what it was given up for was seen in the engines, not merely feared or asked for

    def next(self, now: float, *, cordoned: bool) -> Step:
        """The next step, given whether the relay has cordoned the host."""
        if self.given_up:
            return Step.GIVE_UP
        if self.closed_at is None:
            return Step.CLOSE if cordoned or now - self.began >= CORDON_WAIT_S else Step.WAIT
        if self._agreed(now):
            return Step.QUIET
        if now - self.closed_at >= IDLE_CHECK_WAIT_S:
            self.given_up = (self.last.busy if self.last else "") or "the counters kept moving"
            self.by_demand = self.last is not None and self.last.certain
            return Step.GIVE_UP
        return Step.CHECK if now - self.checked_at >= IDLE_CHECK_EVERY_S else Step.WAIT

    def saw(self, reading: IdleCheck, now: float) -> None:
        """One reading, taken with admission closed."""
        self.last, self.checked_at = reading, now
        if reading.busy:
            self.first = None
        elif self.first is None or self.first.counters != reading.counters:
            self.first, self.first_at = reading, now

    def _agreed(self, now: float) -> bool:
        return (
            self.first is not None
            and self.last is not None
            and self.last is not self.first
            and self.checked_at - self.first_at >= IDLE_CHECK_GAP_S
            and now - self.checked_at < IDLE_CHECK_GAP_S  # not a memory of long ago
        )

    def again(self) -> None:
        """Forget what was seen: it is too old to act on."""
        self.first = None
