"""Rules for a host that is off: start it, refuse, warm it up for the schedule, or leave it."""

from __future__ import annotations

from typing import Final

from core.capacity import ladder
from core.codes import Alert, Failure, Writer
from core.contract import intervals
from core.lease import Lease, State
from core.policy.case import Action, Case, Decision, keep
from core.times.durations import show
from core.times.schedule import Schedule, is_on, next_on

FAILED_RETRY_S: Final = 300.0  # a failure that is not capacity is tried again this rarely, while somebody waits
CAPACITY_RETRY_S: Final = 300.0  # after the whole ladder was refused
RESTORE_RETRY_S: Final = 300.0  # EC2 would not set the type back


def restore(case: Case) -> Decision | None:
    """The ladder had changed the type: in the next stopped period it goes back, before the next start."""
    lease, now = case.lease, case.now
    if lease.state not in (State.STOPPED, State.FAILED) or not lease.rung or case.facts.machine != "stopped":
        return None
    if lease.order_alive(now) or lease.start_alive(now):
        return None
    if lease.type_at is not None and case.age(lease.type_at) < RESTORE_RETRY_S:
        return None
    want = ladder.preferred(case.settings.instance_types, lease.rung)
    return Decision(Action.RESTORE, f"the type goes back from {lease.rung} to {want}")


def wanted_off(case: Case) -> Decision | None:
    """Wanted and off: start, or refuse for the budget, or say what it waits for."""
    lease, now = case.lease, case.now
    if lease.state not in (State.STOPPED, State.FAILED):
        return None
    if not lease.wanted(now):
        return None
    if case.over_budget:
        return Decision(Action.REFUSE, case.budget_words, alert=Alert.BUDGET)
    if lease.order_alive(now):
        return keep("wanted; a stop order may still land", (lease.order_until or now) + intervals.ORDER_MARGIN_S)
    if case.facts.machine != "stopped":
        return keep(f"wanted; the machine is {case.facts.machine}")
    wait = _retry_wait(lease)
    if case.age(None) < wait:
        return keep(f"wanted; {lease.reason}; tried again in {show(wait - case.age(None))}", lease.since + wait)
    return Decision(Action.START, f"wanted by {lease.wake_by}")


def _retry_wait(lease: Lease) -> float:
    if lease.state is State.STOPPED:
        return 0.0
    if lease.failure == Failure.CAPACITY:
        # the relay cannot climb: the ladder is still to come
        return CAPACITY_RETRY_S if lease.by == Writer.REAPER else 0.0
    return FAILED_RETRY_S


def pinned(case: Case) -> Decision | None:
    """Off and pinned: a pin says that it is to be on, so it is started, if the budget allows."""
    lease = case.lease
    if lease.state not in (State.STOPPED, State.FAILED) or not lease.pinned(case.now):
        return None
    who = f"pinned by {lease.pin_who}"
    if case.over_budget:
        return keep(f"off, although {who}; {case.budget_words}", alert=Alert.BUDGET)
    if lease.order_alive(case.now) or case.facts.machine != "stopped" or case.age(None) < _retry_wait(lease):
        return keep(f"off, {who}: {lease.reason}", case.now + _retry_wait(lease))
    return Decision(Action.PRE_WARM, f"{who} ({lease.pin_why})" if lease.pin_why else who)


def off(case: Case) -> Decision | None:
    """Off and unwanted: the schedule may warm it up, so that it is ready at the hour."""
    lease, now, schedule = case.lease, case.now, case.limits.schedule
    if lease.state not in (State.STOPPED, State.FAILED):
        return None
    words = lease.reason if lease.state is State.STOPPED else f"failed: {lease.reason}"
    if schedule is None:
        alert = Alert.BUDGET if case.over_budget else ""  # told once, not once a wake request
        return keep(f"off: {words}", alert=alert)
    at = _warm_at(case, schedule)
    if now < at:
        return keep(f"off: {words}; the schedule starts it in {show(at - now)}", at)
    if case.over_budget:
        return keep(f"off, although the schedule says on; {case.budget_words}", alert=Alert.BUDGET)
    if case.facts.machine != "stopped" or case.age(None) < _retry_wait(lease):
        return keep(f"off, the schedule says on: {words}", case.now + _retry_wait(lease))
    return Decision(Action.PRE_WARM, f"the schedule says on ({schedule.on}, {schedule.zone})")


def _warm_at(case: Case, schedule: Schedule) -> float:
    """When the schedule's next start is due (now or before: at once); early by what past wakes took."""
    if is_on(schedule, case.now):
        return case.now
    return next_on(schedule, case.now) - case.pre_warm_s
