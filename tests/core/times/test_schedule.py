"""Schedules, by the hour and over both daylight saving changes in two zones."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SettingsError
from core.times import zones
from core.times.schedule import Schedule, is_on, next_change, next_on

BERLIN = "Europe/Berlin"
NEW_YORK = "America/New_York"


def at(text: str, zone: str = BERLIN, *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


OFFICE = Schedule("0 9 * * mon-fri", "0 18 * * mon-fri", BERLIN)


@pytest.mark.parametrize(
    ("when", "on"),
    [
        ("2026-11-20T08:59:59", False),  # a Friday
        ("2026-11-20T09:00:00", True),
        ("2026-11-20T09:00:00.500000", True),
        ("2026-11-20T17:59:59", True),
        ("2026-11-20T18:00:00", False),
        ("2026-11-21T12:00:00", False),  # Saturday
        ("2026-11-23T09:00:00", True),  # Monday
    ],
)
def test_office_hours(when: str, on: bool) -> None:
    assert is_on(OFFICE, at(when)) is on


def test_the_next_change_is_the_next_firing_of_the_other_kind() -> None:
    assert next_change(OFFICE, at("2026-11-20T12:00:00")) == at("2026-11-20T18:00:00")
    assert next_change(OFFICE, at("2026-11-20T18:00:00")) == at("2026-11-23T09:00:00")
    assert next_on(OFFICE, at("2026-11-20T09:00:00")) == at("2026-11-23T09:00:00")


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (BERLIN, "2026-03-29", 8),  # 2:00 becomes 3:00: an hour shorter
        (BERLIN, "2026-10-25", 10),  # 3:00 becomes 2:00: an hour longer
        (NEW_YORK, "2026-03-08", 8),
        (NEW_YORK, "2026-11-01", 10),
        (BERLIN, "2026-11-20", 9),
    ],
)
def test_a_day_of_nine_hours_over_a_change(zone: str, day: str, hours: int) -> None:
    nights = Schedule("0 0 * * *", "0 9 * * *", zone)
    begins, ends = at(f"{day}T00:00:00", zone), at(f"{day}T09:00:00", zone)
    assert ends - begins == hours * 3600
    assert next_change(nights, begins) == ends
    assert [is_on(nights, t) for t in (begins - 1, begins, ends - 1, ends)] == [False, True, True, False]


def test_a_time_that_spring_skips_fires_at_the_change() -> None:
    night = Schedule("30 2 * * *", "0 6 * * *", BERLIN)
    change = at("2026-03-29T03:00:00")
    assert next_on(night, at("2026-03-29T00:00:00")) == change
    assert [is_on(night, t) for t in (change - 1, change)] == [False, True]


def test_a_time_that_autumn_repeats_fires_once() -> None:
    night = Schedule("30 2 * * *", "0 6 * * *", BERLIN)
    first, second = at("2026-10-25T02:30:00"), at("2026-10-25T02:30:00", fold=1)
    assert next_on(night, at("2026-10-25T00:00:00")) == first
    assert next_on(night, first) == at("2026-10-26T02:30:00")
    assert [is_on(night, t) for t in (first - 1, first, second - 1, second)] == [False, True, True, True]


def test_in_the_repeated_hour_the_past_stays_past() -> None:
    """2:15 the second time: the firing of 2:30 was half an hour ago, whatever the wall clock says."""
    night = Schedule("30 2 * * *", "0 6 * * *", BERLIN)
    again = at("2026-10-25T02:15:00", fold=1)
    assert is_on(night, again)
    assert next_on(night, again) == at("2026-10-26T02:30:00")


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"'Mars/Base'.*IANA"):
        Schedule("0 9 * * *", "0 18 * * *", "Mars/Base").check()


# ---------------------------------------------------------------- two firings at one instant
@pytest.mark.parametrize(
    ("on", "off", "is_on_then"),
    [
        ("0 3 * * *", "0 2 * * *", True),  # the stop of 2:00 was skipped, the start of 3:00 is the later one
        ("0 2 * * *", "0 3 * * *", False),
        ("45 2 * * *", "30 2 * * *", True),  # both skipped
        ("30 2 * * *", "45 2 * * *", False),
        ("30 2 * * *", "30 2 * * *", False),  # the same: it costs nothing
        ("0 3 * * *", "0 3 * * *", False),
        ("15 2 * * *; 0 3 * * *", "30 2 * * *", True),
    ],
)
def test_where_spring_puts_two_firings_at_one_instant_the_later_one_by_the_clock_counts(
    on: str, off: str, is_on_then: bool
) -> None:
    schedule, change = Schedule(on, off, BERLIN), at("2027-03-28T03:00:00")
    assert is_on(schedule, change) is is_on_then
    assert is_on(schedule, change + 3599) is is_on_then


def test_a_firing_that_another_undoes_at_once_is_no_change() -> None:
    schedule = Schedule("0 3 * * *", "0 2 * * *", BERLIN)
    before = at("2027-03-28T01:00:00")
    assert is_on(schedule, before)
    assert next_change(schedule, before) == at("2027-03-29T02:00:00")
    assert next_on(Schedule("0 2 * * *", "0 3 * * *", BERLIN), before) == at("2027-03-29T02:00:00")


def test_expressions_that_are_equal_never_turn_on_and_never_hang() -> None:
    schedule = Schedule("0 9 * * *", "0 9 * * *", BERLIN)
    now = at("2026-11-20T12:00:00")
    assert not is_on(schedule, now)
    assert next_change(schedule, now) > now


@functools.cache
def changes(zone: str) -> tuple[float, ...]:
    """When the clocks of a zone change from 2026 to 2028 (s), found minute by minute between half days that differ."""
    clock, found = zones.zone(zone), []
    half_days = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=12 * n) for n in range(3 * 365 * 2)]
    for one, other in itertools.pairwise(half_days):
        if one.astimezone(clock).utcoffset() != other.astimezone(clock).utcoffset():
            minutes = (one + timedelta(minutes=n) for n in range(721))
            before = one.astimezone(clock).utcoffset()
            found.append(next(m for m in minutes if m.astimezone(clock).utcoffset() != before).timestamp())
    return tuple(found)


def fires(clock: tuple[int, int], zone: str, days: list[date]) -> Iterator[tuple[float, datetime]]:
    """Instant and time on the wall: a skipped time fires at the change, a repeated one the first time."""
    for day in days:
        wall = datetime(day.year, day.month, day.day, *clock)
        instant = wall.replace(tzinfo=zones.zone(zone)).timestamp()
        back = datetime.fromtimestamp(instant, UTC).astimezone(zones.zone(zone)).replace(tzinfo=None)
        yield (instant if back == wall else max(c for c in changes(zone) if c <= instant)), wall


ZONES_THAT_CHANGE = [z for z in sorted(zones.names()) if z.count("/") and not z.startswith("Etc/")]
NEAR = st.integers(-150, 150)  # minutes around the change


@settings(max_examples=200, deadline=None)
@given(zone=st.sampled_from(ZONES_THAT_CHANGE), which=st.integers(0, 9), on=NEAR, off=NEAR, look=NEAR)
def test_around_every_change_of_every_zone_the_latest_firing_counts(
    zone: str, which: int, on: int, off: int, look: int
) -> None:
    there = changes(zone) or (datetime(2027, 3, 28, 1, tzinfo=UTC).timestamp(),)
    change = there[which % len(there)]
    wall = datetime.fromtimestamp(change, UTC).astimezone(zones.zone(zone)).replace(tzinfo=None)
    begins, ends = wall + timedelta(minutes=on), wall + timedelta(minutes=off)
    days = [wall.date() + timedelta(days=n) for n in range(-3, 4)]
    events = [(*event, 1) for event in fires((begins.hour, begins.minute), zone, days)]
    events += [(*event, 0) for event in fires((ends.hour, ends.minute), zone, days)]
    if begins.time() == ends.time():
        events = [event for event in events if not event[2]]
    events.sort()
    schedule = Schedule(f"{begins.minute} {begins.hour} * * *", f"{ends.minute} {ends.hour} * * *", zone)
    now = change + 60 * look
    for moment in (now, change - 1, change, change + 1):
        assert is_on(schedule, moment) is bool([e for e in events if e[0] <= moment][-1][2]), moment
    if begins.time() != ends.time():
        after = [e for e in events if e[0] > now]
        states = [(t, bool([e for e in events if e[0] <= t][-1][2])) for t in sorted({e[0] for e in after})]
        assert next_change(schedule, now) == next(t for t, state in states if state is not is_on(schedule, now))
