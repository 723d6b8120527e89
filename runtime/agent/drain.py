"""One drain as the agent lives it: wait for the fence, shut the door, look until two readings agree, or give up.

Pure progress on a monotonic clock; the agent does the writing. The same steps serve the dead-man's switch, which has
no fence to wait for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.contract import FENCE_WAIT_S, LOOK_GAP_S, LOOK_WAIT_S
from runtime.agent.look import Look

LOOK_EVERY_S: Final = LOOK_GAP_S / 2


class Step(StrEnum):
    """What is to be done next."""

    WAIT = "wait"
    SHUT = "shut"
    LOOK = "look"
    QUIET = "quiet"  # two readings agree: nothing is in flight
    GIVE_UP = "give-up"


@dataclass
class Drain:
    """A drain of one epoch. Times are the monotonic clock's, in seconds."""

    epoch: int
    began: float
    door_at: float | None = None
    first: Look | None = None  # the first of two quiet readings
    first_at: float = 0.0
    last: Look | None = None
    looked_at: float = float("-inf")
    stop_tried: bool = False  # a stop was written and its answer never came
    given_up: str = ""
    by_demand: bool = False  # what it was given up for was seen in the engines, not merely feared or asked for

    def next(self, now: float, *, fenced: bool) -> Step:
        """The next step, given whether the relay's fence is up."""
        if self.given_up:
            return Step.GIVE_UP
        if self.door_at is None:
            return Step.SHUT if fenced or now - self.began >= FENCE_WAIT_S else Step.WAIT
        if self._agreed(now):
            return Step.QUIET
        if now - self.door_at >= LOOK_WAIT_S:
            self.given_up = (self.last.busy if self.last else "") or "the counters kept moving"
            self.by_demand = self.last is not None and self.last.certain
            return Step.GIVE_UP
        return Step.LOOK if now - self.looked_at >= LOOK_EVERY_S else Step.WAIT

    def saw(self, reading: Look, now: float) -> None:
        """One reading, taken with the door shut."""
        self.last, self.looked_at = reading, now
        if reading.busy:
            self.first = None
        elif self.first is None or self.first.counters != reading.counters:
            self.first, self.first_at = reading, now

    def _agreed(self, now: float) -> bool:
        return (
            self.first is not None
            and self.last is not None
            and self.last is not self.first
            and self.looked_at - self.first_at >= LOOK_GAP_S
            and now - self.looked_at < LOOK_GAP_S  # not a memory of long ago
        )

    def again(self) -> None:
        """Forget what was seen: it is too old to act on."""
        self.first = None
