"""Conditional writes: the clauses that must hold in the table, what is set, and what both mean.

`apply` is the meaning: the in-memory store and the explorer use it, and every other store is compared with it by the
conformance suite. To add a clause: a class here, its line in `holds_true`, and its spelling in each store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from core.lease.record import Inhibitor, Value


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
    sets: Mapping[str, Value | tuple[Inhibitor, ...] | None]
    event: Event | None = None  # with an event it is a transition, written in one transaction with it


@dataclass(frozen=True)
class Refused:
    """There is nothing to write, and why. Truthy like any object: `if wrong := must(…)` counts on it."""

    reason: str


Outcome = Write | Refused


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
