"""Points in time as people write and read them: `18:00`, `2026-11-24 18:00`, in a stack's time zone.

Inside the program a moment is seconds since 1970; it becomes words only here, and words become it only here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from core.errors import SettingsError
from core.times.zones import zone as zone_of

EXAMPLES: Final = "18:00 or 2026-11-24 18:00"
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d\d)")
_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d{1,2}):(\d\d)")


def parse(text: str, zone: str, now: float) -> float:
    """The moment that `text` means in `zone`: a time of day is its next one after `now`.

    SettingsError: it is neither a time of day nor a date and time.
    """
    words = text.strip()
    try:
        if match := _CLOCK.fullmatch(words):
            return _next_at(int(match[1]), int(match[2]), zone, now)
        if match := _DATE.fullmatch(words):
            year, month, day, hour, minute = map(int, match.groups())
            return datetime(year, month, day, hour, minute, tzinfo=zone_of(zone)).timestamp()
    except (ValueError, OverflowError) as error:  # 25:00; the last hours of the year 9999
        raise SettingsError(f'"{text}" is not a time ({error}); write e.g. {EXAMPLES}') from error
    raise SettingsError(f'"{text}" is not a time; write e.g. {EXAMPLES}')


def _next_at(hour: int, minute: int, zone: str, now: float) -> float:
    today = local(now, zone).replace(hour=hour, minute=minute, second=0, microsecond=0, fold=0)
    found = today.timestamp()
    return found if found > now else (today + timedelta(days=1)).timestamp()


def local(moment: float, zone: str) -> datetime:
    """The moment on a clock in `zone`. SettingsError: no calendar has it, as after the year 9999."""
    try:
        return datetime.fromtimestamp(moment, UTC).astimezone(zone_of(zone))
    except (ValueError, OverflowError, OSError) as error:
        raise SettingsError(f"{moment:g} s since 1970 is not a time on a calendar ({error})") from error


def midnight(moment: float, zone: str) -> float:
    """When the day of `moment` began in `zone`."""
    return local(moment, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0).timestamp()


def next_midnight(moment: float, zone: str = "UTC") -> float:
    """When the day after the one of `moment` begins in `zone`."""
    today = local(moment, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return (today + timedelta(days=1)).timestamp()


def first_of_month(moment: float) -> float:
    """When the month of `moment` began in UTC, as on AWS's bill."""
    return datetime.fromtimestamp(midnight(moment, "UTC"), UTC).replace(day=1).timestamp()


def next_month(moment: float) -> float:
    """When the month after the one of `moment` begins in UTC."""
    return first_of_month(first_of_month(moment) + 32 * 86400.0)


def show(moment: float, zone: str) -> str:
    """`Mon 23 Nov 09:00`, on a clock in `zone`."""
    return f"{day(moment, zone)} {clock(moment, zone)}"


def iso(moment: float, zone: str) -> str:
    """`2026-11-23T09:00:00+01:00`, for programs."""
    return local(moment, zone).isoformat(timespec="seconds")


def with_year(moment: float, zone: str) -> str:
    """`Mon 23 Nov 2026 09:00`."""
    return f"{local(moment, zone):%a %d %b %Y %H:%M}"


def day(moment: float, zone: str) -> str:
    """`Mon 23 Nov`."""
    return f"{local(moment, zone):%a %d %b}"


def clock(moment: float, zone: str) -> str:
    """`09:00`."""
    return f"{local(moment, zone):%H:%M}"
