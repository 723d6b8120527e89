"""What the demo says of money: months are compared, since a run of minutes says little about a bill. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from core import money
from core.lease import Event
from core.money import ledger
from core.money.ledger import HOUR_S, MINIMUM_S
from core.money.prices import HOURS_A_MONTH
from core.profiles import WORKDAYS
from core.settings import StackSettings
from core.settings import shape as settings_shape
from core.times import schedule as schedules

AWAKE_H: Final = 100.0  # a month, as in README's table
_WEEK_S: Final = 7 * 24 * HOUR_S


def office_hours() -> float:
    """Hours a month that the schedule of the profile `office-hours` keeps a host on."""
    times = schedules.Schedule(WORKDAYS.start_at, WORKDAYS.stop_at, "UTC")
    at = monday = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
    on_s = 0.0
    while at < monday + _WEEK_S:
        change = min(schedules.next_change(times, at), monday + _WEEK_S)
        on_s += change - at if schedules.is_on(times, at) else 0.0
        at = change
    return on_s / _WEEK_S * HOURS_A_MONTH


def compared(found: StackSettings, events: list[dict[str, Any]], now: float) -> list[str]:
    """A month in three ways, what was spent so far, and a footnote. `events` are the table's items, oldest first."""
    shape, office = settings_shape(found), office_hours()
    history = [_event(item) for item in events]
    on = ledger.intervals(history, now=now)
    bill = money.bill(shape, on, since=history[0].at, now=now)
    types = ", ".join(sorted({interval.instance_type or shape.host_type for interval in on} or {shape.host_type}))
    return [
        f"A month on AWS, with {shape.host_type} in {found.region}: ${money.month(shape, AWAKE_H):.0f} with "
        f"{AWAKE_H:.0f} h awake, ${money.month(shape, office):.0f} in office hours (Mon–Fri 9–18, {office:.0f} h), "
        f"${money.always_on_month(shape):.0f} always on",
        f"This run would have cost ${bill.spent_usd:.2f} so far, at {types} prices*",
        f"* EC2 bills every start for at least {MINIMUM_S:.0f} s: here {bill.on_s:.0f} s of {bill.elapsed_s:.0f} s",
    ]


def _event(item: dict[str, Any]) -> Event:
    texts = {name: str(item[name]) for name in ("before", "after", "by", "reason")}
    return Event(epoch=int(item["epoch"]), at=float(item["at"]), facts=dict(item.get("facts", {})), **texts)
