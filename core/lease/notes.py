"""The notes: writes that leave state and epoch alone (heartbeats, wake requests, inhibitors, orders, what people were
told).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from core.contract.intervals import START_ATTEMPTS, STOP_ORDER_LIFE_S
from core.lease.guards import (
    CLEAR_PIN,
    CLEAR_WAKE_REQUEST,
    OVER_BUDGET,
    as_read,
    mine,
    must,
    no_order,
    no_start,
    note,
    wake_requested,
)
from core.lease.record import DEAD_SEPARATOR, Inhibitor, Lease, State, Value
from core.lease.writes import Differs, Equals, Outcome, Refused, Write

NOBODY: Final[Mapping[str, float]] = MappingProxyType({})


def request_wake(lease: Lease, *, by: str, now: float, until: float, nonce: str) -> Outcome:
    """Somebody wants the host. Written only while the state is not RUNNING; never shortens an older wake request."""
    if lease.state is State.RUNNING:
        return Refused("the host is running: nothing to request")
    if lease.unpaid(now):
        return Refused(OVER_BUDGET)
    none_longer, fields = wake_requested(lease, by=by, now=now, until=until)
    here = (Equals("epoch", lease.epoch), Differs("state", State.RUNNING.value), none_longer)
    return note(lease, nonce, here, **fields)


def drop_wake_request(lease: Lease, *, nonce: str) -> Outcome:
    """The budget refuses the wake request while the host is off: it is deleted, or it would start the host tomorrow
    unasked.

    Only the wake request that was read: one that was renewed meanwhile is looked at again.
    """
    if wrong := must(lease, State.STOPPED, State.FAILED, State.STOPPING):
        return wrong
    if lease.wake_until is None:
        return Refused("there is no wake request")
    return note(lease, nonce, (Equals("epoch", lease.epoch), *as_read(lease, "wake_until")), **CLEAR_WAKE_REQUEST)


def inhibit(lease: Lease, *, who: str, why: str, now: float, until: float, nonce: str) -> Outcome:
    """Somebody works on the host until `until`; the same `who` again renews."""
    others = tuple(h for h in lease.inhibitors if h.who != who and h.until > now)
    return _set_inhibitors(lease, (*others, Inhibitor(who, why, until)), nonce)


def release(lease: Lease, *, who: str, now: float, nonce: str) -> Outcome:
    """`who` is done."""
    if all(h.who != who for h in lease.inhibitors):
        return Refused(f"{who} inhibits nothing")
    return _set_inhibitors(lease, tuple(h for h in lease.inhibitors if h.who != who and h.until > now), nonce)


def _set_inhibitors(lease: Lease, inhibitors: tuple[Inhibitor, ...], nonce: str) -> Write:
    latest = max((h.until for h in inhibitors), default=None)
    here = (Equals("epoch", lease.epoch), *as_read(lease, "inhibitors_nonce"))
    return note(lease, nonce, here, inhibitors=inhibitors or None, inhibited_until=latest, inhibitors_nonce=nonce)


def pin(lease: Lease, *, who: str, why: str, now: float, until: float, nonce: str) -> Outcome:
    """The host is to be on until `until`, in any state; it replaces an older pin, of whomever, as it was read."""
    if until <= now:
        return Refused("the pin would be over already")
    here = (Equals("epoch", lease.epoch), *as_read(lease, "pin_until", "pin_who"))
    return note(lease, nonce, here, pin_until=until, pin_who=who, pin_why=why or None)


def unpin(lease: Lease, *, nonce: str) -> Outcome:
    """The pin that was read is over."""
    if lease.pin_until is None:
        return Refused("there is no pin")
    return note(lease, nonce, (Equals("epoch", lease.epoch), *as_read(lease, "pin_until", "pin_who")), **CLEAR_PIN)


def cordon(lease: Lease, *, now: float, nonce: str) -> Outcome:
    """The relay has pointed the routes at itself for this DRAINING."""
    if wrong := must(lease, State.DRAINING):
        return wrong
    here = (Equals("state", State.DRAINING.value), Equals("epoch", lease.epoch))
    return note(lease, nonce, here, cordon_epoch=lease.epoch, relay_at=now)


def agent_beat(
    lease: Lease,
    *,
    boot_id: str,
    now: float,
    busy: int,
    demand: bool,
    nonce: str,
    unknown: bool = False,
    dead: Mapping[str, float] = NOBODY,
) -> Outcome:
    """The agent lives; `demand` says that the engines' counters moved since the last beat.

    `unknown`: the counters of an engine that answers cannot be read. `dead`: engines that do not answer, each with
    since when (table time, s).
    """
    if lease.boot_id != boot_id:
        return Refused("this lease belongs to another boot")
    sets: dict[str, Value | None] = {"agent_at": now, "busy": busy}
    sets |= {"unknown_at": (lease.unknown_at or now) if unknown else None}
    sets |= {"dead": DEAD_SEPARATOR.join(sorted(dead)) or None, "dead_at": min(dead.values(), default=None)}
    if demand or busy:
        sets["demand_at"] = now
    return note(lease, nonce, mine(lease, boot_id), **sets)


def relay_beat(lease: Lease, *, now: float, nonce: str) -> Outcome:
    """The relay lives."""
    return note(lease, nonce, (Equals("instance_id", lease.instance_id),), relay_at=now)


def repeat_start(lease: Lease, *, now: float, nonce: str) -> Outcome:
    """The reaper claims the next start order of this STARTING; two reapers cannot both have it."""
    if wrong := must(lease, State.STARTING):
        return wrong
    if lease.attempts >= START_ATTEMPTS:
        return Refused(f"no start order left of {START_ATTEMPTS}")
    here = (Equals("state", State.STARTING.value), Equals("epoch", lease.epoch), *as_read(lease, "order_at"))
    return note(lease, nonce, here, order_at=now, attempts=lease.attempts + 1)


def not_now(lease: Lease, *, nonce: str) -> Outcome:
    """The order that was claimed last was not taken: throttled, an error of the cloud's own, still stopping, no answer.

    It does not count against START_ATTEMPTS. It may have landed all the same, so `order_at` stays.
    """
    if wrong := must(lease, State.STARTING):
        return wrong
    if not lease.attempts:
        return Refused("no order counts")
    here = (
        Equals("state", State.STARTING.value),
        Equals("epoch", lease.epoch),
        *as_read(lease, "order_at"),
        Equals("attempts", lease.attempts),
    )
    return note(lease, nonce, here, attempts=lease.attempts - 1)


def stop_order(lease: Lease, *, now: float, nonce: str) -> Outcome:
    """The reaper claims a backstop StopInstances in STOPPING, or in FAILED, and says until when it may land.

    In FAILED: the stop that came with the failure may have been lost on its way.
    """
    if wrong := must(lease, State.STOPPING, State.FAILED):
        return wrong
    if lease.order_alive(now):
        return Refused("a stop order may still land")
    if lease.start_alive(now):
        return Refused("a start order may still land")
    here = (Equals("state", lease.state.value), Equals("epoch", lease.epoch), no_order(now), no_start(now))
    return note(lease, nonce, here, order_until=now + STOP_ORDER_LIFE_S)


def seen_stopped(lease: Lease, *, at: float | None, nonce: str) -> Outcome:
    """The reaper saw EC2 say `stopped` under a lease that says otherwise (`at`), or no longer (None)."""
    if at is not None and lease.stopped_seen is not None:
        return Refused("seen already")
    return note(lease, nonce, (Equals("epoch", lease.epoch), *as_read(lease, "stopped_seen")), stopped_seen=at)


def alert_sent(lease: Lease, *, reason: str, nonce: str) -> Outcome:
    """An alert for `reason` went out: one a change of reason, not one a minute, and not one a reaper."""
    return note(lease, nonce, (Equals("epoch", lease.epoch), *as_read(lease, "alerted")), alerted=reason or None)


def notified(lease: Lease, *, epoch: int, nonce: str) -> Outcome:
    """People were told of the events up to `epoch`; never back, and only by who read what was told before."""
    if lease.notified is None or epoch <= lease.notified:
        return Refused("nothing new was told")
    return note(lease, nonce, (Equals("notified", lease.notified),), notified=epoch)


def warned(lease: Lease, *, stop: str, nonce: str) -> Outcome:
    """The stop named `stop` was announced: once, not once a minute until it comes."""
    return note(lease, nonce, (Equals("epoch", lease.epoch), *as_read(lease, "warned")), warned=stop)


def budgeted(lease: Lease, *, part: str, nonce: str) -> Outcome:
    """People were told of this part of a month's budget, in any state: "2026-11:80"."""
    return note(lease, nonce, (Equals("unit", lease.unit), *as_read(lease, "budgeted")), budgeted=part)
