"""What a host's hours have cost this month, from the lease's history. Asked only where a budget is set.

The month is UTC's, as on AWS's bill. Only the hours of the host count: what goes on while it is off (disk, gateway) is
not what a stop could save. Nothing is guessed: without a price the spending is unknown, and people are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from core.contract import UnitSettings
from core.lease import Event
from core.money import HOUR_S, Interval, intervals
from core.prices import PriceUnknown, instance_hour
from runtime.lease_store import LeaseStore


def spending(store: LeaseStore, settings: UnitSettings, instance_type: str, now: float) -> tuple[float | None, str]:
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
