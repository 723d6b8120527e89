"""The transitions: one function a row of the table in the design's section 6.

Each takes the lease as read and the table's `now` (s), and returns the `Write` to send, or a `Refused` that says in
words why there is nothing to send.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from core.codes import Writer
from core.contract.intervals import START_ATTEMPTS, STOP_ORDER_LIFE_S, STOPPED_TWICE_S, YOUNG_ORDER_S
from core.lease.guards import (
    CLEAR_PIN,
    CLEAR_WAKE_REQUEST,
    OVER_BUDGET,
    as_read,
    mine,
    must,
    no_order,
    no_sessions,
    no_start,
    note,
    transition,
    unwanted,
    wake_requested,
)
from core.lease.record import ON, WANTED_BY, Lease, State, Value, to_item
from core.lease.writes import After, Clause, Equals, Event, Missing, NotAfter, Outcome, Refused, Write


def create(unit: str, instance_id: str, *, by: str, now: float, nonce: str, last: int = 0) -> Write:
    """(none) → NEW, only where no item is: by `fab deploy`, the agent, or the reaper for a machine that is up.

    `last` is the epoch of the last event that the history has (0: none). A lease that was deleted goes on after it:
    its first event would otherwise meet an old one, and be refused for ever.
    """
    epoch, reason = last + 1, "the lease was deleted; made again" if last else "first deployment"
    lease = Lease(unit, State.NEW, epoch, now, reason, by, instance_id=instance_id, notified=epoch)
    event = Event(epoch, now, "", State.NEW, by, reason)
    sets = {k: v for k, v in to_item(lease).items() if k != "unit"}
    return Write(unit, nonce, (Missing("unit"),), sets | {"unit": unit}, event)


def start(
    lease: Lease,
    *,
    by: str,
    now: float,
    nonce: str,
    reason: str = "",
    wake_until: float | None = None,
    wake_by: str = "",
) -> Outcome:
    """STOPPED, FAILED → STARTING, by relay or reaper; the caller then sends the start order.

    For a wake request that stands in the lease, and only while it does; or, with `wake_until`, carrying a wake request
    of `wake_by`'s (default: `by`'s) own, so that a wake is one write.
    """
    if wrong := _may_not_start(lease, now, wake_until):
        return wrong
    whose: str = lease.wake_by
    clause: Clause = After("wake_until", now)
    wake_request: Mapping[str, Any] = {}
    if wake_until is not None:
        whose = wake_by or by
        clause, wake_request = wake_requested(lease, by=whose, now=now, until=wake_until)
    return transition(
        lease,
        State.STARTING,
        by=by,
        reason=reason or f"wanted by {whose}",
        now=now,
        nonce=nonce,
        clauses=(clause, no_order(now), NotAfter("spent_until", now)),
        facts={WANTED_BY: whose},
        **wake_request,
        order_at=now,
        attempts=1,
        boot_id=None,
        ready_at=None,
        failure=None,
        busy=0,
        tried=None,
    )


def _may_not_start(lease: Lease, now: float, wake_until: float | None) -> Refused | None:
    if wrong := must(lease, State.STOPPED, State.FAILED):
        return wrong
    if lease.spent(now):
        return Refused(OVER_BUDGET)
    if not lease.wanted(now) and (wake_until is None or wake_until <= now):
        return Refused("nobody wants the host")
    return Refused("a stop order may still land") if lease.order_alive(now) else None


def adopt(lease: Lease, *, now: float, nonce: str, reason: str = "started by hand") -> Outcome:
    """STOPPED, FAILED → STARTING without an order, by the reaper: somebody started the machine by hand.

    Not right after STOPPED, when EC2 may still tell of the boot before; and under FAILED only once the machine was
    seen `stopped`, since until then it is the failed start that still runs. No order of ours is left to repeat:
    should the machine be off after all, nobody starts it.
    """
    if wrong := must(lease, State.STOPPED, State.FAILED):
        return wrong
    if lease.order_alive(now):
        return Refused("a stop order may still land")
    if now - lease.since < STOPPED_TWICE_S:
        return Refused(f"the lease is {lease.state} since less than {STOPPED_TWICE_S:.0f} s")
    if lease.state is State.FAILED and lease.stopped_seen is None:
        return Refused("the machine of the failed start was not seen stopped")
    return transition(
        lease,
        State.STARTING,
        by=Writer.REAPER,
        reason=reason,
        now=now,
        nonce=nonce,
        clauses=(no_order(now),),
        order_at=now,
        attempts=START_ATTEMPTS,
        boot_id=None,
        ready_at=None,
        failure=None,
        busy=0,
    )


def ready(lease: Lease, *, boot_id: str, now: float, nonce: str, facts: Mapping[str, Value] | None = None) -> Outcome:
    """NEW, STARTING → RUNNING, by the agent, after one real completion in this boot. Clears the wake request.

    The history keeps what the capacity ladder did for this start.
    """
    tried = {"tried": lease.tried} if lease.tried else {}
    if wrong := must(lease, State.NEW, State.STARTING):
        return wrong
    if lease.boot_id != boot_id:
        return Refused("this boot has not claimed the lease")
    return transition(
        lease,
        State.RUNNING,
        by=Writer.AGENT,
        reason="one real completion succeeded",
        now=now,
        nonce=nonce,
        clauses=(Equals("instance_id", lease.instance_id), Equals("boot_id", boot_id)),
        facts={**(facts or {}), **tried},
        ready_at=now,
        demand_at=now,
        agent_at=now,
        attempts=0,
        **CLEAR_WAKE_REQUEST,
    )


def drain(lease: Lease, *, now: float, nonce: str, reason: str, by: str = Writer.REAPER) -> Outcome:
    """RUNNING → DRAINING, by the reaper or (`fab stop`) a person: check, and stop if nothing is there."""
    if wrong := must(lease, State.RUNNING):
        return wrong
    if lease.wanted(now) or lease.inhibitor(now):
        return Refused("wanted or inhibited")
    return transition(lease, State.DRAINING, by=by, reason=reason, now=now, nonce=nonce, clauses=unwanted(now))


def resume(
    lease: Lease,
    *,
    by: str,
    now: float,
    nonce: str,
    reason: str,
    boot_id: str = "",
    demand: bool = False,
    engines: Collection[str] | None = None,
) -> Outcome:
    """DRAINING → RUNNING, by relay (callers came), agent (veto, names its boot) or reaper (took too long).

    `demand`: the agent saw it in the engines. Without, the last demand stays what it was: a drain that is resumed again
    and again by callers who get no answer, or because nobody could check, would count as use, and no bound would come.
    `engines`: those that the callers wait for; where none of them answers the drain goes on, and the next start mends
    what a resumption would not.
    """
    if wrong := must(lease, State.DRAINING):
        return wrong
    if engines is not None and not lease.answers(engines):
        return Refused(f"the engine that callers wait for does not answer: {lease.dead}")
    clauses = mine(lease, boot_id) if boot_id else ()
    clauses += as_read(lease, "dead") if engines is not None else ()
    sets = {**CLEAR_WAKE_REQUEST, "demand_at": now} if demand else CLEAR_WAKE_REQUEST
    return transition(lease, State.RUNNING, by=by, reason=reason, now=now, nonce=nonce, clauses=clauses, **sets)


def stop(lease: Lease, *, boot_id: str, now: float, nonce: str, reason: str = "") -> Outcome:
    """DRAINING → STOPPING, by the agent after the idle check; it then powers its machine off."""
    if wrong := must(lease, State.DRAINING):
        return wrong
    if lease.boot_id != boot_id:
        return Refused("this lease belongs to another boot")
    if lease.wanted(now) or lease.inhibitor(now):
        return Refused("wanted or inhibited")
    return transition(
        lease,
        State.STOPPING,
        by=Writer.AGENT,
        reason=reason or lease.reason,
        now=now,
        nonce=nonce,
        clauses=unwanted(now) + mine(lease, boot_id),
    )


def force(
    lease: Lease, *, by: str, now: float, nonce: str, reason: str, forget: bool = False, dead: bool = False
) -> Outcome:
    """NEW, STARTING, RUNNING, DRAINING → STOPPING, by the reaper: maxLease, silence, dead engines, hardCap, or by
    `fab stop --force`.

    Decided on what was read: an inhibitor, wake request or demand that came meanwhile makes the write fail, and the
    caller decides again. The wake request stays, so that who waits is served by the next start; with `forget` (an
    operator's stop) it goes. A pin goes: it would start at once what was just forced off. With `dead` (an engine does
    not answer) that is what is wanted, so it stays, and the stop holds only if the engine is still dead in the table.
    """
    if wrong := must(lease, State.NEW, State.STARTING, State.RUNNING, State.DRAINING):
        return wrong
    if dead and not lease.dead:
        return Refused("every engine answers")
    read = ("inhibitors_nonce", "wake_until", "demand_at", "pin_until") + (("dead", "dead_at") if dead else ())
    return transition(
        lease,
        State.STOPPING,
        by=by,
        reason=reason,
        now=now,
        nonce=nonce,
        clauses=as_read(lease, *read),
        facts={"forced": True},
        **no_sessions(lease, now, nonce),
        **({} if dead else CLEAR_PIN),
        **(CLEAR_WAKE_REQUEST if forget else {}),
    )


def stopped(lease: Lease, *, by: str, now: float, nonce: str, reason: str = "") -> Outcome:
    """STOPPING → STOPPED, by relay or reaper, when EC2 says `stopped` and no stop order is alive. Keeps the wake
    request.
    """
    if wrong := must(lease, State.STOPPING):
        return wrong
    if lease.order_alive(now):
        return Refused("a stop order may still land")
    return transition(
        lease,
        State.STOPPED,
        by=by,
        reason=reason or lease.reason,
        now=now,
        nonce=nonce,
        clauses=(no_order(now),),
        boot_id=None,
        order_at=None,
        attempts=0,
        busy=0,
    )


def fail(lease: Lease, *, by: str, now: float, nonce: str, reason: str, failure: str, order: bool) -> Outcome:
    """STARTING → FAILED, by the reaper (or the relay whose start order was refused).

    With `order` a StopInstances follows; the same write says until when it may land; an inhibitor prevents it. Without,
    the machine is known to be off. Keeps the wake_request: a later start needs it.
    """
    if wrong := must(lease, State.STARTING):
        return wrong
    sets: dict[str, Any] = {"order_until": now + STOP_ORDER_LIFE_S} if order else {"stopped_seen": now}
    if order and lease.start_alive(now):
        return Refused("a start order may still land")
    if order and (by_whom := lease.inhibitor(now)):
        return Refused(f"inhibited by {by_whom.who}")
    clauses = (no_start(now), NotAfter("inhibited_until", now)) if order else ()
    return transition(
        lease,
        State.FAILED,
        by=by,
        reason=reason,
        now=now,
        nonce=nonce,
        clauses=clauses,
        facts={"failure": failure},
        failure=failure,
        **sets,
    )


def lost(lease: Lease, *, now: float, nonce: str, reason: str) -> Outcome:
    """NEW, RUNNING, DRAINING → STOPPED, by the reaper: the machine stopped without us (by hand, dead-man, crash).

    Believed when it was seen (`seen_stopped`) 30 s ago and still is, and no order is young. STARTING ends by `fail`;
    FAILED is off already and keeps its reason.
    """
    if wrong := must(lease, State.NEW, State.RUNNING, State.DRAINING):
        return wrong
    if lease.order_alive(now):
        return Refused("a stop order may still land")
    if lease.stopped_seen is None or now - lease.stopped_seen < STOPPED_TWICE_S:
        return Refused(f"not seen stopped twice, {STOPPED_TWICE_S:.0f} s apart")
    if lease.order_at is not None and now - lease.order_at < YOUNG_ORDER_S:
        return Refused("a start order is young")
    return transition(
        lease,
        State.STOPPED,
        by=Writer.REAPER,
        reason=reason,
        now=now,
        nonce=nonce,
        clauses=(no_order(now), *as_read(lease, "stopped_seen", "order_at")),
        boot_id=None,
        order_at=None,
        attempts=0,
        busy=0,
    )


def claim_boot(lease: Lease, *, instance_id: str, boot_id: str, now: float, nonce: str) -> Outcome:
    """The agent of a fresh boot claims the lease.

    NEW and STARTING without a boot: a note. RUNNING, DRAINING, or a claimed NEW or STARTING of *another* boot (the
    machine was rebooted under the lease): → STARTING, since nothing of this boot is ready. STOPPING of another boot
    is left alone: the reaper ends it.
    """
    if lease.instance_id != instance_id:
        return Refused(f"the lease is for {lease.instance_id}, this is {instance_id}")
    if lease.boot_id == boot_id:
        return Refused("already claimed")
    if lease.state in (State.NEW, State.STARTING) and not lease.boot_id:
        here = (
            Equals("state", lease.state.value),
            Equals("epoch", lease.epoch),
            Missing("boot_id"),
            Equals("instance_id", instance_id),
        )
        return note(lease, nonce, here, boot_id=boot_id, agent_at=now)
    if wrong := must(lease, *ON):
        return wrong
    return transition(
        lease,
        State.STARTING,
        by=Writer.AGENT,
        reason="the machine was restarted under the lease",
        now=now,
        nonce=nonce,
        clauses=(Equals("instance_id", instance_id), Equals("boot_id", lease.boot_id)),
        boot_id=boot_id,
        order_at=now,
        attempts=START_ATTEMPTS,
        ready_at=None,
        busy=0,
    )


def new_machine(lease: Lease, *, instance_id: str, by: str, now: float, nonce: str) -> Outcome:
    """Any state → NEW for another machine, by `fab deploy`, after `up` replaced the instance."""
    if lease.instance_id == instance_id:
        return Refused("the lease is for this machine already")
    return transition(
        lease,
        State.NEW,
        by=by,
        reason=f"{lease.instance_id} was replaced by {instance_id}",
        now=now,
        nonce=nonce,
        clauses=(Equals("instance_id", lease.instance_id),),
        instance_id=instance_id,
        boot_id=None,
        order_at=None,
        order_until=None,
        attempts=0,
        ready_at=None,
        busy=0,
        failure=None,
        rung=None,
        tried=None,
        type_at=None,
    )
