"""Schedules: cron expressions in a time zone, some that turn a host on and some that turn it off.

`cronsim` knows cron (Debian's rules, daylight saving included: a time that a spring change skips fires at the change,
one that an autumn change repeats fires once). A schedule is on when its latest firing was one that turns it on. Where
both fire at one instant, as a skipped 2:00 and 3:00 do, the later one by the wall clock counts; if that is the same
too, it is off. How people write one in a tag is `core/times/schedule_words.py`'s.
To widen: holidays or exceptions would be a third expression here, never a rule in the policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cronsim import CronSim, CronSimError

from core.errors import SettingsError
from core.times.zones import zone as zone_of

# An autumn change repeats an hour of the local clock: what has fired in it the first time looks as if still to come.
_SLACK: Final = timedelta(hours=3)
_KEPT: Final = 1024
_AROUND: Final[dict[tuple[str, str], tuple[float, float]]] = {}
SEPARATOR: Final = "; "
_UNDONE_MAX: Final = 1000  # one after the other: only expressions that are equal have so many


@dataclass(frozen=True)
class Schedule:
    """When a host is on. `on` and `off` are cron expressions of five fields, or some with SEPARATOR between them;
    `zone` is an IANA name.
    """

    on: str
    off: str
    zone: str

    def check(self) -> None:
        """SettingsError where an expression or the zone cannot be read."""
        for text in (*_each(self.on), *_each(self.off)):
            _cron(text, datetime(2026, 1, 1, tzinfo=zone_of(self.zone)))


def is_on(schedule: Schedule, now: float) -> bool:
    """The latest firing at or before `now` (s since 1970) was one that turns on."""
    on, off = (_around(cron, schedule.zone, now)[0] for cron in (schedule.on, schedule.off))
    return on > off or (on == off and _later_by_the_clock(schedule, on))


def next_on(schedule: Schedule, now: float) -> float:
    """When it turns on next, after `now` (s since 1970)."""
    return _next(schedule, now, to_on=True)


def next_change(schedule: Schedule, now: float) -> float:
    """When it turns on or off next, after `now` (s since 1970)."""
    return _next(schedule, now, to_on=not is_on(schedule, now))


def _next(schedule: Schedule, now: float, *, to_on: bool) -> float:
    """The next firing of the one kind that the other kind does not undo at the same instant."""
    one, other = (schedule.on, schedule.off) if to_on else (schedule.off, schedule.on)
    at = now
    for _ in range(_UNDONE_MAX):
        at = _around(one, schedule.zone, at)[1]
        if _around(other, schedule.zone, at)[0] < at or _later_by_the_clock(schedule, at) is to_on:
            break
    return at


def _later_by_the_clock(schedule: Schedule, instant: float) -> bool:
    """Both fire at `instant`: by the wall clock the one that turns on is the later one.

    An instant has two times on the wall only where the clock jumps forward: all of the skipped ones, and its own.
    """
    wall = datetime.fromtimestamp(instant, UTC).astimezone(zone_of(schedule.zone)).replace(tzinfo=None)
    on, off = (max(_at_or_before(cron, wall) for cron in _each(crons)) for crons in (schedule.on, schedule.off))
    return on > off


def _at_or_before(cron: str, wall: datetime) -> datetime:
    """The latest time that matches by the clock alone, as if no hour were ever skipped."""
    return next(_cron(cron, wall + timedelta(minutes=1), reverse=True))


def _each(crons: str) -> Sequence[str]:
    return crons.split(SEPARATOR.strip())


def _around(cron: str, zone: str, now: float) -> tuple[float, float]:
    """The latest firing at or before `now` and the first one after it. All of the time between has one answer, so the
    last one found is kept: a week's forecast, or a fleet's minute, asks cron once a firing.
    """
    known = _AROUND.get((cron, zone))
    if known is not None and known[0] <= now < known[1]:
        return known
    start = datetime.fromtimestamp(now, UTC).astimezone(zone_of(zone))
    after = min(next(t for t in _firings(one, start) if t > now) for one in _each(cron))
    late = start + _SLACK
    before = max(next(t for t in _firings(one, late, reverse=True) if t <= now) for one in _each(cron))
    if len(_AROUND) >= _KEPT:
        _AROUND.clear()
    _AROUND[cron, zone] = before, after
    return before, after


def _firings(cron: str, start: datetime, *, reverse: bool = False) -> Iterator[float]:
    return (moment.timestamp() for moment in _cron(cron, start, reverse=reverse))


def _cron(text: str, start: datetime, *, reverse: bool = False) -> CronSim:
    try:
        return CronSim(text, start, reverse=reverse)
    except CronSimError as error:
        raise SettingsError(f"{text!r} is not a cron expression ({error}); write e.g. `0 9 * * mon-fri`") from error
