"""What the relay does next, as a pure function of the lease, the time and the situation.

`wake.py` carries the acts out. To add one: a member of `Act`, a rule in `next_act`, a method in `wake.py`, a row in
`tests/runtime/gateway/unit/test_steps.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.codes import Failure
from core.lease import Lease, State
from runtime.backends.power import Machine

WAKE_REQUEST_RENEW_S: Final = (
    60.0  # a wake request is renewed while callers wait once it has lost this much of its life
)
OFF: Final = frozenset({"stopping", "stopped", "shutting-down", "terminated", "missing"})

# After a failure the relay leaves the next start to the reaper for so long, or callers would start a broken host in a
# loop; after capacity the reaper walks its ladder by itself.
LEAVE_TO_REAPER_S: Final[Mapping[str, float]] = {Failure.CAPACITY: 300.0, Failure.GONE: float("inf")}
LEAVE_OTHERWISE_S: Final = 60.0
# Others count a start order as landed or dead START_ORDER_LIFE_S after the lease's `order_at`. It takes 7 s at most
# (one attempt, runtime/aws.py) and leaves within so many of `order_at`; the rest is for a relay that is slow. An order
# that is owed for longer is claimed anew in the lease first.
ORDER_FRESH_S: Final = 10.0


def left_to_reaper(lease: Lease, now: float) -> bool:
    """The host failed, and the relay does not start it now."""
    pause = LEAVE_TO_REAPER_S.get(lease.failure, LEAVE_OTHERWISE_S)
    return lease.state is State.FAILED and now - lease.since < pause


class Act(StrEnum):
    """One thing to do."""

    WAIT = "wait"
    REQUEST_WAKE = "request wake"
    START = "start"  # the write, with the wake request where one is due; the order follows
    ORDER = "order"  # StartInstances, owed by our own START
    REPEAT = "repeat"  # the write that claims the next order, where ours was not sent or confirmed in time
    RESUME = "resume"
    CORDON = "cordon"
    DESCRIBE = "describe"  # ask EC2
    STOPPED = "stopped"


# What a relay does although another acts: EC2 is only asked, and a wake request is one conditional note
OF_EVERY_RELAY: Final = frozenset({Act.WAIT, Act.REQUEST_WAKE, Act.DESCRIBE})


@dataclass(frozen=True)
class Situation:
    """What the relay knows beside the lease."""

    wanted: bool = False  # callers wait, or came and left before the wake request was written
    engines: frozenset[str] = frozenset()  # that those callers ask for
    wake_request_ttl_s: float = 0.0
    machine: Machine | None = None  # as EC2 described it a moment ago
    doubted: bool = False  # an engine refused while the lease says RUNNING, or EC2 says off
    owed: bool = False  # our START is written, the order is not confirmed
    closed: bool = True  # HAProxy's routes point at the relay
    may_wake: bool = True
    acts: bool = True  # another relay may have this unit's lease instead
    inherited: bool = False  # another relay wrote this START and has ended; whether EC2 has its order is not known


def next_act(lease: Lease, now: float, s: Situation) -> Act:
    """The first act that is due; WAIT where nothing is."""
    act = _next_act(lease, now, s)
    return act if s.acts or act in OF_EVERY_RELAY else _left_to_the_other(act, lease, now, s)


def _left_to_the_other(act: Act, lease: Lease, now: float, s: Situation) -> Act:
    """The relay that acts learns of callers elsewhere by a wake request, and then starts or resumes for them."""
    for_callers = act in (Act.START, Act.RESUME) and not lease.unpaid(now)
    return Act.REQUEST_WAKE if for_callers and wake_request_due(lease, now, s) else Act.WAIT


def _next_act(lease: Lease, now: float, s: Situation) -> Act:
    match lease.state:
        case State.RUNNING:
            return _describe_if(s.doubted, s)
        case State.DRAINING:
            return _draining(lease, now, s)
        case State.STARTING if s.owed:
            return Act.ORDER if _order_fresh(lease, now) else Act.REPEAT
        case State.STARTING if s.inherited and s.machine is None:
            return Act.DESCRIBE
        case State.STARTING if s.inherited and s.machine is not None and s.machine.state == "stopped":
            return Act.REPEAT
        case State.STOPPING:
            return _stopping(lease, now, s)
        case State.STOPPED | State.FAILED:
            return _off(lease, now, s)
    return Act.REQUEST_WAKE if wake_request_due(lease, now, s) else Act.WAIT


def _order_fresh(lease: Lease, now: float) -> bool:
    return lease.order_at is not None and now - lease.order_at < ORDER_FRESH_S


def _draining(lease: Lease, now: float, s: Situation) -> Act:
    if s.machine is not None and s.machine.state in OFF:
        return Act.WAIT
    # callers of an engine that does not answer are served by the next start, not by more of this one
    if (s.wanted and lease.answers(s.engines)) or lease.wanted(now):
        return Act.RESUME
    if s.closed and lease.cordon_epoch != lease.epoch:
        return Act.CORDON
    return Act.WAIT


def _stopping(lease: Lease, now: float, s: Situation) -> Act:
    if wake_request_due(lease, now, s) and not lease.unpaid(now):
        return Act.REQUEST_WAKE
    if s.machine is None:
        return Act.DESCRIBE
    return Act.STOPPED if s.machine.state == "stopped" and not lease.order_alive(now) else Act.WAIT


def _off(lease: Lease, now: float, s: Situation) -> Act:
    """A start carries the wake request that is due; where there can be none now, or EC2 is to be asked first, it is a
    write of its own, so that it outlives the caller.
    """
    due = wake_request_due(lease, now, s)
    if lease.unpaid(now) or not s.may_wake or not (due or lease.wanted(now)):
        return Act.WAIT
    act = _start_if_possible(lease, now, s)
    return Act.REQUEST_WAKE if due and act is not Act.START else act


def _start_if_possible(lease: Lease, now: float, s: Situation) -> Act:
    if lease.order_alive(now):
        return Act.WAIT
    if lease.state is State.STOPPED:
        return Act.START
    if left_to_reaper(lease, now):
        return Act.WAIT
    if s.machine is None:
        return Act.DESCRIBE
    return Act.WAIT if s.machine.state in OFF - {"stopped"} else Act.START


def _describe_if(doubted: bool, s: Situation) -> Act:
    return Act.DESCRIBE if doubted and s.machine is None else Act.WAIT


def wake_request_due(lease: Lease, now: float, s: Situation) -> bool:
    """Callers wait, and the wake request is missing or has lost WAKE_REQUEST_RENEW_S of its life."""
    return s.wanted and s.may_wake and (lease.wake_until or 0.0) < now + s.wake_request_ttl_s - WAKE_REQUEST_RENEW_S
