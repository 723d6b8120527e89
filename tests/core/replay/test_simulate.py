"""The quick replay says what the reaper's own rules would have done, minute by minute."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.errors import SettingsError
from core.replay import trace
from core.replay.simulate import Fixed, Outcome, replay
from core.replay.trace import Trace
from core.times.schedule import Schedule
from tests.core.replay.minute_by_minute import SlowHost
from tests.samples import unit_settings

ZONE = "Europe/Berlin"
BEGIN = datetime(2026, 11, 20, 5, tzinfo=ZoneInfo(ZONE)).timestamp()  # a Friday
LONG_S = 8 * 3600
HOURS = Schedule("0 9 * * mon-fri", "0 11 * * mon-fri", ZONE)


def made(requests: list[tuple[int, int]], callers: list[int] | None = None, until_s: float = LONG_S) -> Trace:
    """A trace of (seconds after the begin, duration)."""
    at, takes = (np.array([r[n] for r in requests], dtype=float) for n in (0, 1))
    who = None if callers is None else np.array(callers)
    return trace.of(BEGIN + at, takes, who, since=BEGIN, until=BEGIN + until_s)


requests_lists = st.lists(st.tuples(st.integers(0, LONG_S - 1), st.integers(1, 900)), max_size=14)
# Visits that come close after each other: a host flaps.
visits = st.builds(
    lambda begin, every, count: [(begin + n * every, 20) for n in range(count) if begin + n * every < LONG_S],
    st.integers(0, LONG_S // 2),
    st.integers(200, 1500),
    st.integers(3, 12),
)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    requests=requests_lists | visits,
    limit_s=st.sampled_from([60, 90, 300, 900, 1800, 5400, None]),
    start_s=st.sampled_from([60, 180, 200]),
    hours=st.sampled_from([None, HOURS, Schedule("30 5 * * *", "0 6 * * *; 0 12 * * *", ZONE)]),
)
@example(requests=[(n * 600, 20) for n in range(12)], limit_s=300, start_s=180, hours=None)  # it flaps
@example(requests=[(0, 1), (62, 1)], limit_s=60, start_s=180, hours=None)  # a pause within the start
@example(requests=[], limit_s=300, start_s=180, hours=HOURS)  # the schedule alone
@example(requests=[(4 * 3600 - 100, 10)], limit_s=300, start_s=180, hours=HOURS)  # while the schedule warms it up
def test_quick_and_slow_replays_agree(
    requests: list[tuple[int, int]], limit_s: int | None, start_s: int, hours: Schedule | None
) -> None:
    told = made(requests)
    slow = SlowHost(
        told,
        unit_settings(
            stop_after_s=limit_s,
            schedule_on=hours.on if hours else "",
            schedule_off=hours.off if hours else "",
            time_zone=ZONE,
            max_lease_s=0.0,
            hard_cap_s=0.0,
            start_timeout_s=900.0,
            monthly_budget_usd=None,
        ),
        start_s,
    )
    slow.run()
    quick = replay(told, Fixed(limit_s), start_s=start_s, schedule=hours, start_timeout_s=900.0)
    assert [(i.start - BEGIN, i.end - BEGIN) for i in quick.on] == [(a - BEGIN, b - BEGIN) for a, b in slow.on]
    assert quick.waits_s.tolist() == slow.waits
    assert quick.requests == len(requests)


def one(requests: list[tuple[int, int]], callers: list[int] | None = None) -> Outcome:
    return replay(made(requests, callers), Fixed(600.0), start_s=180.0)


def test_who_comes_while_it_starts_waits_for_the_rest_of_the_start() -> None:
    outcome = one([(100, 10), (160, 10), (279, 10), (280, 10), (900, 10)])
    assert outcome.waits_s.tolist() == [180, 120, 1]
    assert [(i.start - BEGIN, i.end - BEGIN) for i in outcome.on] == [(100, 1560)]  # 910 + 600, the next whole minute
    assert (outcome.cold_hits, outcome.on_s) == (3, 1460)


def test_a_caller_who_waits_with_several_requests_waits_once() -> None:
    assert one([(100, 10), (160, 10), (279, 10)], callers=[7, 7, 3]).waiting_s == 181
    assert one([(100, 10), (160, 10), (279, 10)]).waiting_s == 301  # not known whose: each is somebody else's


def test_percentiles_are_of_all_requests() -> None:
    waits = np.array([10.0, 30.0, 20.0, 40.0])
    outcome = Outcome((), waits, float(waits.sum()), 8)
    assert [outcome.wait_s(p) for p in (50, 51, 75, 95, 100)] == [0, 10, 20, 40, 40]
    assert Outcome((), waits[:0], 0.0, 0).wait_s(95) == 0


def test_a_log_of_minutes_says_nothing_about_a_month() -> None:
    with pytest.raises(SettingsError, match="within 600s: a replay needs an hour at least"):
        made([(1, 1)], until_s=600)
