"""What follows from a decision: the conditional write, and the order to EC2 that the write claims. Pure.

Whatever is done starts with a write that somebody else may win; the order is sent by who won it. The reaper
(`runtime/reaper/act.py`) sends the writes to the table and the orders to EC2; the forecast (`core/policy/forecast.py`)
does both to a host that is played. So what `fab explain` says is what the reaper does. To add an action: a member of
`core.policy.Action` and a row in `_STEPS`; to add an order: a member of `Order`, and what both do for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core import lease as protocol
from core.capacity import ladder
from core.codes import Writer
from core.contract.documents import UnitSettings
from core.contract.intervals import WAKE_REQUEST_EXTRA_S
from core.lease import Lease, Outcome
from core.policy.case import Action, Decision
from core.times.moments import next_month

ROUNDS: Final = 4  # STOPPED, then START: one pass may take a unit several steps
# After these the next decision is asked for at once.
GOES_ON: Final = frozenset({Action.STOPPED, Action.LOST, Action.SEEN, Action.RESTORE, Action.MARK, Action.UNMARK})


class Order(StrEnum):
    """What is sent to EC2 once the write has won."""

    NONE = "none"
    START = "start"
    STOP = "stop"
    SET_TYPE = "set-type"
    CLIMB = "climb"  # the capacity ladder, which claims each of its rungs itself


@dataclass(frozen=True)
class Step:
    """`write` None: nothing is claimed first. `instance_type` is SET_TYPE's."""

    write: Outcome | None = None
    order: Order = Order.NONE
    instance_type: str = ""


@dataclass(frozen=True)
class _Doing:
    """A decision about a lease at the table's time `now`, s; `nonce` for its one write."""

    lease: Lease
    decision: Decision
    settings: UnitSettings
    now: float
    nonce: str


def carry_out(lease: Lease, decision: Decision, settings: UnitSettings, *, now: float, nonce: str) -> Step:
    """The step that carries `decision` out. LookupError: an action on no lease (CREATE)."""
    return _STEPS[decision.action](_Doing(lease, decision, settings, now, nonce))


def taken(lease: Lease, order: Order, *, nonce: str) -> Outcome | None:
    """What is written once EC2 has taken an order; None: nothing, EC2's own state tells."""
    return protocol.restored(lease, nonce=nonce) if order is Order.SET_TYPE else None


# ---------------------------------------------------------------- one function an action, in the order of `_STEPS`
def _keep(_: _Doing) -> Step:
    return Step()


def _seen(d: _Doing) -> Step:
    at = d.now if d.lease.stopped_seen is None else None
    return Step(protocol.seen_stopped(d.lease, at=at, nonce=d.nonce))


def _lost(d: _Doing) -> Step:
    return Step(protocol.lost(d.lease, now=d.now, nonce=d.nonce, reason=d.decision.reason))


def _adopt(d: _Doing) -> Step:
    return Step(protocol.adopt(d.lease, now=d.now, nonce=d.nonce))


def _stopped(d: _Doing) -> Step:
    return Step(protocol.stopped(d.lease, by=Writer.REAPER, now=d.now, nonce=d.nonce))


def _backstop(d: _Doing) -> Step:
    return Step(protocol.stop_order(d.lease, now=d.now, nonce=d.nonce), Order.STOP)


def _repeat(d: _Doing) -> Step:
    return Step(protocol.repeat_start(d.lease, now=d.now, nonce=d.nonce), Order.START)


def _fail(d: _Doing) -> Step:
    """With FAIL_STOP the machine still runs: a stop order follows, and the write says until when it may land."""
    order = d.decision.action is Action.FAIL_STOP
    why, failure = d.decision.reason, d.decision.alert
    write = protocol.fail(d.lease, by=Writer.REAPER, now=d.now, nonce=d.nonce, reason=why, failure=failure, order=order)
    return Step(write, Order.STOP if order else Order.NONE)


def _resume(d: _Doing) -> Step:
    why = d.decision.reason
    return Step(protocol.resume(d.lease, by=Writer.REAPER, now=d.now, nonce=d.nonce, reason=why, demand=False))


def _climb(_: _Doing) -> Step:
    return Step(None, Order.CLIMB)


def _restore(d: _Doing) -> Step:
    want = ladder.preferred(d.settings.instance_types, d.lease.rung)
    return Step(protocol.restore(d.lease, now=d.now, nonce=d.nonce), Order.SET_TYPE, want)


def _start(d: _Doing) -> Step:
    return Step(protocol.start(d.lease, by=Writer.REAPER, now=d.now, nonce=d.nonce), Order.START)


def _pre_warm(d: _Doing) -> Step:
    """Nobody asked: the start carries a wake request of the pin's or the schedule's own, which outlives a failed
    start.
    """
    until = d.now + d.settings.start_timeout_s + WAKE_REQUEST_EXTRA_S
    by = f"pin of {d.lease.pin_who}" if d.lease.pinned(d.now) else "schedule"
    write = protocol.start(d.lease, by=Writer.REAPER, now=d.now, nonce=d.nonce, wake_until=until, wake_by=by)
    return Step(write, Order.START)


def _mark(d: _Doing) -> Step:
    until = next_month(d.now) if d.decision.until is None else d.decision.until
    return Step(protocol.spent(d.lease, until=until, nonce=d.nonce))


def _unmark(d: _Doing) -> Step:
    return Step(protocol.spent(d.lease, until=None, nonce=d.nonce))


def _refuse(d: _Doing) -> Step:
    return Step(protocol.drop_wake_request(d.lease, nonce=d.nonce))


def _drain(d: _Doing) -> Step:
    return Step(protocol.drain(d.lease, now=d.now, nonce=d.nonce, reason=d.decision.reason))


def _force(d: _Doing) -> Step:
    why, dead = d.decision.reason, d.decision.action is Action.FORCE_DEAD
    return Step(protocol.force(d.lease, by=Writer.REAPER, now=d.now, nonce=d.nonce, reason=why, dead=dead))


_STEPS: Final[Mapping[Action, Callable[[_Doing], Step]]] = {
    Action.KEEP: _keep,
    Action.SEEN: _seen,
    Action.LOST: _lost,
    Action.ADOPT: _adopt,
    Action.STOPPED: _stopped,
    Action.BACKSTOP: _backstop,
    Action.REPEAT: _repeat,
    Action.FAIL: _fail,
    Action.FAIL_STOP: _fail,
    Action.RESUME: _resume,
    Action.CLIMB: _climb,
    Action.RESTORE: _restore,
    Action.START: _start,
    Action.PRE_WARM: _pre_warm,
    Action.MARK: _mark,
    Action.UNMARK: _unmark,
    Action.REFUSE: _refuse,
    Action.DRAIN: _drain,
    Action.FORCE: _force,
    Action.FORCE_DEAD: _force,
}
