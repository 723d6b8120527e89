"""What a host's hours have cost this month, from the lease's history. Asked only where a budget is set.

The month is UTC's, as on AWS's bill. Only the hours of the host count: what goes on while it is off (disk, gateway) is
not what a stop could save. Nothing is guessed: without a price the spending is unknown, and people are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from core.contract import UnitSettings
from core.lease import Event, Lease
from core.money import HOUR_S, Interval, intervals
from core.prices import PriceUnknown, instance_hour
from runtime.lease_store import LeaseStore

READS_A_PASS: Final = 200


class HasEvents(Protocol):
    """What `spending` needs of a store."""

    def events(self, unit: str) -> Sequence[Event]: ...


class Histories:
    """Histories as read, by unit. A history grows only with its lease's epoch: a read serves all passes until then."""

    def __init__(self, store: LeaseStore) -> None:
        self._store = store
        self._read: dict[str, tuple[int, Sequence[Event]]] = {}
        self._left = READS_A_PASS

    def next_pass(self) -> None:
        """A pass begins: it may read so many histories anew that a cold Lambda ends in time, in a fleet too."""
        self._left = READS_A_PASS

    def can_wait(self, lease: Lease, now: float) -> bool:
        """Not known, this pass has read its share, and nobody waits for a start: a later pass reads it."""
        known = self._read.get(lease.unit)
        return self._left <= 0 and not lease.wanted(now) and (known is None or known[0] != lease.epoch)

    def until(self, lease: Lease) -> HasEvents:
        """The history of a lease as it was read, asked for when it is needed."""
        return _Until(self, lease.epoch)

    def at(self, unit: str, epoch: int) -> Sequence[Event]:
        """The events of a unit up to an epoch, from the store where they are not known yet."""
        known = self._read.get(unit)
        if known is None or known[0] != epoch:
            self._left -= 1
            known = self._read[unit] = (epoch, self._store.events(unit))
        return known[1]


@dataclass(frozen=True)
class _Until:
    histories: Histories
    epoch: int

    def events(self, unit: str) -> Sequence[Event]:
        return self.histories.at(unit, self.epoch)


def spending(store: HasEvents, settings: UnitSettings, instance_type: str, now: float) -> tuple[float | None, str]:
    """US dollars since the first of the month, and why they are unknown (then None). No budget: not asked."""
    if settings.monthly_budget_usd is None:
        return None, ""
    try:
        hour = instance_hour(settings.region, instance_type or settings.instance_types[0])
    except PriceUnknown as error:
        return None, f"the budget is not enforced: {error}"
    on = within_month(store.events(settings.unit), now)
    return sum(i.billed_s for i in on) / HOUR_S * hour, ""


def within_month(events: Sequence[Event], now: float) -> list[Interval]:
    """When the host was on this month; what began before counts from the first."""
    first = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
    found = intervals(events, now=now)
    return [Interval(max(i.start, first), i.end) for i in found if i.end > first]
