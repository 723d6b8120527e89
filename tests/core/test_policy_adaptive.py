"""The adaptive idle time: its bound on every single pause, what it learns, and when it starts ahead."""

from __future__ import annotations

import itertools
import math
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.policy import adaptive
from core.policy.adaptive import LAMBDA, TICK_S, Ahead, Pause, Stake, ahead, clamp, cost_s, stop_after_s

ZONE = "Europe/Berlin"
MONDAY = datetime(2026, 11, 2, tzinfo=ZoneInfo(ZONE)).timestamp()
DAY = 86400.0
BOUND = 1 + 1 / LAMBDA  # 3
STAKE = Stake(180.0, 6000.0)

stakes = st.builds(Stake, st.floats(60, 900), st.floats(0, 50_000))
lengths = st.floats(1, 5 * DAY)


def pauses(seconds: list[float], work_s: float = 600.0) -> list[Pause]:
    """One pause after the other, with so much work between."""
    found, at = list[Pause](), MONDAY
    for length in seconds:
        found.append(Pause(at, at + length))
        at += length + work_s
    return found


def played_s(pause: Pause, idle_s: float, start: Ahead | None, stake: Stake) -> float:
    """What a pause costs in seconds of the host's price, with a start ahead in it or none."""
    length = pause.length_s
    if length <= idle_s:
        return length
    if start is None or pause.ended <= start.start_at:
        return idle_s + stake.b_s
    ready = start.start_at + stake.start_s
    if pause.ended < ready:  # it is on its way: for the rest of the start somebody waits
        return idle_s + stake.start_s + stake.waiting_s * (ready - pause.ended) / stake.start_s
    held = min(pause.ended, start.until) - ready
    missed = stake.b_s if pause.ended > start.until else 0.0
    return idle_s + stake.start_s + held + missed


@settings(derandomize=True)
@given(length=lengths, stake=stakes)
def test_the_ski_rental_rule_never_costs_more_than_twice_what_the_clairvoyant_pays(length: float, stake: Stake) -> None:
    assert cost_s(length, stake.b_s, stake.b_s) <= 2 * min(length, stake.b_s) * (1 + 1e-9)


@settings(derandomize=True)
@given(length=lengths, idle_s=st.floats(0, 10 * DAY), stake=stakes)
def test_a_clamped_idle_time_never_costs_more_than_three_times(length: float, idle_s: float, stake: Stake) -> None:
    clamped = clamp(idle_s, stake.b_s)
    assert cost_s(length, clamped, stake.b_s) <= BOUND * min(length, stake.b_s) * (1 + 1e-9)


def test_both_bounds_are_reached_so_they_cannot_be_tighter() -> None:
    b_s = STAKE.b_s
    just_over = b_s * (1 + 1e-9)
    assert cost_s(just_over, b_s, b_s) / min(just_over, b_s) == pytest.approx(2)
    just_over = LAMBDA * b_s * (1 + 1e-9)
    assert cost_s(just_over, clamp(0, b_s), b_s) / just_over == pytest.approx(BOUND)


# A mix of any lengths and of days that are alike, so that windows are found.
mixes = st.lists(lengths, max_size=25) | st.builds(
    lambda night, spread: [night + s for s in spread],
    st.floats(10 * 3600, 23 * 3600),
    st.lists(st.floats(0, 7200), min_size=8, max_size=25),
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(seconds=mixes, stake=stakes, work_s=st.sampled_from([60.0, 3600.0, 9 * 3600.0]))
def test_on_every_single_pause_the_rule_keeps_the_bound_with_starts_ahead_too(
    seconds: list[float], stake: Stake, work_s: float
) -> None:
    past = pauses(seconds, work_s)
    for number, pause in enumerate(past):
        idle_s = stop_after_s(past[:number], stake, pause.began, ZONE)
        start = ahead(past[:number], stake, pause.began, pause.began + idle_s, ZONE)
        if start is not None:
            assert start.start_at >= pause.began + max(stake.b_s, idle_s)
        clairvoyant = min(pause.length_s, stake.b_s)
        assert played_s(pause, idle_s, start, stake) <= BOUND * clairvoyant + 1e-6


def test_memoryless_pauses_of_mean_b_cost_any_rule_1_58_times_the_clairvoyant() -> None:
    b_s = STAKE.b_s
    drawn = np.random.default_rng(5).exponential(b_s, 400_000)
    clairvoyant = np.minimum(drawn, b_s).mean()
    for idle_s in (LAMBDA * b_s, b_s, b_s / LAMBDA):
        cost = np.where(drawn <= idle_s, drawn, idle_s + b_s).mean()
        assert cost / clairvoyant == pytest.approx(1 / (1 - 1 / math.e), rel=0.01)


def test_nothing_known_is_b() -> None:
    assert stop_after_s([], STAKE, MONDAY, ZONE) == STAKE.b_s
    assert stop_after_s(pauses([4000.0] * 3), STAKE, MONDAY, ZONE) == STAKE.b_s


def test_short_pauses_make_it_wait_longer_and_long_ones_stop_sooner() -> None:
    b_s = STAKE.b_s
    assert stop_after_s(pauses([1.4 * b_s] * 8), STAKE, MONDAY, ZONE) >= 1.4 * b_s
    assert stop_after_s(pauses([20 * b_s] * 8), STAKE, MONDAY, ZONE) == LAMBDA * b_s


def test_it_goes_by_the_time_of_day() -> None:
    """At noon everybody comes back after two and a half hours, in the evening not before the next day."""
    past = list[Pause]()
    for day in range(8):
        noon, evening = MONDAY + day * DAY + 12 * 3600, MONDAY + day * DAY + 18 * 3600
        past += [Pause(noon, noon + 2.5 * 3600), Pause(evening, evening + 14 * 3600)]
    assert stop_after_s(past, STAKE, MONDAY + 9 * DAY + 12.5 * 3600, ZONE) >= 2.5 * 3600
    assert stop_after_s(past, STAKE, MONDAY + 9 * DAY + 18.5 * 3600, ZONE) == LAMBDA * STAKE.b_s


ANY_HOUR = (0, 7.3, 2.9, 13.1, 17.7, 5.3, 10.9, 19.2, 15.0, 8.8)  # h, no two near each other


def nights(count: int, *, weekends: bool = True, late: tuple[float, ...] = (0,)) -> list[Pause]:
    """A job at two in the morning, or so many hours late, so many nights."""
    jobs = [MONDAY + n * DAY + 2 * 3600 + late[n % len(late)] * 3600 for n in range(count)]
    jobs = [at for n, at in enumerate(jobs) if weekends or n % 7 < 5]
    return [Pause(one + 1800, other) for one, other in itertools.pairwise(jobs)]


def test_it_is_ready_before_a_job_that_comes_every_night() -> None:
    past = nights(10)
    began = past[-1].ended + 1800
    start = ahead(past, STAKE, began, began + 3600, ZONE)
    job = MONDAY + 10 * DAY + 2 * 3600
    assert start == Ahead(job - STAKE.start_s - TICK_S, job + TICK_S)


def test_it_knows_the_weekdays_after_two_weeks() -> None:
    past = nights(20, weekends=False)  # the last job was on a Friday
    began = past[-1].ended + 1800
    start = ahead(past, STAKE, began, began + 3600, ZONE)
    assert start is not None
    assert start.until == MONDAY + 21 * DAY + 2 * 3600 + TICK_S


def test_it_keeps_the_clocks_time_when_daylight_saving_ends() -> None:
    jobs = [datetime(2026, 10, day, 7, tzinfo=ZoneInfo(ZONE)).timestamp() for day in range(16, 25)]
    past = [Pause(one + 1800, other) for one, other in itertools.pairwise(jobs)]
    start = ahead(past, STAKE, jobs[-1] + 1800, jobs[-1] + 5400, ZONE)
    assert start is not None
    assert start.until == datetime(2026, 10, 25, 7, tzinfo=ZoneInfo(ZONE)).timestamp() + TICK_S


def test_it_does_not_start_ahead_where_nothing_is_sharp_or_waiting_costs_nothing() -> None:
    cheap = Stake(180.0, 300.0)
    for late, starts in ((ANY_HOUR, False), ((0,), True)):
        past = nights(10, late=late)
        began = past[-1].ended + 1800
        assert (ahead(past, cheap, began, began + 480, ZONE) is not None) is starts
        assert ahead(past, Stake(180.0, 0.0), began, began + 180, ZONE) is None
    assert ahead([], STAKE, MONDAY, MONDAY + 3600, ZONE) is None


def test_only_the_last_pauses_count() -> None:
    past = pauses([0.9 * STAKE.b_s] * 4 * adaptive.KEPT)
    later = [Pause(p.began + 400 * DAY, p.began + 400 * DAY + 20 * STAKE.b_s) for p in past[: adaptive.KEPT]]
    assert stop_after_s(past, STAKE, MONDAY, ZONE) >= 0.9 * STAKE.b_s
    assert stop_after_s([*past, *later], STAKE, MONDAY, ZONE) == LAMBDA * STAKE.b_s


def test_midnight_is_no_border_of_the_time_of_day() -> None:
    """What begins at half past eleven and at half past midnight is alike; noon's pauses, which are more, are not."""
    past = list[Pause]()
    for day in range(6):
        late, noon = MONDAY + day * DAY + 23.5 * 3600, MONDAY + day * DAY + 12 * 3600
        past += [Pause(noon, noon + 0.9 * STAKE.b_s)] * 4
        past += [Pause(late, late + 20 * STAKE.b_s)]
    assert stop_after_s(past, STAKE, MONDAY + 9 * DAY + 0.5 * 3600, ZONE) == LAMBDA * STAKE.b_s


@pytest.mark.parametrize(("hits", "starts"), [(3, False), (7, True)])
def test_days_without_an_end_in_the_window_count_against_it(hits: int, starts: bool) -> None:
    """Of seven days so many had the job at two; on the others somebody came at any hour."""
    jobs = [MONDAY + n * DAY + 2 * 3600 + (0 if n % 8 < hits else ANY_HOUR[n % 10] * 3600) for n in range(8)]
    past = [Pause(one + 600, other) for one, other in itertools.pairwise(jobs)]
    cheap = Stake(180.0, 300.0)
    assert (ahead(past, cheap, jobs[-1] + 600, jobs[-1] + 1080, ZONE) is not None) is starts
