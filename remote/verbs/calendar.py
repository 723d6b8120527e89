"""A forecast by days, for people: a grid with a row a day, and one line for each run of equal days.

A day is one of the stack's time zone, as long as that one is. What is not off counts as on: the machine runs, and
costs, while it starts and stops.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from core.policy.forecast import Span
from core.times import moments

CELL_S: Final = 1800.0  # a character of the grid
ON, OFF, UNKNOWN = "█", "·", " "
RULER: Final = f"{'':<10}  " + "".join(f"{hour:<6}" for hour in ("00", "03", "06", "09", "12", "15", "18", "21"))


@dataclass(frozen=True)
class Day:
    """What of a forecast falls on one day: moments in s since 1970; `on` are the runs in which the machine is up."""

    zone: str
    begins: float
    ends: float
    first: float  # where the forecast begins and ends on this day
    last: float
    on: tuple[tuple[float, float], ...]
    reason: str  # of the first run, or of the day

    @property
    def hours(self) -> str:
        """`on 08:52–18:01`, `on all day`, `off`."""
        if not self.on:
            return "off"
        if self.on == ((self.begins, self.ends),):
            return "on all day"
        return "on " + ", ".join(f"{self._clock(start)}–{self._clock(end)}" for start, end in self.on)

    @property
    def covers(self) -> str:
        """`from 12:00` and `until 12:00`, of a day that the forecast does not cover as a whole."""
        words = [f"from {self._clock(self.first)}"] if self.first > self.begins else []
        words += [f"until {self._clock(self.last)}"] if self.last < self.ends else []
        return " ".join(words)

    def _clock(self, moment: float) -> str:
        return "24:00" if moment == self.ends else moments.clock(moment, self.zone)


def days(spans: Sequence[Span], zone: str) -> list[Day]:
    """The days from the first span's start to the last one's end."""
    found, at, until = [], spans[0].start, spans[-1].end
    while at < until:
        begins, ends = moments.midnight(at, zone), moments.next_midnight(at, zone)
        here = [span for span in spans if span.start < ends and span.end > at]
        last = min(ends, until)
        up = [span for span in here if span.phase != "off"]
        reason = (up or here)[0].reason
        found.append(Day(zone, begins, ends, at, last, tuple(_runs(up, at, last)), reason))
        at = ends
    return found


def _runs(up: Sequence[Span], first: float, last: float) -> Iterator[tuple[float, float]]:
    """Spans that follow each other without a gap as one run, cut to the day."""
    start: float | None = None
    end = first
    for span in up:
        if start is not None and span.start > end:
            yield start, end
            start = None
        start = max(span.start, first) if start is None else start
        end = min(span.end, last)
    if start is not None:
        yield start, end


# ---------------------------------------------------------------- the grid
def grid(days: Sequence[Day]) -> list[str]:
    """A row a day, a character a half hour: `Mon 23 Nov  ··················██████████████████············`."""
    return [
        f"  {RULER}".rstrip(),
        *(f"  {moments.day(day.begins, day.zone):<10}  {_row(day)}".rstrip() for day in days),
    ]


def _row(day: Day) -> str:
    cells, at = [], day.begins
    while at < day.ends:
        cells.append(_cell(day, at, at + CELL_S))
        at += CELL_S
    return "".join(cells)


def _cell(day: Day, start: float, end: float) -> str:
    """On where the machine is up in at least half of it."""
    if end <= day.first or start >= day.last:
        return UNKNOWN
    up = sum(max(0.0, min(end, until) - max(start, since)) for since, until in day.on)
    return ON if 2 * up >= min(end, day.last) - max(start, day.first) else OFF


# ---------------------------------------------------------------- the lines
def folded(days: Sequence[Day]) -> list[str]:
    """One line for each run of equal days: `Mon 23 – Fri 27 Nov  on 08:52–18:01  the schedule says on …`."""
    lines = []
    for _, group in groupby(days, key=lambda day: (day.covers, day.hours)):
        run = list(group)
        hours = f"{run[0].covers}: {run[0].hours}" if run[0].covers else run[0].hours
        lines.append(f"  {_names(run):<24}  {hours:<24}  {run[0].reason}".rstrip())
    return lines


def _names(run: Sequence[Day]) -> str:
    """`Mon 23 – Fri 27 Nov`, `Mon 30 Nov – Fri 4 Dec`, or one day."""
    first, last = (moments.local(day.begins, day.zone) for day in (run[0], run[-1]))
    if len(run) == 1:
        return f"{first:%a} {first.day} {first:%b}"
    month = "" if first.month == last.month else f" {first:%b}"
    return f"{first:%a} {first.day}{month} – {last:%a} {last.day} {last:%b}"
