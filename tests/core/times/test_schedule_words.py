"""Schedules as people write them: understood, or refused in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SettingsError
from core.times.schedule import Schedule, is_on
from core.times.schedule_words import parse

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@pytest.mark.parametrize(
    ("text", "on", "off"),
    [
        ("mon-fri 09:00-18:30", "0 9 * * mon-fri", "30 18 * * mon-fri"),
        ("sat-sun 10:00-12:00", "0 10 * * sat,sun", "0 12 * * sat,sun"),
        ("fri-mon 8-9", "0 8 * * mon,fri,sat,sun", "0 9 * * mon,fri,sat,sun"),
        ("daily 9-17", "0 9 * * *", "0 17 * * *"),
        ("every day 9-17", "0 9 * * *", "0 17 * * *"),
        ("09:00-18:00", "0 9 * * *", "0 18 * * *"),
        ("Monday-Friday 09:00 - 18:00", "0 9 * * mon-fri", "0 18 * * mon-fri"),
        ("Mon to Fri 9 to 18", "0 9 * * mon-fri", "0 18 * * mon-fri"),
        ("weekdays 09:00–17:30", "0 9 * * mon-fri", "30 17 * * mon-fri"),
        ("weekend 9am-5pm", "0 9 * * sat,sun", "0 17 * * sat,sun"),
        ("mondays 12am-12pm", "0 0 * * mon", "0 12 * * mon"),
        ("mon,wed,fri 0900-1800", "0 9 * * mon,wed,fri", "0 18 * * mon,wed,fri"),
        ("tue/thu 9-12", "0 9 * * tue,thu", "0 12 * * tue,thu"),
        ("mon-fri 12:00-24:00", "0 12 * * mon-fri", "0 0 * * tue-sat"),
        ("mon-fri noon-midnight", "0 12 * * mon-fri", "0 0 * * tue-sat"),
        ("mon-fri 22:00-06:00", "0 22 * * mon-fri", "0 6 * * tue-sat"),
        ("sun 22-2", "0 22 * * sun", "0 2 * * mon"),
        ("mon-fri 9:00-12:00, 13:00-18:00", "0 9 * * mon-fri; 0 13 * * mon-fri", "0 12 * * mon-fri; 0 18 * * mon-fri"),
        ("mon-fri 9:00-12:00; sat 10-12", "0 9 * * mon-fri; 0 10 * * sat", "0 12 * * mon-sat"),
        ("mon and tue 9-10 and 11-12", "0 9 * * mon,tue; 0 11 * * mon,tue", "0 10 * * mon,tue; 0 12 * * mon,tue"),
        ("mon-fri 9-13, 13-18", "0 9 * * mon-fri", "0 18 * * mon-fri"),  # no end where another begins
        ("mon-thu 18:00-24:00, fri-sun 00:00-24:00", "0 18 * * mon-thu", "0 0 * * mon-thu"),
        ("mon-fri 00:00-24:00", "0 0 * * mon", "0 0 * * sat"),
    ],
)
def test_people_write_days_and_hours(text: str, on: str, off: str) -> None:
    assert parse(text, "Europe/Berlin") == Schedule(on, off, "Europe/Berlin")


def test_off_is_no_schedule() -> None:
    assert parse(" Off ", "UTC") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has no hours"),
        ("always", "'always' has no hours"),
        ("mon-fri", "'mon-fri' has no hours"),
        ("mon-fri 9:00", "has no hours"),
        ("mum-fri 9:00-18:00", "'mum' is not a day; days are mon"),
        ("1-5 9-18", "'9-18' follows the hours"),
        ("m-f 9-18", "'m' is not a day"),
        ("0 9 * * 1-5", "is not a day"),
        ("9-18 mon-fri", "'mon-fri' follows the hours"),
        ("mon-fri 9-18 Europe/Berlin", "'europe/berlin' follows the hours"),
        ("mon-fri 25:00-26:00", "'25:00' is not a time of day"),
        ("mon-fri 9:60-10:00", "'9:60' is not a time of day"),
        ("mon-fri 24:30-25:00", "'24:30' is not a time of day"),
        ("mon 13pm-14pm", "'13pm' is not a time of day"),
        ("mon-fri 9:00-9:00", "the same time"),
        ("mon-fri 24:00-02:00", "24:00 can only be an end"),
        ("mon-fri 9-5", "write 09:00-17:00, or 09:00-05:00 if it ends on the next day"),
        ("mon-fri 9-18, lunch", "is not a window of hours"),
        ("daily 00:00-24:00", "covers the whole week"),
        ("mon-sun 8:00-20:00, 20:00-8:00", "covers the whole week"),
    ],
)
def test_what_cannot_be_read_is_refused_in_its_own_words(text: str, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(text, "UTC")
    assert str(refused.value).startswith(repr(text))
    assert why in str(refused.value)


@given(st.text(max_size=60) | st.from_regex(r"[a-z]{1,9}[ ,-]{1,2}[0-9:.apm ]{1,9}-[0-9:. ]{1,9}", fullmatch=True))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse(text, "UTC")
    except SettingsError:
        return
    if found is not None:
        found.check()


WINDOWS = st.lists(
    st.tuples(
        st.sets(st.sampled_from(range(7)), min_size=1), st.integers(0, 95), st.integers(1, 96)
    ),  # days, start, length in quarters of an hour
    min_size=1,
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(WINDOWS)
def test_a_quarter_of_an_hour_is_on_where_a_window_has_it(windows: list[tuple[set[int], int, int]]) -> None:
    quarters, text = set[int](), list[str]()
    for days, start, length in windows:
        end = start + length if start + length <= 96 else (start + length) % 96
        if end == start:
            return
        text.append(f"{','.join(DAYS[d] for d in sorted(days))} {_clock(start)}-{_clock(end)}")
        quarters |= {(day * 96 + start + n) % 672 for day in days for n in range(length)}
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    if len(quarters) == 672:
        with pytest.raises(SettingsError, match="whole week"):
            parse("; ".join(text), "UTC")
        return
    schedule = parse("; ".join(text), "UTC")
    assert schedule is not None
    on = {n for n in range(672) if is_on(schedule, (monday + timedelta(minutes=15 * n)).timestamp())}
    assert on == quarters


def _clock(quarter: int) -> str:
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"
