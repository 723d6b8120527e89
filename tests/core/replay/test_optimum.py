"""The clairvoyant: no policy costs less, and trying every choice finds nothing better."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.replay import loads
from core.replay.advice import IDLE_MINUTES, Setting, Terms, references, results
from core.replay.optimum import clairvoyant
from core.replay.simulate import TICK_S, Adaptive, Fixed, IdleRule, Outcome, replay
from core.replay.trace import Trace
from tests.core.replay.test_simulate import BEGIN, HOURS, LONG_S, ZONE, made, requests_lists

START_S = 180.0
PRICES = st.sampled_from([0.0, 0.5, 1.0, 20.0])  # seconds of the host's price that a second of waiting costs


def cost_s(outcome: Outcome, price: float) -> float:
    return sum(i.end - i.start for i in outcome.on) + price * outcome.waiting_s


def every_choice(trace: Trace, price: float, *, ahead: bool) -> float:
    """The least cost of all ways to stop, start when asked or start ahead, each reckoned request by request."""
    stops = {int(n) for n in trace.before_pauses(TICK_S)}
    most = len(stops)
    best = math.inf
    for choice in itertools.product(("stay", "stop", "ahead") if ahead else ("stay", "stop"), repeat=most):
        for first in ("stop", "ahead") if ahead else ("stop",):
            done = dict(zip(sorted(stops), choice, strict=True))
            best = min(best, reckoned(trace, price, done, first))
    return best


def reckoned(trace: Trace, price: float, done: dict[int, str], first: str) -> float:
    cost, on_since, ready, busy = 0.0, math.nan, -math.inf, BEGIN
    waiting: dict[int, float] = {}
    off = first
    for number, (at, takes, who) in enumerate(
        zip(trace.arrivals.tolist(), trace.durations.tolist(), trace.callers.tolist(), strict=True)
    ):
        if off:
            if off == "ahead" and at - busy < START_S:
                return math.inf
            on_since = at - START_S if off == "ahead" else at
            ready = on_since + START_S
            waiting, off = {}, ""
        if at < ready and who not in waiting:
            waiting[who] = ready - at
            cost += price * (ready - at)
        busy = max(busy, max(at, ready) + takes)
        later = trace.arrivals[number + 1] if number + 1 < len(trace.arrivals) else math.inf
        if busy < later and done.get(number, "stop" if later == math.inf else "stay") != "stay":
            off = done.get(number, "stop")
            cost += min(busy, trace.until) - on_since
    return cost


short_lists = st.lists(st.tuples(st.integers(0, 6000), st.integers(1, 300)), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(requests=short_lists, price=PRICES, ahead=st.booleans())
def test_it_is_what_trying_every_choice_finds(requests: list[tuple[int, int]], price: float, ahead: bool) -> None:
    trace = made(requests)
    assert clairvoyant(trace, start_s=START_S, waiting_price=price, ahead=ahead) == pytest.approx(
        every_choice(trace, price, ahead=ahead)
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(requests=requests_lists.filter(bool), price=PRICES, limit_s=st.sampled_from([60.0, 300.0, 3600.0, None]))
def test_no_idle_time_costs_less_and_none_more_than_always_on_and_its_starts(
    requests: list[tuple[int, int]], price: float, limit_s: float | None
) -> None:
    trace = made(requests)
    outcome = replay(trace, Fixed(limit_s), start_s=START_S)
    cost = cost_s(outcome, price)
    least = clairvoyant(trace, start_s=START_S, waiting_price=price)
    assert least <= cost + 1e-6
    assert cost <= LONG_S + len(outcome.on) * START_S + price * outcome.waiting_s + 1e-6
    assert clairvoyant(trace, start_s=START_S, waiting_price=price, ahead=True) <= least + 1e-6


@settings(max_examples=30, deadline=None, derandomize=True)
@given(requests=requests_lists.filter(bool), price=st.sampled_from([0.0, 1.0, 20.0]), adapts=st.booleans())
def test_who_may_start_ahead_is_beaten_by_no_schedule_and_no_forecast(
    requests: list[tuple[int, int]], price: float, adapts: bool
) -> None:
    trace = made(requests)
    rule: IdleRule = Adaptive(START_S, price, ZONE) if adapts else Fixed(300.0)
    outcome = replay(trace, rule, start_s=START_S, schedule=None if adapts else HOURS)
    least = clairvoyant(trace, start_s=START_S, waiting_price=price, ahead=True)
    assert least <= cost_s(outcome, price) + 1e-6


def test_no_requests_cost_nothing() -> None:
    assert clairvoyant(made([]), start_s=START_S, waiting_price=1.0) == 0


@pytest.mark.parametrize("load", list(loads.LOADS))
def test_on_all_four_loads_adaptive_is_near_the_best_idle_time_and_better_than_thirty_minutes(load: str) -> None:
    """The promise of ADR 33, at the price of waiting that `fab replay` takes by itself."""
    trace, terms = loads.generate(load), Terms(0.8048, 0.0, 0.5, "USD", START_S)
    fixed = [Setting(str(minutes), minutes * 60.0) for minutes in IDLE_MINUTES]
    *found, adaptive = results(trace, [*fixed, Setting("adaptive", None, None, "adaptive")], terms, ZONE)
    assert adaptive.total <= 1.05 * min(result.total for result in found)
    assert adaptive.total < found[IDLE_MINUTES.index(30)].total
    lines = references(trace, terms, ZONE)
    assert adaptive.total <= 3 * lines.clairvoyant
    assert lines.ahead <= lines.clairvoyant <= lines.ski_rental.total


def test_a_load_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    one, same, other = (loads.generate("office", seed=seed) for seed in (3, 3, 4))
    assert one.arrivals.tolist() == same.arrivals.tolist()
    assert one.arrivals.tolist() != other.arrivals.tolist()
