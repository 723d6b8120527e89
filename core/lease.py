"""The lease: which state a host is in, who may change it, and how it stops without losing a request.

One item a unit. A *transition* is one conditional write on (state, epoch); it raises the epoch and writes an event
in the same transaction. A *note* (heartbeat, wish, hold, fence, order) is a conditional write that leaves both alone.
Every function here is pure: it takes the lease as read and the table's `now`, and returns the `Write` to send, or a
`Refused` that says in words why there is nothing to send. What the function sees is checked again by the write's
condition, in the table, so that whatever changed between reading and writing makes the write fail, not lie.

To add a transition: a row in design.md section 6, a function below, a line in `tests/core/test_lease.py`, and an
action in the explorer of `tests/core/protocol/`, or the search says that it never fired.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from core.contract import ORDER_MARGIN_S, STOP_ORDER_LIFE_S
from core.errors import LeaseError

LEASE_VERSION: Final = 1


class State(StrEnum):
    """The states of a host."""

    NEW = "NEW"  # made, never ready yet
    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    DRAINING = "DRAINING"
    STOPPING = "STOPPING"
    FAILED = "FAILED"


Value = str | float | int | bool
ON: Final = frozenset({State.NEW, State.STARTING, State.RUNNING, State.DRAINING})  # the machine is or should be up


@dataclass(frozen=True)
class Hold:
    """Somebody is working on this host: nothing stops it before `until` (table time, s)."""

    who: str
    why: str
    until: float


@dataclass(frozen=True)
class Lease:
    """One lease as read. Times are the table's, in seconds since 1970; `None` and "" mean: not set."""

    unit: str
    state: State
    epoch: int
    since: float  # of the last transition
    reason: str  # of the last transition, in words
    by: str  # who made it: relay | agent | reaper | deploy | …
    nonce: str = ""  # of the last write; a retried write recognises itself
    lease_version: int = LEASE_VERSION
    instance_id: str = ""
    boot_id: str = ""  # of the boot that the agent has claimed; removed when a start is ordered
    wish_by: str = ""
    wish_at: float | None = None
    wish_until: float | None = None
    holds: tuple[Hold, ...] = ()
    hold_until: float | None = None  # the latest of `holds`, so that a condition can name it
    fence_epoch: int | None = None  # the relay has pointed the routes at itself for this DRAINING
    order_at: float | None = None  # the last start order
    attempts: int = 0  # start orders in this STARTING
    order_until: float | None = None  # a stop order from outside may land until then
    ready_at: float | None = None
    demand_at: float | None = None  # last evidence of demand, seen by the agent in the engines' counters
    busy: int = 0  # requests in the engines at the last heartbeat
    agent_at: float | None = None  # last heartbeats
    relay_at: float | None = None
    stopped_seen: float | None = None  # EC2 first said `stopped` while the lease said otherwise
    failure: str = ""  # code of the last failure: start-timeout | capacity | …
    alerted: str = ""  # the reason last sent as an alert

    def wanted(self, now: float) -> bool:
        """A fresh wish exists."""
        return self.wish_until is not None and self.wish_until > now

    def held(self, now: float) -> Hold | None:
        """The hold that ends last, if one is alive."""
        alive = [h for h in self.holds if h.until > now]
        return max(alive, key=lambda h: h.until) if alive else None

    def order_alive(self, now: float) -> bool:
        """A stop order from outside may still land."""
        return self.order_until is not None and self.order_until + ORDER_MARGIN_S > now


# ---------------------------------------------------------------- conditions and writes
@dataclass(frozen=True)
class Equals:
    """The attribute is there and equals `value`."""

    name: str
    value: Value


@dataclass(frozen=True)
class Differs:
    """The attribute is there and differs from `value`."""

    name: str
    value: Value


@dataclass(frozen=True)
class Missing:
    """The attribute is not there (of `unit`: the item is not there)."""

    name: str


@dataclass(frozen=True)
class NotAfter:
    """The attribute is not there, or at most `value`."""

    name: str
    value: float


@dataclass(frozen=True)
class After:
    """The attribute is there and greater than `value`."""

    name: str
    value: float


Clause = Equals | Differs | Missing | NotAfter | After


@dataclass(frozen=True)
class Event:
    """What a transition leaves in the history; the ledger's source."""

    epoch: int
    at: float
    before: str
    after: str
    by: str
    reason: str
    facts: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Write:
    """One conditional write: all clauses hold or nothing happens. `sets` of None removes the attribute."""

    unit: str
    nonce: str
    clauses: tuple[Clause, ...]
    sets: Mapping[str, Value | tuple[Hold, ...] | None]
    event: Event | None = None  # with an event it is a transition, written in one transaction with it


@dataclass(frozen=True)
class Refused:
    """There is nothing to write, and why."""

    reason: str

    def __bool__(self) -> bool:
        return False


Outcome = Write | Refused


def _transition(
    lease: Lease,
    to: State,
    *,
    by: str,
    reason: str,
    now: float,
    nonce: str,
    clauses: tuple[Clause, ...] = (),
    facts: Mapping[str, Value] | None = None,
    **sets: Value | None,
) -> Write:
    """The write that takes the lease to `to`: named state and epoch, raised epoch, one event."""
    event = Event(lease.epoch + 1, now, lease.state, to, by, reason, facts or {})
    base: dict[str, Any] = {
        "state": to.value,
        "epoch": lease.epoch + 1,
        "since": now,
        "reason": reason,
        "by": by,
        "fence_epoch": None,
        "stopped_seen": None,
    }
    guard = (Equals("state", lease.state.value), Equals("epoch", lease.epoch))
    return Write(lease.unit, nonce, guard + clauses, base | sets, event)


def _note(lease: Lease, nonce: str, clauses: tuple[Clause, ...], **sets: Any) -> Write:
    """A write that leaves state and epoch alone."""
    return Write(lease.unit, nonce, clauses, sets)


def _must(lease: Lease, *states: State) -> Refused | None:
    if lease.state in states:
        return None
    return Refused(f"the lease is {lease.state}, not {' or '.join(states)}")


_CLEAR_WISH: Final[Mapping[str, None]] = MappingProxyType({"wish_by": None, "wish_at": None, "wish_until": None})


def _unwanted(now: float) -> tuple[Clause, ...]:
    """No fresh wish and no live hold, checked in the table."""
    return (NotAfter("wish_until", now), NotAfter("hold_until", now))


def _no_order(now: float) -> Clause:
    return NotAfter("order_until", now - ORDER_MARGIN_S)


# ---------------------------------------------------------------- transitions
def create(unit: str, instance_id: str, *, by: str, now: float, nonce: str) -> Write:
    """(none) → NEW, by `fab deploy` or the agent, only where no item is."""
    lease = Lease(unit, State.NEW, 1, now, "first deployment", by, instance_id=instance_id)
    event = Event(1, now, "", State.NEW, by, lease.reason)
    sets = {k: v for k, v in to_item(lease).items() if k != "unit"}
    return Write(unit, nonce, (Missing("unit"),), sets | {"unit": unit}, event)


def start(lease: Lease, *, by: str, now: float, nonce: str, reason: str = "") -> Outcome:
    """STOPPED, FAILED → STARTING, by relay or reaper; the caller then sends the start order."""
    if wrong := _must(lease, State.STOPPED, State.FAILED):
        return wrong
    if not lease.wanted(now):
        return Refused("nobody wants the host")
    if lease.order_alive(now):
        return Refused("a stop order may still land")
    return _transition(
        lease,
        State.STARTING,
        by=by,
        reason=reason or f"wanted by {lease.wish_by}",
        now=now,
        nonce=nonce,
        clauses=(After("wish_until", now), _no_order(now)),
        order_at=now,
        attempts=1,
        boot_id=None,
        ready_at=None,
        failure=None,
        busy=0,
    )


def adopt(lease: Lease, *, now: float, nonce: str, reason: str = "started by hand") -> Outcome:
    """STOPPED, FAILED → STARTING without an order, by the reaper: somebody started the machine by hand."""
    if wrong := _must(lease, State.STOPPED, State.FAILED):
        return wrong
    if lease.order_alive(now):
        return Refused("a stop order may still land")
    return _transition(
        lease,
        State.STARTING,
        by="reaper",
        reason=reason,
        now=now,
        nonce=nonce,
        clauses=(_no_order(now),),
        order_at=now,
        attempts=1,
        boot_id=None,
        ready_at=None,
        failure=None,
        busy=0,
    )


def ready(lease: Lease, *, boot_id: str, now: float, nonce: str, facts: Mapping[str, Value] | None = None) -> Outcome:
    """NEW, STARTING → RUNNING, by the agent, after one real completion in this boot. Clears the wish."""
    if wrong := _must(lease, State.NEW, State.STARTING):
        return wrong
    if lease.boot_id != boot_id:
        return Refused("this boot has not claimed the lease")
    return _transition(
        lease,
        State.RUNNING,
        by="agent",
        reason="one real completion succeeded",
        now=now,
        nonce=nonce,
        clauses=(Equals("instance_id", lease.instance_id), Equals("boot_id", boot_id)),
        facts=facts,
        ready_at=now,
        demand_at=now,
        agent_at=now,
        order_at=None,
        attempts=0,
        **_CLEAR_WISH,
    )


def drain(lease: Lease, *, now: float, nonce: str, reason: str) -> Outcome:
    """RUNNING → DRAINING, by the reaper: please look, and stop if nothing is there."""
    if wrong := _must(lease, State.RUNNING):
        return wrong
    if lease.wanted(now) or lease.held(now):
        return Refused("wanted or held")
    return _transition(lease, State.DRAINING, by="reaper", reason=reason, now=now, nonce=nonce, clauses=_unwanted(now))


def resume(lease: Lease, *, by: str, now: float, nonce: str, reason: str, boot_id: str = "") -> Outcome:
    """DRAINING → RUNNING, by relay (demand), agent (veto, names its boot) or reaper (took too long)."""
    if wrong := _must(lease, State.DRAINING):
        return wrong
    clauses = _mine(lease, boot_id) if boot_id else ()
    return _transition(
        lease, State.RUNNING, by=by, reason=reason, now=now, nonce=nonce, clauses=clauses, demand_at=now, **_CLEAR_WISH
    )


def stop(lease: Lease, *, boot_id: str, now: float, nonce: str, reason: str = "") -> Outcome:
    """DRAINING → STOPPING, by the agent after the look; it then powers its machine off."""
    if wrong := _must(lease, State.DRAINING):
        return wrong
    if lease.boot_id != boot_id:
        return Refused("this lease belongs to another boot")
    if lease.wanted(now) or lease.held(now):
        return Refused("wanted or held")
    return _transition(
        lease,
        State.STOPPING,
        by="agent",
        reason=reason or lease.reason,
        now=now,
        nonce=nonce,
        clauses=_unwanted(now) + _mine(lease, boot_id),
    )


def force(lease: Lease, *, by: str, now: float, nonce: str, reason: str) -> Outcome:
    """NEW, STARTING, RUNNING, DRAINING → STOPPING, by the reaper: maxLease, silence, hardCap, `fab stop --force`."""
    if wrong := _must(lease, State.NEW, State.STARTING, State.RUNNING, State.DRAINING):
        return wrong
    return _transition(
        lease,
        State.STOPPING,
        by=by,
        reason=reason,
        now=now,
        nonce=nonce,
        facts={"forced": True},
        **_CLEAR_WISH,
    )


def stopped(lease: Lease, *, by: str, now: float, nonce: str, reason: str = "") -> Outcome:
    """STOPPING → STOPPED, by relay or reaper, when EC2 says `stopped` and no stop order is alive. Keeps the wish."""
    if wrong := _must(lease, State.STOPPING):
        return wrong
    if lease.order_alive(now):
        return Refused("a stop order may still land")
    return _transition(
        lease,
        State.STOPPED,
        by=by,
        reason=reason or lease.reason,
        now=now,
        nonce=nonce,
        clauses=(_no_order(now),),
        boot_id=None,
        order_at=None,
        attempts=0,
        busy=0,
    )


def fail(lease: Lease, *, by: str, now: float, nonce: str, reason: str, failure: str, order: bool) -> Outcome:
    """STARTING → FAILED, by the reaper (or the relay whose start order was refused).

    With `order` a StopInstances follows; the same write says until when it may land. Keeps the wish: a later start needs it.
    """
    if wrong := _must(lease, State.STARTING):
        return wrong
    return _transition(
        lease,
        State.FAILED,
        by=by,
        reason=reason,
        now=now,
        nonce=nonce,
        failure=failure,
        order_until=now + STOP_ORDER_LIFE_S if order else lease.order_until,
    )


def lost(lease: Lease, *, now: float, nonce: str, reason: str) -> Outcome:
    """Any other state → STOPPED, by the reaper: the machine stopped without us (by hand, dead-man, crash)."""
    if wrong := _must(lease, State.NEW, State.STARTING, State.RUNNING, State.DRAINING, State.FAILED):
        return wrong
    if lease.order_alive(now):
        return Refused("a stop order may still land")
    return _transition(
        lease,
        State.STOPPED,
        by="reaper",
        reason=reason,
        now=now,
        nonce=nonce,
        clauses=(_no_order(now),),
        boot_id=None,
        order_at=None,
        attempts=0,
        busy=0,
    )


# ---------------------------------------------------------------- notes
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
        return _note(lease, nonce, here, boot_id=boot_id, agent_at=now)
    if wrong := _must(lease, *ON):
        return wrong
    return _transition(
        lease,
        State.STARTING,
        by="agent",
        reason="the machine was restarted under the lease",
        now=now,
        nonce=nonce,
        clauses=(Equals("instance_id", instance_id), Equals("boot_id", lease.boot_id)),
        boot_id=boot_id,
        order_at=now,
        attempts=1,
        ready_at=None,
        busy=0,
    )


def wish(lease: Lease, *, by: str, now: float, until: float, nonce: str) -> Outcome:
    """Somebody wants the host. Written only while the state is not RUNNING; never shortens an older wish."""
    if lease.state is State.RUNNING:
        return Refused("the host is running: nothing to wish for")
    return _note(
        lease,
        nonce,
        (Equals("epoch", lease.epoch), Differs("state", State.RUNNING.value)),
        wish_by=by,
        wish_at=now,
        wish_until=max(until, lease.wish_until or until),
    )


def drop_wish(lease: Lease, *, nonce: str) -> Outcome:
    """The budget refuses the wish: it is deleted, or it would start the host tomorrow unasked."""
    return _note(lease, nonce, (Equals("epoch", lease.epoch),), **_CLEAR_WISH)


def hold(lease: Lease, *, who: str, why: str, now: float, until: float, nonce: str) -> Outcome:
    """Somebody works on the host until `until`; the same `who` again renews."""
    others = tuple(h for h in lease.holds if h.who != who and h.until > now)
    return _set_holds(lease, (*others, Hold(who, why, until)), nonce)


def release(lease: Lease, *, who: str, now: float, nonce: str) -> Outcome:
    """`who` is done."""
    if all(h.who != who for h in lease.holds):
        return Refused(f"{who} holds nothing")
    return _set_holds(lease, tuple(h for h in lease.holds if h.who != who and h.until > now), nonce)


def _set_holds(lease: Lease, holds: tuple[Hold, ...], nonce: str) -> Write:
    latest = max((h.until for h in holds), default=None)
    same = Missing("hold_until") if lease.hold_until is None else Equals("hold_until", lease.hold_until)
    return _note(lease, nonce, (Equals("epoch", lease.epoch), same), holds=holds or None, hold_until=latest)


def fence(lease: Lease, *, now: float, nonce: str) -> Outcome:
    """The relay has pointed the routes at itself for this DRAINING."""
    if wrong := _must(lease, State.DRAINING):
        return wrong
    here = (Equals("state", State.DRAINING.value), Equals("epoch", lease.epoch))
    return _note(lease, nonce, here, fence_epoch=lease.epoch, relay_at=now)


def agent_beat(lease: Lease, *, boot_id: str, now: float, busy: int, demand: bool, nonce: str) -> Outcome:
    """The agent lives; `demand` says that the engines' counters moved since the last beat."""
    if lease.boot_id != boot_id:
        return Refused("this lease belongs to another boot")
    sets: dict[str, Value] = {"agent_at": now, "busy": busy}
    if demand or busy:
        sets["demand_at"] = now
    return _note(lease, nonce, _mine(lease, boot_id), **sets)


def relay_beat(lease: Lease, *, now: float, nonce: str) -> Outcome:
    """The relay lives."""
    return _note(lease, nonce, (Equals("instance_id", lease.instance_id),), relay_at=now)


def repeat_start(lease: Lease, *, now: float, nonce: str) -> Outcome:
    """The reaper claims the next start order of this STARTING; two reapers cannot both have it."""
    if wrong := _must(lease, State.STARTING):
        return wrong
    same = Missing("order_at") if lease.order_at is None else Equals("order_at", lease.order_at)
    here = (Equals("state", State.STARTING.value), Equals("epoch", lease.epoch), same)
    return _note(lease, nonce, here, order_at=now, attempts=lease.attempts + 1)


def stop_order(lease: Lease, *, now: float, nonce: str) -> Outcome:
    """The reaper claims a backstop StopInstances in STOPPING and says until when it may land."""
    if wrong := _must(lease, State.STOPPING):
        return wrong
    if lease.order_alive(now):
        return Refused("a stop order may still land")
    here = (Equals("state", State.STOPPING.value), Equals("epoch", lease.epoch), _no_order(now))
    return _note(lease, nonce, here, order_until=now + STOP_ORDER_LIFE_S)


def seen_stopped(lease: Lease, *, at: float | None, nonce: str) -> Outcome:
    """The reaper saw EC2 say `stopped` under a lease that says otherwise (`at`), or no longer (None)."""
    return _note(lease, nonce, (Equals("epoch", lease.epoch),), stopped_seen=at)


def alert_sent(lease: Lease, *, reason: str, nonce: str) -> Outcome:
    """An alert for `reason` went out: one a change of reason, not one a minute."""
    return _note(lease, nonce, (Equals("epoch", lease.epoch),), alerted=reason or None)


def new_machine(lease: Lease, *, instance_id: str, by: str, now: float, nonce: str) -> Outcome:
    """Any state → NEW for another machine, by `fab deploy`, after `up` replaced the instance."""
    if lease.instance_id == instance_id:
        return Refused("the lease is for this machine already")
    return _transition(
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
    )


def _mine(lease: Lease, boot_id: str) -> tuple[Clause, ...]:
    """Every write of the agent names its machine and its boot."""
    return (Equals("instance_id", lease.instance_id), Equals("boot_id", boot_id))


# ---------------------------------------------------------------- items
def to_item(lease: Lease) -> dict[str, Any]:
    """The lease as a plain item: attributes that are not set are left out, so that conditions can ask for them."""
    raw = dataclasses.asdict(lease)
    raw["state"] = lease.state.value
    raw["holds"] = lease.holds
    return {k: v for k, v in raw.items() if v is not None and v != "" and v != ()}


def from_item(item: Mapping[str, Any]) -> Lease:
    """Read an item; LeaseError names what is missing or newer. `holds` are Hold objects or (who, why, until) mappings."""
    version = item.get("lease_version")
    unit = item.get("unit", "?")
    if version != LEASE_VERSION:
        raise LeaseError(f"The lease of {unit} has version {version!r}; this program reads {LEASE_VERSION}. Update it.")
    names = {f.name: f for f in dataclasses.fields(Lease)}
    missing = sorted(n for n, f in names.items() if f.default is dataclasses.MISSING and n not in item)
    if missing:
        raise LeaseError(f"The lease of {unit} lacks {', '.join(missing)}. Run `fab doctor`.")
    raw = {k: v for k, v in item.items() if k in names}
    try:
        raw["state"] = State(raw["state"])
    except ValueError as error:
        raise LeaseError(f"The lease of {unit} has state {raw['state']!r}; known are {', '.join(State)}.") from error
    raw["holds"] = tuple(h if isinstance(h, Hold) else Hold(**h) for h in raw.get("holds", ()))
    return Lease(**raw)


def holds_true(clause: Clause, item: Mapping[str, Any]) -> bool:
    """What a store must answer for a clause; the stores' conformance test compares them with this."""
    have = item.get(clause.name)
    match clause:
        case Missing():
            return have is None
        case Equals(value=value):
            return have is not None and have == value
        case Differs(value=value):
            return have is not None and have != value
        case NotAfter(value=value):
            return have is None or have <= value
        case After(value=value):
            return have is not None and have > value


def apply(item: Mapping[str, Any] | None, write: Write) -> dict[str, Any] | None:
    """The item after the write, or None where a clause does not hold. The explorer and the in-memory store use this."""
    before = dict(item or {})
    if not all(holds_true(c, before) for c in write.clauses):
        return None
    after = before | {k: v for k, v in write.sets.items() if v is not None} | {"nonce": write.nonce}
    return {k: v for k, v in after.items() if not (k in write.sets and write.sets[k] is None)}
