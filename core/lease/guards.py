"""What every transition and note is built from: the guard on state and epoch, and the clauses that many share."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from core.contract.intervals import ORDER_MARGIN_S, START_ORDER_LIFE_S
from core.lease.record import SESSIONS, Lease, State, Value
from core.lease.writes import Clause, Equals, Event, Missing, NotAfter, Refused, Write

ENGINES_RUN: Final = frozenset({State.RUNNING, State.DRAINING})  # between these the engines stay what they are
CLEAR_ENGINES: Final[Mapping[str, Any]] = MappingProxyType({"dead": None, "dead_at": None, "unknown_at": None})


def transition(
    lease: Lease,
    to: State,
    *,
    by: str,
    reason: str,
    now: float,
    nonce: str,
    clauses: tuple[Clause, ...] = (),
    facts: Mapping[str, Value] | None = None,
    **sets: Any,
) -> Write:
    """The write that takes the lease to `to`: named state and epoch, raised epoch, one event.

    The event keeps the type that the capacity ladder has put the host on: its hours cost another price.
    """
    rung: Mapping[str, Value] = {"rung": lease.rung} if lease.rung else {}
    event = Event(lease.epoch + 1, now, lease.state, to, by, reason, {**rung, **(facts or {})})
    base: dict[str, Any] = {} if {lease.state, to} <= ENGINES_RUN else dict(CLEAR_ENGINES)
    base |= {
        "state": to.value,
        "epoch": lease.epoch + 1,
        "since": now,
        "reason": reason,
        "by": by,
        "cordon_epoch": None,
        "stopped_seen": None,
    }
    if lease.notified is None:  # a lease from before there were notifications: what it did until now is no news
        base["notified"] = lease.epoch
    guard = (Equals("state", lease.state.value), Equals("epoch", lease.epoch))
    return Write(lease.unit, nonce, guard + clauses, base | sets, event)


def note(lease: Lease, nonce: str, clauses: tuple[Clause, ...], **sets: Any) -> Write:
    """A write that leaves state and epoch alone."""
    return Write(lease.unit, nonce, clauses, sets)


def must(lease: Lease, *states: State) -> Refused | None:
    """A refusal, unless the lease is in one of `states`."""
    if lease.state in states:
        return None
    return Refused(f"the lease is {lease.state}, not {' or '.join(states)}")


CLEAR_WAKE_REQUEST: Final[Mapping[str, Any]] = MappingProxyType({"wake_by": None, "wake_at": None, "wake_until": None})


def wake_requested(lease: Lease, *, by: str, now: float, until: float) -> tuple[Clause, Mapping[str, Any]]:
    """A wake request's fields, never shorter than an older one's; and the clause that none came meanwhile that is
    longer.
    """
    longest = max(until, lease.wake_until or until)
    return NotAfter("wake_until", longest), {"wake_by": by, "wake_at": now, "wake_until": longest}


OVER_BUDGET: Final = (
    "the budget is spent; a higher pilotlight:budget and `pulumi up` lift it, `fab budget --override 2h` for a while"
)
CLEAR_PIN: Final[Mapping[str, Any]] = MappingProxyType({"pin_until": None, "pin_who": None, "pin_why": None})


def no_sessions(lease: Lease, now: float, nonce: str) -> Mapping[str, Any]:
    """Inhibitors without that of the people who are logged in: the stop ends their sessions."""
    left = tuple(h for h in lease.inhibitors if h.who != SESSIONS and h.until > now)
    if len(left) == len(lease.inhibitors):
        return {}
    return {
        "inhibitors": left or None,
        "inhibited_until": max((h.until for h in left), default=None),
        "inhibitors_nonce": nonce,
    }


def unwanted(now: float) -> tuple[Clause, ...]:
    """No fresh wake request and no live inhibitor, checked in the table."""
    return (NotAfter("wake_until", now), NotAfter("inhibited_until", now))


def no_order(now: float) -> Clause:
    """No stop order from outside may still land, checked in the table."""
    return NotAfter("order_until", now - ORDER_MARGIN_S)


def no_start(now: float) -> Clause:
    """No start order may still land, checked in the table."""
    return NotAfter("order_at", now - START_ORDER_LIFE_S - ORDER_MARGIN_S)


def as_read(lease: Lease, *names: str) -> tuple[Clause, ...]:
    """These fields are in the table what they were when the lease was read."""
    values = {name: getattr(lease, name) for name in names}
    return tuple(Missing(n) if v is None or v == "" else Equals(n, v) for n, v in values.items())


def mine(lease: Lease, boot_id: str) -> tuple[Clause, ...]:
    """Every write of the agent names its machine and its boot."""
    return (Equals("instance_id", lease.instance_id), Equals("boot_id", boot_id))
