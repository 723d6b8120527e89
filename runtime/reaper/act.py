"""Doing one decision: the conditional write first, then the order to EC2.

A lost write means that somebody else was first. A function per action; each returns what is true afterwards.
Nothing here decides: that is `core/policy.py`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from core import ladder
from core import lease as protocol
from core.contract import STOP_ORDER_LIFE_S, WISH_EXTRA_S, UnitSettings
from core.lease import Lease, Refused
from core.lease import Outcome as LeaseOutcome
from core.moments import next_month
from core.policy import Action, Decision
from runtime.lease_store import LeaseStore
from runtime.power import Power, PowerRefused, PowerUnanswered
from runtime.reaper.climb import NOT_YET, Climb

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
        return _DO[decision.action](self, lease, decision, settings)

    def _write(self, lease: Lease, outcome: LeaseOutcome) -> Done:
        if isinstance(outcome, Refused):
            return Done(lease, f"not done: {outcome.reason}", lost_race=True)
        after = self._store.write(outcome)
        return Done(lease, "somebody else was first", lost_race=True) if after is None else Done(after)

    # ------------------------------------------------------------ one function an action
    def keep(self, lease: Lease, _: Decision, __: UnitSettings) -> Done:
        return Done(lease)

    def seen(self, lease: Lease, _: Decision, __: UnitSettings) -> Done:
        at = self._now() if lease.stopped_seen is None else None
        return self._write(lease, protocol.seen_stopped(lease, at=at, nonce=_nonce()))

    def lost(self, lease: Lease, decision: Decision, _: UnitSettings) -> Done:
        return self._write(lease, protocol.lost(lease, now=self._now(), nonce=_nonce(), reason=decision.reason))

    def adopt(self, lease: Lease, _: Decision, __: UnitSettings) -> Done:
        return self._write(lease, protocol.adopt(lease, now=self._now(), nonce=_nonce()))

    def stopped(self, lease: Lease, _: Decision, __: UnitSettings) -> Done:
        return self._write(lease, protocol.stopped(lease, by="reaper", now=self._now(), nonce=_nonce()))

    def resume(self, lease: Lease, decision: Decision, _: UnitSettings) -> Done:
        outcome = protocol.resume(
            lease, by="reaper", now=self._now(), nonce=_nonce(), reason=decision.reason, demand=False
        )
        return self._write(lease, outcome)

    def mark(self, lease: Lease, _: Decision, __: UnitSettings) -> Done:
        return self._write(lease, protocol.spent(lease, until=next_month(self._now()), nonce=_nonce()))

    def unmark(self, lease: Lease, _: Decision, __: UnitSettings) -> Done:
        return self._write(lease, protocol.spent(lease, until=None, nonce=_nonce()))

    def refuse(self, lease: Lease, _: Decision, __: UnitSettings) -> Done:
        return self._write(lease, protocol.drop_wish(lease, nonce=_nonce()))

    def drain(self, lease: Lease, decision: Decision, _: UnitSettings) -> Done:
        return self._write(lease, protocol.drain(lease, now=self._now(), nonce=_nonce(), reason=decision.reason))

    def force(self, lease: Lease, decision: Decision, _: UnitSettings) -> Done:
        outcome = protocol.force(lease, by="reaper", now=self._now(), nonce=_nonce(), reason=decision.reason)
        return self._write(lease, outcome)

    # ------------------------------------------------------------ with an order to EC2
    def start(self, lease: Lease, _: Decision, settings: UnitSettings) -> Done:
        claimed = self._write(lease, protocol.start(lease, by="reaper", now=self._now(), nonce=_nonce()))
        return self._start_after(claimed, settings)

    def pre_warm(self, lease: Lease, decision: Decision, settings: UnitSettings) -> Done:
        now = self._now()
        until = now + settings.start_timeout_s + WISH_EXTRA_S
        by = f"pin of {lease.pin_who}" if lease.pinned(now) else "schedule"
        wish = protocol.wish(lease, by=by, now=now, until=until, nonce=_nonce())
        wished = self._write(lease, wish)
        return wished if wished.lost_race else self.start(wished.lease, decision, settings)

    def repeat(self, lease: Lease, _: Decision, settings: UnitSettings) -> Done:
        claimed = self._write(lease, protocol.repeat_start(lease, now=self._now(), nonce=_nonce()))
        return self._start_after(claimed, settings)

    def climb(self, lease: Lease, decision: Decision, settings: UnitSettings) -> Done:
        """EC2 took the order and refused it afterwards, in the machine's StateReason."""
        code, _, words = decision.reason.partition(":")
        return self._refused(lease, PowerRefused(code.strip(), words.strip(), capacity=True), settings)

    def restore(self, lease: Lease, decision: Decision, settings: UnitSettings) -> Done:
        """The claim, the change, and the news that it is done; without the last it is done once more, later."""
        claimed = self._write(lease, protocol.restore(lease, now=self._now(), nonce=_nonce()))
        if claimed.lost_race:
            return claimed
        want = ladder.preferred(settings.instance_types, lease.rung)
        try:
            self._power.set_type(lease.instance_id, want)
        except (PowerRefused, PowerUnanswered) as error:
            return Done(claimed.lease, f"the type stays {lease.rung} for now: {error}")
        done = self._write(claimed.lease, protocol.restored(claimed.lease, nonce=_nonce()))
        return Done(done.lease, decision.reason, lost_race=done.lost_race)

    def _start_after(self, claimed: Done, settings: UnitSettings) -> Done:
        if claimed.lost_race:
            return claimed
        lease = claimed.lease
        try:
            self._power.start(lease.instance_id)
        except PowerUnanswered as error:
            return Done(lease, f"start order without an answer ({error}); repeated if the machine stays stopped")
        except PowerRefused as refused:
            if refused.code in NOT_YET:
                return Done(lease, f"start order too early ({refused}); repeated")
            return self._refused(lease, refused, settings)
        return Done(lease, f"start order {lease.attempts} sent")

    def _refused(self, lease: Lease, refused: PowerRefused, settings: UnitSettings) -> Done:
        words, failure = str(refused), refused.code
        if refused.capacity:
            climbed = Climb(self._store, self._power, self._now, settings).run(lease, refused)
            if climbed.lost_race or not climbed.failure:
                return Done(climbed.lease, climbed.words, lost_race=climbed.lost_race)
            lease, words, failure = climbed.lease, climbed.words, climbed.failure
        outcome = protocol.fail(
            lease, by="reaper", now=self._now(), nonce=_nonce(), reason=words, failure=failure, order=False
        )
        done = self._write(lease, outcome)
        return Done(done.lease, f"start refused: {words}", failure, done.lost_race)

    def fail(self, lease: Lease, decision: Decision, _: UnitSettings) -> Done:
        return self._fail(lease, decision, order=False)

    def fail_stop(self, lease: Lease, decision: Decision, _: UnitSettings) -> Done:
        began = time.monotonic()
        return self._stop_after(self._fail(lease, decision, order=True), began)

    def _fail(self, lease: Lease, decision: Decision, *, order: bool) -> Done:
        outcome = protocol.fail(
            lease,
            by="reaper",
            now=self._now(),
            nonce=_nonce(),
            reason=decision.reason,
            failure=decision.alert,
            order=order,
        )
        return self._write(lease, outcome)

    def backstop(self, lease: Lease, _: Decision, __: UnitSettings) -> Done:
        began = time.monotonic()
        return self._stop_after(self._write(lease, protocol.stop_order(lease, now=self._now(), nonce=_nonce())), began)

    def _stop_after(self, claimed: Done, began: float) -> Done:
        """The order of a claim, unless the claim took so long that the order could outlive it."""
        if claimed.lost_race:
            return claimed
        if time.monotonic() - began > STOP_SENT_WITHIN_S:
            return Done(claimed.lease, "stop order not sent: its claim took too long; next pass")
        try:
            self._power.stop(claimed.lease.instance_id)
        except (PowerRefused, PowerUnanswered) as error:
            return Done(claimed.lease, f"stop order: {error}")
        return Done(claimed.lease, "stop order sent")


def _nonce() -> str:
    return uuid.uuid4().hex


_DO: Final[Mapping[Action, Callable[[Actor, Lease, Decision, UnitSettings], Done]]] = {
    Action.KEEP: Actor.keep,
    Action.SEEN: Actor.seen,
    Action.LOST: Actor.lost,
    Action.ADOPT: Actor.adopt,
    Action.STOPPED: Actor.stopped,
    Action.BACKSTOP: Actor.backstop,
    Action.REPEAT: Actor.repeat,
    Action.FAIL: Actor.fail,
    Action.FAIL_STOP: Actor.fail_stop,
    Action.RESUME: Actor.resume,
    Action.CLIMB: Actor.climb,
    Action.RESTORE: Actor.restore,
    Action.START: Actor.start,
    Action.PRE_WARM: Actor.pre_warm,
    Action.MARK: Actor.mark,
    Action.UNMARK: Actor.unmark,
    Action.REFUSE: Actor.refuse,
    Action.DRAIN: Actor.drain,
    Action.FORCE: Actor.force,
}
