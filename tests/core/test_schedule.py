"""Schedules, by the hour and over both daylight saving changes in two zones."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from core.errors import SettingsError
from core.schedule import Schedule, is_on, next_change, next_on, parse

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


def test_people_write_days_and_hours() -> None:
    assert parse("mon-fri 09:00-18:30", BERLIN) == Schedule("0 9 * * mon-fri", "30 18 * * mon-fri", BERLIN)
    assert parse(" Off ", BERLIN) is None


@pytest.mark.parametrize(
    "text", ["", "weekdays 9-18", "mon-fri 9:00", "mon-fri 18:00-09:00", "mon-fri 25:00-26:00", "mum-fri 9:00-18:00"]
)
def test_what_cannot_be_read_is_refused_in_words(text: str) -> None:
    with pytest.raises(SettingsError, match=r"is not a|ends before"):
        parse(text, BERLIN)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"'Mars/Base'.*IANA"):
        Schedule("0 9 * * *", "0 18 * * *", "Mars/Base").check()
