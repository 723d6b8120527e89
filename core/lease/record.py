"""What a lease is: its states, its fields, and the plain item that a store keeps.

To add a field: a line in `Lease` with a default of `None`, `""` or a number, and its conversion is done; a store
knows no field by name. Raise `LEASE_VERSION` only if an old program would misread an item with the new field.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from core.contract.intervals import ORDER_MARGIN_S, START_ORDER_LIFE_S
from core.contract.table import LAST_EPOCH
from core.errors import LeaseError

LEASE_VERSION: Final = 2  # 1 had other names for its fields (ADR 21)
SESSIONS: Final = "ssh session"  # `who` of the inhibitor for people who work on the host (`core/sessions.py`)
WANTED_BY: Final = "wanted_by"  # the fact of a start that says whose wake request it serves
DEAD_SEPARATOR: Final = ", "
LATEST_S: Final = 253402300800.0  # the year 10000, where Python's calendar ends


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
class Inhibitor:
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
    by: str  # who made it: a `Writer` of core/codes.py, or a person
    nonce: str = ""  # of the last write; a retried write recognises itself
    lease_version: int = LEASE_VERSION
    instance_id: str = ""
    boot_id: str = ""  # of the boot that the agent has claimed; removed when a start is ordered
    wake_by: str = ""
    wake_at: float | None = None
    wake_until: float | None = None
    inhibitors: tuple[Inhibitor, ...] = ()
    inhibited_until: float | None = None  # the latest of `inhibitors`, so that a condition can name it
    inhibitors_nonce: str = ""  # of the write that changed `inhibitors` last: two at once cannot lose one's inhibitor
    cordon_epoch: int | None = None  # the relay has pointed the routes at itself for this DRAINING
    order_at: float | None = None  # the last start order
    attempts: int = 0  # start orders of this STARTING that count; START_ATTEMPTS where nobody of ours gave one
    order_until: float | None = None  # a stop order from outside may land until then
    ready_at: float | None = None
    demand_at: float | None = None  # last evidence of demand, seen by the agent in the engines' counters
    busy: int = 0  # requests in the engines at the last heartbeat
    unknown_at: float | None = None  # an engine answers and its counters cannot be read, since then: it may be in use
    dead: str = ""  # the engines that did not answer at the last heartbeat, by name: "a, b"
    dead_at: float | None = None  # since when the first of them does not
    agent_at: float | None = None  # last heartbeats
    relay_at: float | None = None
    stopped_seen: float | None = None  # EC2 first said `stopped` while the lease said otherwise
    failure: str = ""  # code of the last failure: start-timeout | capacity | …
    rung: str = ""  # the instance type that the capacity ladder has put the host on; "" where it did not
    tried: str = ""  # what EC2 refused in this start: "g6.xlarge (InsufficientInstanceCapacity), …"
    type_at: float | None = None  # somebody sets the type back since then; nobody else does meanwhile
    alerted: str = ""  # the reason last sent as an alert
    notified: int | None = None  # people were told of the events up to this epoch; None: of none, and need not be
    warned: str = ""  # the stop that was announced last, by its bound and when that began to count
    budgeted: str = ""  # the part of a month's budget that was told last: "2026-11:80"
    pin_until: float | None = None  # kept on, and started where it is off, until then
    pin_who: str = ""
    pin_why: str = ""
    spent_until: float | None = None  # the budget is spent: no start is paid for before then
    paid_until: float | None = None  # somebody pays over the budget until then
    paid_who: str = ""
    paid_why: str = ""

    def wanted(self, now: float) -> bool:
        """A fresh wake request exists."""
        return self.wake_until is not None and self.wake_until > now

    def inhibitor(self, now: float) -> Inhibitor | None:
        """The inhibitor that ends last, if one is alive."""
        alive = [h for h in self.inhibitors if h.until > now]
        return max(alive, key=lambda h: h.until) if alive else None

    def inhibited_past_max_lease(self, now: float) -> bool:
        """An inhibitor is alive that does not give way to maxLease, as that of sessions does."""
        return any(h.until > now and h.who != SESSIONS for h in self.inhibitors)

    @property
    def in_use(self) -> bool:
        """Requests are in the engines, or nobody can tell."""
        return bool(self.busy) or self.unknown_at is not None

    @property
    def dead_engines(self) -> frozenset[str]:
        """The engines that did not answer at the last heartbeat."""
        return frozenset(self.dead.split(DEAD_SEPARATOR)) if self.dead else frozenset()

    def answers(self, engines: Collection[str]) -> bool:
        """One of these engines is not known to be dead; without any named, whether no engine is."""
        return not self.dead_engines if not engines else bool(set(engines) - self.dead_engines)

    def pinned(self, now: float) -> bool:
        """Somebody wants the host on until `pin_until`, whether anybody asks or not."""
        return self.pin_until is not None and self.pin_until > now

    def spent(self, now: float) -> bool:
        """The budget is spent: what is off stays off."""
        return self.spent_until is not None and self.spent_until > now

    def paid(self, now: float) -> bool:
        """Somebody pays over the budget until `paid_until`."""
        return self.paid_until is not None and self.paid_until > now

    def unpaid(self, now: float) -> bool:
        """Off or going off, and nobody pays for a start."""
        return self.spent(now) and self.state in (State.STOPPED, State.STOPPING, State.FAILED)

    def order_alive(self, now: float) -> bool:
        """A stop order from outside may still land."""
        return self.order_until is not None and self.order_until + ORDER_MARGIN_S > now

    def start_alive(self, now: float) -> bool:
        """A start order may still land."""
        return self.order_at is not None and self.order_at + START_ORDER_LIFE_S + ORDER_MARGIN_S > now


def to_item(lease: Lease) -> dict[str, Any]:
    """The lease as a plain item: attributes that are not set are left out, so that conditions can ask for them."""
    raw = dataclasses.asdict(lease)
    raw["state"] = lease.state.value
    raw["inhibitors"] = lease.inhibitors
    return {k: v for k, v in raw.items() if v is not None and v not in ("", ())}


def from_item(item: Mapping[str, Any]) -> Lease:
    """Read an item, its inhibitors as `Inhibitor` or as mappings; LeaseError names what is missing, wrong or newer."""
    version = item.get("lease_version")
    unit = item.get("unit", "?")
    if version != LEASE_VERSION:
        raise LeaseError(
            f"The lease of {unit} has version {version!r}; this program reads {LEASE_VERSION}. {_way_out(version)}"
        )
    if missing := sorted(_NEEDED - item.keys()):
        raise LeaseError(f"The lease of {unit} lacks {', '.join(missing)}. Delete it: `fab deploy` makes it anew.")
    return Lease(**{k: _field(unit, k, v) for k, v in item.items() if k in _READERS})


def _way_out(version: Any) -> str:
    if isinstance(version, int | float) and version > LEASE_VERSION:
        return "Update this program: `pulumi up` and `fab deploy` from the newer checkout."
    return "An older checkout wrote it: delete the table's item `lease` of this unit; `fab deploy` makes it anew."


def _field(unit: str, name: str, value: Any) -> Any:
    """One attribute as its field's type; stores that keep numbers in one type (DynamoDB) get them back right."""
    try:
        return _READERS[name](value)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise LeaseError(f"The lease of {unit} has {name} {value!r:.100}, which cannot be read: {error}.") from error


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError("not a text")


def moment(value: Any) -> float:
    """A time as a store keeps it, s since 1970: a finite number before the year 10000."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    if not abs(value) < LATEST_S:
        raise ValueError("no time before the year 10000")
    return float(value)


def whole(value: Any) -> int:
    """A count or an epoch as a store keeps it: a whole number that has a place in `sk_event`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise TypeError("not a whole number")
    if not 0 <= value <= LAST_EPOCH:
        raise ValueError(f"not from 0 to {LAST_EPOCH}")
    return int(value)


def _inhibitor(value: Any) -> Inhibitor:
    if isinstance(value, Inhibitor):
        return value
    if not isinstance(value, Mapping):
        raise TypeError("an inhibitor is a mapping of who, why and until")
    return Inhibitor(_text(value.get("who")), _text(value.get("why")), moment(value.get("until")))


_BY_TYPE: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "str": _text,
        "int": whole,
        "int | None": whole,
        "float": moment,
        "float | None": moment,
        "State": State,
        "tuple[Inhibitor, ...]": lambda inhibitors: tuple(_inhibitor(h) for h in inhibitors),
    }
)
_READERS: Final = {f.name: _BY_TYPE[str(f.type)] for f in dataclasses.fields(Lease)}
_NEEDED: Final = frozenset(f.name for f in dataclasses.fields(Lease) if f.default is dataclasses.MISSING)
