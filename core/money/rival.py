"""The honest rival: the best plain schedule, which needs no gateway and no lease. Pure.

A plain schedule turns the host on at one hour and off at another, on some days of the week. The best one is the
shortest that would have served everybody who was served: it is chosen with hindsight, which no schedule has, so a
saving against it is a saving indeed. Where it wins, that is said too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from core.contract.documents import Shape
from core.money import cost
from core.money.cost import Line
from core.money.ledger import Interval
from core.times.moments import local

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class PlainSchedule:
    """On from `start` to `end` o'clock (0 to 24) on `days` (0: Monday), on a clock in `zone`."""

    days: tuple[int, ...]
    start: int
    end: int
    zone: str

    @property
    def words(self) -> str:
        """`Mon–Fri 9–18`."""
        if not self.days:
            return "never on"
        whole = len(self.days) > 2 and self.days[-1] - self.days[0] == len(self.days) - 1
        named = f"{DAYS[self.days[0]]}–{DAYS[self.days[-1]]}" if whole else ", ".join(DAYS[day] for day in self.days)
        return f"{named} {self.start}–{self.end}"

    def intervals(self, since: float, until: float) -> Iterator[Interval]:
        """When it is on between two moments (s)."""
        day = local(since, self.zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        while day.timestamp() < until:
            if day.weekday() in self.days:
                start = max(since, _oclock(day, self.start))
                end = min(until, _oclock(day, self.end))
                if start < end:
                    yield Interval(start, end)
            day = day + timedelta(days=1)


def _oclock(day: datetime, hour: int) -> float:
    return (day + timedelta(days=hour // 24)).replace(hour=hour % 24).timestamp()


def best(needed: Iterable[tuple[float, float]], zone: str) -> PlainSchedule:
    """The shortest plain schedule that is on throughout all times (from, to; s) in which the host was needed."""
    parts = [part for start, end in needed for part in _by_day(start, end, zone)]
    days = tuple(sorted({day for day, _, _ in parts}))
    if not parts:
        return PlainSchedule((), 0, 0, zone)
    return PlainSchedule(days, min(start for _, start, _ in parts), max(end for _, _, end in parts), zone)


def _by_day(start: float, end: float, zone: str) -> Iterator[tuple[int, int, int]]:
    """(weekday, from, to) in whole hours, a part for each day on the clock."""
    at = local(start, zone)
    last = local(max(start, end), zone)
    while at.date() < last.date():
        yield at.weekday(), at.hour, 24
        at = (at + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    whole = last.minute == last.second == last.microsecond == 0 and last > at
    if last > at or start == end:
        yield at.weekday(), at.hour, last.hour if whole else last.hour + 1


def needed(on: Sequence[Interval], idle_s: float, now: float) -> list[tuple[float, float]]:
    """When somebody needed the host: its runs, without the idle time at the end of those that are over."""
    return [(run.start, max(run.start, run.end - (idle_s if run.end < now else 0.0))) for run in on]


@dataclass(frozen=True)
class Rivals:
    """Our bill beside those of the same host always on and on the best plain schedule, over the same time."""

    ours: Decimal
    always_on: Decimal
    schedule: PlainSchedule
    scheduled: Decimal

    @property
    def saved(self) -> Decimal:
        """Against always on, net: warm-ups, gateway and disks are in ours. Negative: we cost more."""
        return self.always_on - self.ours

    @property
    def saved_to_schedule(self) -> Decimal:
        """The same against the schedule."""
        return self.scheduled - self.ours


def ratio(saved: Decimal, other: Decimal) -> float:
    """The part of the other's bill that was saved; 0 where there was none."""
    return float(saved / other) if other else 0.0


def compare(
    shape: Shape, bill: Sequence[Line], on: Sequence[Interval], *, since: float, until: float, idle_s: float, zone: str
) -> Rivals:
    """Against always on, and against the best plain schedule for the runs `on`, which are those from `since` on."""
    runs = [run for run in on if run.end > since]
    schedule = best([(max(since, start), end) for start, end in needed(runs, idle_s, until) if end > since], zone)
    hours = list(schedule.intervals(since, until))
    scheduled = cost.lines(cost.plain(shape), hours, since=since, until=until)
    always = cost.always_on(shape, since=since, until=until)
    return Rivals(cost.total(bill), cost.total(always), schedule, cost.total(scheduled))
