"""The capacity ladder, walked in one run: the same type once more, then the stack file's other types, in their order.

Every rung is claimed in the lease before the type is changed or a start ordered, and what EC2 refused stands there
(`rung`, `tried`) for callers and `fab status`. Which types is `core/capacity/ladder.py`'s, what a refusal means
`core/capacity/power_errors.py`'s.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from core import lease as protocol
from core.capacity import ladder
from core.capacity.power_errors import Kind
from core.codes import Failure
from core.contract.documents import UnitSettings
from core.lease import Lease, Refused
from runtime.backends.leases import LeaseStore
from runtime.backends.power import PowerRefused, PowerUnanswered, ResizablePower

JITTER_S: Final = (0.5, 2.0)  # many hosts that were refused at one moment do not come back at one moment
SLOW_S: Final = 2.0  # a claim this old is renewed before its start order, which must not land after START_ORDER_LIFE_S
CLIMB_FOR_S: Final = 20.0  # no rung is begun after so long: the pass has 50 s in all


@dataclass(frozen=True)
class Climbed:
    """How it ended: the lease now, words, and a failure's code where the lease is to be FAILED."""

    lease: Lease
    words: str
    failure: str = ""
    lost_race: bool = False


class Climb:
    """One walk for one lease in STARTING, after `refused`. `now` is the table's time, s."""

    def __init__(
        self, store: LeaseStore, power: ResizablePower, now: Callable[[], float], settings: UnitSettings
    ) -> None:
        self._store, self._power, self._now = store, power, now
        self._types, self._skipped = settings.instance_types, settings.skipped_types
        self._tried = self._home = self._type = ""

    def run(self, lease: Lease, refused: PowerRefused) -> Climbed:
        """Climb until a start is taken, or all were refused. What is not answered is left to the order's repetition."""
        self._lease = lease
        try:
            return self._walk(refused)
        except PowerUnanswered as error:
            return Climbed(self._lease, f"not taken on the ladder ({error}); repeated if the machine stays stopped")

    def _walk(self, refused: PowerRefused) -> Climbed:
        began, machine = time.monotonic(), self._power.describe(self._lease.instance_id)
        if machine.state != "stopped":
            return Climbed(self._lease, f"{refused}; EC2 says {machine.state}: no rung is tried")
        self._type = machine.instance_type
        self._home = ladder.preferred(self._types, self._type) if self._lease.rung else self._type
        order = ladder.order(self._types, self._type, self._lease.tried, self._skipped)
        self._tried = ladder.tried(self._lease.tried, self._type, refused.code)
        time.sleep(random.uniform(*JITTER_S))
        for rung in order:
            if time.monotonic() - began > CLIMB_FOR_S:
                break
            ended = self._try(rung)
            if isinstance(ended, Climbed):
                return ended
            if ended.capacity:
                refused = ended
        return self._give_up(f"no capacity: {self._told()}; EC2 said last: {refused}", Failure.CAPACITY)

    def _told(self) -> str:
        """What was refused, and what was never asked for."""
        skipped = ladder.skipped_words(self._skipped)
        return f"{self._tried}; {skipped}" if skipped else self._tried

    def _try(self, rung: str) -> Climbed | PowerRefused:
        """One rung: how the walk ended, or the refusal after which the next one is tried."""
        began = time.monotonic()
        if not self._claim(rung):
            return self._lost()
        try:
            if rung != self._type:
                self._set_type(rung)
            if time.monotonic() - began > SLOW_S and not self._claim(rung):
                return self._lost()
            self._power.start(self._lease.instance_id)
        except PowerRefused as refused:
            return self._judge(rung, refused)
        return Climbed(self._lease, f"started as {rung}; refused before: {self._told()}")

    def _judge(self, rung: str, refused: PowerRefused) -> Climbed | PowerRefused:
        """Capacity, or a type that does not fit here: the next rung. Quota, key and the rest: over, with the fix."""
        self._tried = ladder.tried(self._tried, rung, refused.code)
        does_not_fit = rung != self._type or refused.kind is Kind.TYPE
        if refused.capacity or does_not_fit:
            return refused
        return self._give_up(f"{refused} (tried: {self._tried})", refused.failure)

    def _give_up(self, words: str, failure: str) -> Climbed:
        """Off, on the type that it had: the next walk begins where this one did."""
        if not self._claim(self._home):
            return self._lost()
        if self._type != self._home:
            try:
                self._set_type(self._home)
            except (PowerRefused, PowerUnanswered) as error:
                words = f"{words}; the type stays {self._type}: {error}"
                self._claim(self._type)  # so that it is set back later
        return Climbed(self._lease, words, failure)

    def _lost(self) -> Climbed:
        return Climbed(self._lease, "somebody else was first", lost_race=True)

    def _set_type(self, rung: str) -> None:
        self._power.set_type(self._lease.instance_id, rung)
        self._type = rung

    def _claim(self, rung: str) -> bool:
        """The lease says which type comes now; False where another reaper is at work on this start."""
        off_course = rung not in (self._home, ladder.preferred(self._types, rung))
        outcome = protocol.climb(
            self._lease, rung=rung if off_course else "", tried=self._tried, now=self._now(), nonce=uuid.uuid4().hex
        )
        after = None if isinstance(outcome, Refused) else self._store.write(outcome)
        if after is not None and after.instance_id != self._lease.instance_id:
            return False  # that machine's tags were not looked at
        self._lease = after or self._lease
        return after is not None
