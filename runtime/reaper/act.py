"""Doing one decision: the conditional write first, then the order to EC2.

A lost write means that somebody else was first. Nothing here decides (`core/policy/` does), nor which write and which
order a decision means (`core/policy/carry_out.py`, which the forecast uses too): here both are sent.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from core import lease as protocol
from core.codes import Writer
from core.contract.documents import UnitSettings
from core.contract.intervals import STOP_ORDER_LIFE_S
from core.lease import Lease, Refused
from core.lease import Outcome as LeaseOutcome
from core.policy import Decision
from core.policy.carry_out import Order, carry_out, taken
from runtime.backends.leases import LeaseStore
from runtime.backends.power import Power, PowerRefused, PowerUnanswered, Resizable
from runtime.reaper.climb import Climb

STOP_SENT_WITHIN_S: Final = (
    STOP_ORDER_LIFE_S - 5.0
)  # after that a stop order with its 5 s time-out could outlive its claim


@dataclass(frozen=True)
class Done:
    """The lease afterwards, words where they add to the decision's, an alert where the doing brought one."""

    lease: Lease
    note: str = ""
    alert: str = ""
    lost_race: bool = False


class Actor:
    """Does one decision for one unit. `now` is the table's time."""

    def __init__(self, store: LeaseStore, power: Power, now: Callable[[], float]) -> None:
        self._store, self._power, self._now = store, power, now

    def do(self, lease: Lease, decision: Decision, settings: UnitSettings) -> Done:
        """Do it; an action that the lease refuses, or that somebody else was first with, changes nothing."""
        began = time.monotonic()
        step = carry_out(lease, decision, settings, now=self._now(), nonce=_nonce())
        claimed = Done(lease) if step.write is None else self._write(lease, step.write)
        if claimed.lost_race:
            return claimed
        if claimed.lease.instance_id != lease.instance_id:  # that machine's tags were not looked at
            return Done(claimed.lease, "nothing ordered: the lease names another machine now", lost_race=True)
        match step.order:
            case Order.NONE:
                return claimed
            case Order.START:
                return self._start(claimed.lease, settings)
            case Order.STOP:
                return self._stop(claimed.lease, began)
            case Order.SET_TYPE:
                return self._set_type(claimed.lease, step.instance_type, decision)
            case Order.CLIMB:
                return self._climb(claimed.lease, decision, settings)

    def _write(self, lease: Lease, outcome: LeaseOutcome) -> Done:
        if isinstance(outcome, Refused):
            return Done(lease, f"not done: {outcome.reason}", lost_race=True)
        after = self._store.write(outcome)
        return Done(lease, "somebody else was first", lost_race=True) if after is None else Done(after)

    # ------------------------------------------------------------ one function an order
    def _climb(self, lease: Lease, decision: Decision, settings: UnitSettings) -> Done:
        """EC2 took the order and refused it afterwards, in the machine's StateReason."""
        code, _, words = decision.reason.partition(":")
        return self._refused(lease, PowerRefused(code.strip(), words.strip()), settings)

    def _set_type(self, lease: Lease, want: str, decision: Decision) -> Done:
        """The change, and the news that it is done; without the latter it is done once more, later."""
        if not isinstance(self._power, Resizable):
            return Done(lease, f"the type stays {lease.rung}: this kind of host has no other")
        try:
            self._power.set_type(lease.instance_id, want)
        except (PowerRefused, PowerUnanswered) as error:
            return Done(lease, f"the type stays {lease.rung} for now: {error}")
        news = taken(lease, Order.SET_TYPE, nonce=_nonce())
        done = Done(lease) if news is None else self._write(lease, news)
        return Done(done.lease, decision.reason, lost_race=done.lost_race)

    def _start(self, lease: Lease, settings: UnitSettings) -> Done:
        try:
            self._power.start(lease.instance_id)
        except PowerUnanswered as error:
            lease = self._write(lease, protocol.not_now(lease, nonce=_nonce())).lease
            return Done(lease, f"start order not taken yet ({error}); repeated if the machine stays stopped")
        except PowerRefused as refused:
            return self._refused(lease, refused, settings)
        return Done(lease, f"start order {lease.attempts} sent")

    def _refused(self, lease: Lease, refused: PowerRefused, settings: UnitSettings) -> Done:
        words, failure = str(refused), refused.failure
        if refused.capacity and isinstance(self._power, Resizable):
            climbed = Climb(self._store, self._power, self._now, settings).run(lease, refused)
            if climbed.lost_race or not climbed.failure:
                return Done(climbed.lease, climbed.words, lost_race=climbed.lost_race)
            lease, words, failure = climbed.lease, climbed.words, climbed.failure
        outcome = protocol.fail(
            lease, by=Writer.REAPER, now=self._now(), nonce=_nonce(), reason=words, failure=failure, order=False
        )
        done = self._write(lease, outcome)
        return Done(done.lease, f"start refused: {words}", failure, done.lost_race)

    def _stop(self, lease: Lease, began: float) -> Done:
        """The order of a claim, unless the claim took so long that the order could outlive it."""
        if time.monotonic() - began > STOP_SENT_WITHIN_S:
            return Done(lease, "stop order not sent: its claim took too long; next pass")
        try:
            self._power.stop(lease.instance_id)
        except (PowerRefused, PowerUnanswered) as error:
            return Done(lease, f"stop order: {error}")
        return Done(lease, "stop order sent")


def _nonce() -> str:
    return uuid.uuid4().hex
