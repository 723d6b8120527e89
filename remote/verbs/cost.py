"""`fab cost`: what a stack cost, line by line, and what the same host would have cost otherwise.

Counted from the lease's history by `core/money/cost.py`, as `fab status`, the dashboard and the demo count. `of` is
pure: a look in, a Cost out; what prints it stands below.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from rich.table import Table

from core.contract.documents import Shape
from core.errors import SettingsError
from core.lease import State
from core.money import cost, ledger, prices, rival
from core.money.cost import Kind, Line
from core.money.ledger import Interval
from core.money.prices import Figure
from core.money.rival import Rivals
from core.settings import shape as settings_shape
from core.times import durations, moments
from core.times.bounds import YEAR_S
from core.wakes import wakes
from remote.verbs import timeline
from remote.verbs.lease import Front, Record, Seen, look
from remote.verbs.timeline import Timeline, days_of

EARLIER_S: Final = 86400.0  # of history before the time that is asked for: how the host stood when it began
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
COLUMNS: Final = ("day", "kind", "what", "quantity", "unit", "price", "currency", "cost")


@dataclass(frozen=True)
class Day:
    """One day of the stack's clock, which begins at `at` (s)."""

    at: float
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        """Its sum."""
        return cost.total(self.lines)


@dataclass(frozen=True)
class Cost:
    """A stack's bill from `since` to `until` (table time, s). `days` add up to `lines`, to the last digit but one.

    `on_s`: billed seconds of the host; `used_s`: of these, from ready to the idle time before each stop; `warming_s`:
    from a start until ready. `stale`: which prices are old, in words.
    """

    stack: str
    zone: str
    since: float
    until: float
    lines: tuple[Line, ...]
    days: tuple[Day, ...]
    rivals: Rivals
    starts: int
    on_s: float
    warming_s: float
    used_s: float
    timeline: Timeline
    runs: tuple[Interval, ...] = ()
    stale: str = ""

    @property
    def total(self) -> Decimal:
        """In US dollars, not rounded."""
        return cost.total(self.lines)

    def as_dict(self) -> Record:
        """For `--json` (docs/json.md)."""
        rivals = self.rivals
        return {
            "from": moments.iso(self.since, self.zone),
            "to": moments.iso(self.until, self.zone),
            "cost_usd": _usd(self.total),
            "lines": [_record(line) for line in self.lines],
            "days": [{"day": _day(day.at, self.zone), "cost_usd": _usd(day.total)} for day in self.days],
            "starts": self.starts,
            "on_s": self.on_s,
            "warming_s": self.warming_s,
            "used_s": self.used_s,
            "always_on_usd": _usd(rivals.always_on),
            "saved_usd": _usd(rivals.saved),
            "schedule": rivals.schedule.words,
            "schedule_usd": _usd(rivals.scheduled),
            "saved_to_schedule_usd": _usd(rivals.saved_to_schedule),
            "stale_prices": self.stale or None,
        }


def since_of(text: str, zone: str, now: float) -> float:
    """The moment that `--since` means: a date, a duration, or "" for the first of this month, in the stack's zone."""
    if not text:
        return moments.local(now, zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
    if _DATE.fullmatch(text):
        found = moments.parse(f"{text} 00:00", zone, now)
        if not 0 < now - found <= YEAR_S:
            raise SettingsError(f'"{text}" is not a day of the last year; write e.g. 2026-11-01 or 31d')
        return found
    return now - durations.positive(text, YEAR_S)


def seen(at: Front, since: float, now: float) -> Seen:
    """A look with the history from a day before `since` on. `now`: this computer's clock, near the table's."""
    return look(at, history_s=max(0.0, now - since) + EARLIER_S)


def of(stack: str, shape: Shape, found: Seen, *, since: float, zone: str) -> Cost:
    """What a look says from `since` (s) on; a host that was made later costs from then. PriceUnknown: no price."""
    until, events, state = found.now, found.events, found.lease.state if found.lease else State.STOPPED
    if events and not events[0].before:
        since = max(since, events[0].at)
    kind = found.machine.instance_type
    on = ledger.intervals(events, now=until, since=min(since, until), state=state, instance_type=kind)
    bill = cost.lines(shape, on, since=since, until=until)
    idle_s = found.settings.stop_after_s or 0.0
    days = tuple(Day(a, cost.lines(shape, on, since=a, until=b)) for a, b in days_of(since, until, zone))
    inside = [run for run in on if run.end > since]
    waking = {wake.at: wake.took_s for wake in wakes(events)}
    warming = sum(min(waking.get(run.start, 0.0), run.end - run.start) for run in inside)
    used = sum(end - max(start, since) for start, end in rival.needed(inside, idle_s, until) if end > since)
    return Cost(
        stack,
        zone,
        since,
        until,
        bill,
        days,
        rival.compare(shape, bill, on, since=since, until=until, idle_s=idle_s, zone=zone),
        starts=sum(1 for run in inside if run.start >= since),
        on_s=float(sum(cost.by_type(on, since, until, shape.host_type).values())),
        warming_s=warming,
        used_s=max(0.0, used - warming),
        timeline=timeline.of(stack, events, since=since, now=until, zone=zone),
        runs=tuple(on),
        stale=prices.stale(_used(shape, on), datetime.fromtimestamp(until, UTC).date()),
    )


def _used(shape: Shape, on: Sequence[Interval]) -> Iterator[Figure]:
    """The rows of the table that a bill of this shape is made with."""
    kinds = {run.instance_type or shape.host_type for run in on} | ({shape.gateway_type} - {""})
    wanted = {*(f"{prices.Market.ON_DEMAND}:{kind}" for kind in kinds), *cost.ITEMS}
    return (row for (region, item), row in prices.table().items() if region == shape.region and item in wanted)


def cost_of(at: Front, since: str, now: float) -> Cost:
    """A stack's cost from `--since` on."""
    moment = since_of(since, at.zone, now)
    found = seen(at, moment, now)
    return of(at.inventory.stack, settings_shape(at.inventory.settings), found, since=moment, zone=at.zone)


# ---------------------------------------------------------------- for people
def lines(found: Cost) -> Iterator[str]:
    """What is said below the table."""
    hours, rivals = (found.until - found.since) / 3600, found.rivals
    starts = "1 start" if found.starts == 1 else f"{found.starts} starts"
    on = f"On for {found.on_s / 3600:.1f} h of {hours:.1f}, {starts}"
    if found.on_s:
        used, warming = found.used_s / found.on_s, found.warming_s / found.on_s
        on += f"; {used:.0%} of it in use, {warming:.0%} warming up, the rest idle"
    yield f"{on}."
    yield f"Always on, without a gateway: {_against(rivals.always_on, rivals.saved)}."
    named = f"The best plain schedule ({rivals.schedule.words}; chosen with hindsight, without a gateway)"
    yield f"{named}: {_against(rivals.scheduled, rivals.saved_to_schedule)}."
    if found.stale:
        yield f"Note: {found.stale}."


def _against(other: Decimal, saved: Decimal) -> str:
    part = f" ({abs(rival.ratio(saved, other)):.0%})" if other else ""
    return f"{dollars(other)}; this is {dollars(abs(saved))}{part} {'less' if saved >= 0 else 'more'}"


def dollars(money: Decimal) -> str:
    """`$1,234.56`."""
    return f"${cost.cents(money):,}"


def table(found: Cost) -> Table:
    """A row a line."""
    shown = _grid("", "what", "quantity", "", "price", "cost")
    for line in found.lines:
        quantity = f"{line.quantity:,.2f}"
        shown.add_row(line.kind, line.what, quantity, line.unit, f"${line.price:f}", dollars(line.cost))
    over = f"{moments.show(found.since, found.zone)} – {moments.show(found.until, found.zone)}"
    shown.add_row("total", over, "", "", "", dollars(found.total))
    return shown


def by_day(found: Cost) -> Table:
    """A row a day, a column a kind."""
    kinds = kinds_of(found.lines)
    shown = _grid(f"day ({found.zone})", *kinds, "total")
    for day in found.days:
        parts = [dollars(cost.total(line for line in day.lines if line.kind == kind)) for kind in kinds]
        shown.add_row(_day(day.at, found.zone), *parts, dollars(day.total))
    whole = [dollars(cost.total(line for line in found.lines if line.kind == kind)) for kind in kinds]
    shown.add_row("total", *whole, dollars(found.total))
    return shown


def kinds_of(bill: Iterable[Line]) -> list[Kind]:
    """The kinds that a bill has, in their order."""
    there = {line.kind for line in bill}
    return [kind for kind in Kind if kind in there]


def _grid(*columns: str) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        shown.add_column(column, justify="left" if number < 1 or column in ("what", "") else "right", overflow="fold")
    return shown


def as_csv(found: Cost) -> str:
    """A row for each day and line; amounts are not rounded, so that they can be added up."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for day in found.days:
        for line in day.lines:
            amounts = [f"{line.quantity:f}", line.unit, f"{line.price:f}", line.currency, f"{line.cost:f}"]
            writer.writerow([_day(day.at, found.zone), line.kind, line.what, *amounts])
    return out.getvalue()


def _record(line: Line) -> Record:
    amounts = {"quantity": float(line.quantity), "quantity_unit": line.unit, "price_usd": float(line.price)}
    return {"kind": line.kind.value, "what": line.what, **amounts, "cost_usd": _usd(line.cost)}


def _usd(money: Decimal) -> float:
    return float(cost.cents(money))


def _day(at: float, zone: str) -> str:
    return f"{moments.local(at, zone):%Y-%m-%d}"
