"""The plan: which of the wanted items differ from the facts, and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from remote.items import Item
from remote.machines.facts import Facts, Query


@dataclass(frozen=True)
class Step:
    """One item that must change, with the reason in words."""

    item: Item
    reason: str

    @property
    def text(self) -> str:
        """For people: what, and why."""
        return f"{self.item.label}: {self.reason}"


def query(items: Sequence[Item]) -> Query:
    """What must be known to plan these items; one round trip asks for all of it."""
    return Query.union(item.query() for item in items)


def plan(items: Sequence[Item], facts: Facts) -> tuple[Step, ...]:
    """The difference, in the items' order. Empty: the machine is as wanted."""
    reasons = ((item, item.reason(facts)) for item in items)
    return tuple(Step(item, reason) for item, reason in reasons if reason)
