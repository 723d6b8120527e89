"""Points in time, written and read on a stack's clock."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from core.errors import SettingsError
from core.times import moments

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("text", "now", "means"),
    [
        ("18:00", "2026-11-20T12:00", "2026-11-20T18:00"),
        ("18:00", "2026-11-20T18:00", "2026-11-21T18:00"),  # the next one
        ("9:05", "2026-11-20T12:00", "2026-11-21T09:05"),
        ("18:00", "2026-10-24T19:00", "2026-10-25T18:00"),  # over the change: 24 hours and one
        ("18:00", "2026-03-28T19:00", "2026-03-29T18:00"),
        (" 2026-11-24 18:00 ", "2026-11-20T12:00", "2026-11-24T18:00"),
        ("2026-11-24T18:00", "2026-11-20T12:00", "2026-11-24T18:00"),
    ],
)
def test_what_a_text_means(text: str, now: str, means: str) -> None:
    assert moments.parse(text, BERLIN, at(now)) == at(means)


@pytest.mark.parametrize("text", ["", "6pm", "25:00", "18:60", "2026-13-01 10:00", "tomorrow", "18"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SettingsError, match=r"is not a time.*write e\.g\. 18:00"):
        moments.parse(text, BERLIN, at("2026-11-20T12:00"))


def test_shown_on_the_clock_of_the_zone() -> None:
    noon = at("2026-11-23T12:00")
    assert moments.show(noon, BERLIN) == "Mon 23 Nov 12:00"
    assert moments.show(noon, "UTC") == "Mon 23 Nov 11:00"


def test_where_days_and_months_begin() -> None:
    assert moments.midnight(at("2026-11-23T12:00"), BERLIN) == at("2026-11-23T00:00")
    assert moments.midnight(at("2026-10-25T12:00"), BERLIN) == at("2026-10-25T00:00")
    assert moments.first_of_month(at("2026-11-23T12:00")) == at("2026-11-01T00:00", "UTC")


@pytest.mark.parametrize("moment", [1e12, -1e12, 1e300, float("inf"), float("nan")])
def test_a_moment_that_no_calendar_has_is_our_error(moment: float) -> None:
    for words in (moments.show, moments.iso, moments.with_year, moments.midnight):
        with pytest.raises(SettingsError, match="is not a time on a calendar"):
            words(moment, "Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "zone"), [("9999-12-31 23:59", "America/New_York"), ("0001-01-01 00:00", "Asia/Tokyo")]
)
def test_the_ends_of_the_calendar_are_read_or_refused(text: str, zone: str) -> None:
    try:
        moments.show(moments.parse(text, zone, 0.0), zone)
    except SettingsError as refused:
        assert "is not a time" in str(refused)  # noqa: PT017  # either is right; anything else fails the test
