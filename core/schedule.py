"""Schedules: two cron expressions in a time zone, one that turns a host on and one that turns it off.

`cronsim` knows cron (Debian's rules, daylight saving included: a time that a spring change skips fires at the change,
one that an autumn change repeats fires once). A schedule is on when its latest firing was the one that turns it on.
To widen: holidays or exceptions would be a third expression here, never a rule in the policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from core.errors import SettingsError

# An autumn change repeats an hour of the local clock: what has fired in it the first time looks as if still to come.
_SLACK: Final = timedelta(hours=3)
_KEPT: Final = 1024
_AROUND: Final[dict[tuple[str, str], tuple[float, float]]] = {}
_SHORT: Final = re.compile(r"([a-z,-]+) (\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Schedule:
    """When a host is on. `on` and `off` are cron expressions of five fields, `zone` an IANA name."""

    on: str
    off: str
    zone: str

    def check(self) -> None:
        """SettingsError where an expression or the zone cannot be read."""
        zone = _zone(self.zone)
        for text in (self.on, self.off):
            _cron(text, datetime(2026, 1, 1, tzinfo=zone))


def parse(text: str, zone: str) -> Schedule | None:
    """A schedule as people write it in a tag: `off` (None), or days and hours such as `mon-fri 09:00-18:00`."""
    words = " ".join(text.split())
    if words.lower() == "off":
        return None
    match = _SHORT.fullmatch(words)
    if match is None:
        raise SettingsError(f"{text!r} is not a schedule; write e.g. `mon-fri 09:00-18:00`, or `off`")
    days, *clock = match.groups()
    hour, minute, to_hour, to_minute = map(int, clock)
    if (to_hour, to_minute) <= (hour, minute):
        raise SettingsError(f"{text!r} ends before it begins; a schedule ends on the day that it began")
    schedule = Schedule(f"{minute} {hour} * * {days}", f"{to_minute} {to_hour} * * {days}", zone)
    schedule.check()
    return schedule


def is_on(schedule: Schedule, now: float) -> bool:
    """The latest firing at or before `now` (s since 1970) was the one that turns on."""
    return _previous(schedule.on, schedule.zone, now) > _previous(schedule.off, schedule.zone, now)


def next_on(schedule: Schedule, now: float) -> float:
    """When it turns on next, after `now` (s since 1970)."""
    return _next(schedule.on, schedule.zone, now)


def next_change(schedule: Schedule, now: float) -> float:
    """When it turns on or off next, after `now` (s since 1970)."""
    return _next(schedule.off if is_on(schedule, now) else schedule.on, schedule.zone, now)


def _next(cron: str, zone: str, now: float) -> float:
    return _around(cron, zone, now)[1]


def _previous(cron: str, zone: str, now: float) -> float:
    return _around(cron, zone, now)[0]


def _around(cron: str, zone: str, now: float) -> tuple[float, float]:
    """The latest firing at or before `now` and the first one after it. All of the time between has one answer, so the
    last one found is kept: a week's forecast, or a fleet's minute, asks cron once a firing.
    """
    known = _AROUND.get((cron, zone))
    if known is not None and known[0] <= now < known[1]:
        return known
    start = datetime.fromtimestamp(now, UTC).astimezone(_zone(zone))
    after = next(t for t in _firings(cron, start) if t > now)
    before = next(t for t in _firings(cron, start + _SLACK, reverse=True) if t <= now)
    if len(_AROUND) >= _KEPT:
        _AROUND.clear()
    _AROUND[cron, zone] = before, after
    return before, after


def _firings(cron: str, start: datetime, *, reverse: bool = False) -> Iterator[float]:
    return (moment.timestamp() for moment in _cron(cron, start, reverse=reverse))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(f"{name!r} is not a time zone; write an IANA name such as Europe/Berlin") from error


def _cron(text: str, start: datetime, *, reverse: bool = False) -> CronSim:
    try:
        return CronSim(text, start, reverse=reverse)
    except CronSimError as error:
        raise SettingsError(f"{text!r} is not a cron expression ({error}); write e.g. `0 9 * * mon-fri`") from error
