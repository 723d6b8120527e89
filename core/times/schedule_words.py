"""A schedule as people write it in a tag: `mon-fri 09:00-18:00`, `daily 9-17`, `mon-fri 9:00-12:00, 13:00-18:00`.

Days: names or their first three letters, one, several, or from-to (`sat-sun`); `daily`, `weekdays`, `weekends`; without
any it is those of the window before, or daily. Hours: `9`, `09:00`, `9am`, up to `24:00`; a window that ends before it
begins ends on the next day. Between windows stands a comma or a semicolon. What cannot be read is refused with the part
that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from core.errors import SettingsError
from core.times.durations import OFF
from core.times.schedule import SEPARATOR, Schedule

EXAMPLES: Final = "`mon-fri 09:00-18:00`, `daily 8-20`, `sat-sun 10:00-12:00, 14:00-16:00`"
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT: Final = tuple(day[:3] for day in _DAYS)
_GROUPS: Final = {
    "daily": range(7),
    "everyday": range(7),
    "weekday": range(5),
    "workday": range(5),
    "weekend": range(5, 7),
}
_CLOCK: Final = r"(?:\d{1,2}(?:[:.]\d\d|h)?|\d{4})(?: ?[ap]m)?|noon|midnight"
_WINDOW: Final = re.compile(rf"(?P<days>.*?)(?<![\w:.])(?P<start>{_CLOCK}) ?- ?(?P<end>{_CLOCK})(?![\w:.])")
_AT: Final = re.compile(r"(\d{1,2})(?:[:.](\d\d)|h)? ?([ap]m)?")
_BETWEEN_DAYS: Final = re.compile(r"[ ,&+/]+")
_BETWEEN_WINDOWS: Final = ",;&+"
_NOON: Final = 12 * 60
_DAY, _WEEK = 24 * 60, 7 * 24 * 60  # minutes
Window = tuple[int, int]  # minutes since Monday 0:00; the end may be in the week after


def parse(text: str, zone: str) -> Schedule | None:
    """The schedule, or None for `off`. SettingsError: what cannot be read, and what can."""
    words = _plain(text)
    if words == OFF:
        return None
    windows = _merged(list(_windows(words, text)))
    if windows == [(0, _WEEK)]:
        raise SettingsError(
            f"{text!r} covers the whole week, which is no schedule; to keep the host on use `fab pin`, or set the tag "
            "pilotlight:auto-stop to off"
        )
    on = _crons([start for start, _ in windows])
    off = _crons([end for _, end in windows])
    return Schedule(on, off, zone)


def _plain(text: str) -> str:
    """Lower case, one kind of dash and of separator, `to` and `and` as signs."""
    words = re.sub(r"[–—]", "-", " ".join(text.lower().split()))
    words = re.sub(r"\b(?:to|till|until|through)\b", "-", words)
    words = re.sub(r"\bevery day\b|\ball days\b", "daily", words)
    return re.sub(r"\band\b", "&", words)


def _windows(words: str, text: str) -> Iterator[Window]:
    """Every window of every day."""
    days: Sequence[int] | None = None
    rest = words or "nothing"
    while rest:
        match = _WINDOW.match(rest)
        if match is None:
            raise _refused(text, f"{rest!r} has no hours" if days is None else f"{rest!r} is not a window of hours")
        named = match["days"].strip(" :,&")
        days = _days(named, text) if named else (range(7) if days is None else days)
        start, end = _minutes(match["start"], text), _minutes(match["end"], text)
        if end < start <= _NOON and match["start"].isdecimal() and match["end"].isdecimal():  # 9-5
            raise _refused(text, f"{match['start']}-{match['end']} may mean two things; write {_both(start, end)}")
        yield from _on_days(days, start, end, text)
        rest = _after(rest[match.end() :], text)


def _after(rest: str, text: str) -> str:
    """What follows a window, behind its separator."""
    rest = rest.strip()
    if rest and rest[0] not in _BETWEEN_WINDOWS:
        raise _refused(text, f"{rest!r} follows the hours; put a comma between two windows")
    return rest.lstrip(f"{_BETWEEN_WINDOWS} ")


def _both(start: int, end: int) -> str:
    """9-5 in the afternoon, or on the next morning."""
    begin, later, next_day = (f"{m // 60:02}:{m % 60:02}" for m in (start, end + _NOON, end))
    return f"{begin}-{later}, or {begin}-{next_day} if it ends on the next day"


def _on_days(days: Sequence[int], start: int, end: int, text: str) -> Iterator[Window]:
    if start == end:
        raise _refused(text, "it begins and ends at the same time; the whole day is 00:00-24:00")
    if start == _DAY:
        raise _refused(text, "24:00 can only be an end")
    length = end - start if end > start else end - start + _DAY
    for day in days:
        yield day * _DAY + start, day * _DAY + start + length


def _days(named: str, text: str) -> Sequence[int]:
    found: set[int] = set()
    for part in _BETWEEN_DAYS.split(re.sub(r" ?- ?", "-", named)):
        first, dash, last = part.partition("-")
        if dash:
            begin, end = _one_day(first, text), _one_day(last, text)
            found |= {(begin + n) % 7 for n in range((end - begin) % 7 + 1)}
        else:
            found |= set(_GROUPS.get(part.removesuffix("s"), ())) or {_one_day(part, text)}
    return sorted(found)


def _one_day(name: str, text: str) -> int:
    """Its first letters, three at least, and a plural."""
    word = name.removesuffix(".")
    for at, day in enumerate(_DAYS):
        if len(word) >= len("mon") and (day.startswith(word) or word == f"{day}s"):
            return at
    raise _refused(text, f"{name!r} is not a day; days are {', '.join(_SHORT)}, daily, weekdays and weekends")


def _minutes(clock: str, text: str) -> int:
    """Minutes since midnight, 0 to 1440."""
    clock = {"noon": "12:00", "midnight": "24:00"}.get(clock, clock)
    clock = re.sub(r"^(\d\d)(\d\d)\b", r"\1:\2", clock)
    match = _AT.fullmatch(clock)
    assert match is not None, clock  # _WINDOW took it
    hour, minute, half = int(match[1]), int(match[2] or 0), match[3]
    if half and not 1 <= hour <= 12:
        raise _refused(text, f"{clock!r} is not a time of day")
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    if minute > 59 or hour * 60 + minute > _DAY:
        raise _refused(text, f"{clock!r} is not a time of day")
    return hour * 60 + minute


def _merged(windows: list[Window]) -> list[Window]:
    """Without overlaps and seams, so that no window ends where another begins; the whole week is (0, _WEEK)."""
    flat = sorted({(s + shift, e + shift) for s, e in windows for shift in (-_WEEK, 0, _WEEK)})
    joined: list[Window] = []
    for start, end in flat:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    if any(end - start >= _WEEK for start, end in joined):
        return [(0, _WEEK)]
    return [(start, end) for start, end in joined if 0 <= start < _WEEK]


def _crons(moments: list[int]) -> str:
    """Cron expressions that fire at these minutes of the week, one a time of day, in the order of the clock."""
    days: dict[int, set[int]] = {}
    for moment in moments:
        day, minute = divmod(moment % _WEEK, _DAY)
        days.setdefault(minute, set()).add(day)
    return SEPARATOR.join(f"{m % 60} {m // 60} * * {_day_list(sorted(days[m]))}" for m in sorted(days))


def _day_list(days: Sequence[int]) -> str:
    """`*`, `mon-fri`, `sat,sun`."""
    if len(days) == len(_DAYS):
        return "*"
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1 and days[-1] < len(_DAYS) - 1:
        return f"{_SHORT[days[0]]}-{_SHORT[days[-1]]}"
    return ",".join(_SHORT[day] for day in days)


def _refused(text: str, why: str) -> SettingsError:
    return SettingsError(f"{text!r} is not a schedule: {why}; write e.g. {EXAMPLES}, or `{OFF}`")
