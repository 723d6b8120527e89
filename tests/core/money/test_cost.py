"""Cost lines against sums by hand, and what must hold for every run: additive over time, never negative."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.contract.documents import Shape
from core.money import cost, ledger, rival
from core.money.cost import Billing, Kind, billed
from core.money.ledger import Interval
from core.money.prices import PriceUnknown
from core.money.rival import PlainSchedule
from tests.core.money.history import EVENTS, MONDAY, NOON

SHAPE = Shape("us-east-1", "g6.xlarge", 120, 500, "t4g.small", 20)
HOUR = 3600.0


def test_the_bill_of_a_recorded_history_is_the_sum_by_hand_to_the_cent() -> None:
    """From Monday 9:00 to Wednesday 12:00 (UTC), which are 51 of November's 720 hours."""
    on = ledger.intervals(EVENTS, now=NOON, since=EVENTS[0].at)
    bill = cost.lines(SHAPE, on, since=EVENTS[0].at, until=NOON)
    g6_s = 7260 + 60  # two hours and a minute; a start of 20 s, billed as a minute
    g5_s = 7200  # the start that EC2 refused before it is free
    by_hand = {
        (Kind.HOST, "g6.xlarge"): g6_s * 0.8048 / 3600,
        (Kind.HOST, "g5.xlarge"): g5_s * 1.006 / 3600,
        (Kind.HOST_ADDRESS, "public IPv4"): (g6_s + g5_s) * 0.005 / 3600,
        (Kind.HOST_DISK, "gp3"): 120 * 0.08 * 51 / 720,
        (Kind.HOST_DISK, "gp3 throughput"): 375 * 0.04 * 51 / 720,
        (Kind.GATEWAY, "t4g.small"): 51 * 0.0168,
        (Kind.GATEWAY_DISK, "gp3"): 20 * 0.08 * 51 / 720,
        (Kind.GATEWAY_ADDRESS, "public IPv4"): 51 * 0.005,
        (Kind.RELAY, "reads of the lease"): 51 * (3600 / 0.55 + 3600 / 2.05) * 1.25e-7,
        (Kind.RELAY, "writes of the lease"): 51 * 360 * 6.25e-7,
    }
    assert {(line.kind, line.what) for line in bill} == set(by_hand)
    for line in bill:
        assert float(line.cost) == pytest.approx(by_hand[line.kind, line.what], abs=1e-12), line
    assert cost.cents(cost.total(bill)) == Decimal("6.70") == cost.cents(Decimal(repr(sum(by_hand.values()))))


def test_without_a_gateway_the_hosts_address_is_always_there() -> None:
    kinds = {line.kind for line in cost.lines(cost.plain(SHAPE), [], since=0, until=HOUR)}
    assert kinds == {Kind.HOST_DISK, Kind.HOST_ADDRESS}


def test_a_disks_month_is_its_own_months_hours() -> None:
    """As AWS's example: 2,000 GB for 12 hours of a month with 30 days."""
    november = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    assert cost.months(november, november + 30 * 86400) == 1
    assert 2000 * cost.months(november, november + 43200) == pytest.approx(Decimal(2000 * 43200) / (86400 * 30))
    december = november + 30 * 86400
    assert cost.months(december - 86400, december + 86400) == Decimal(1) / 30 + Decimal(1) / 31


def test_a_provider_that_bills_whole_hours() -> None:
    by_the_hour = Billing(step_s=Decimal(3600), minimum_s=Decimal(3600))
    run = Interval(100, 100 + 3601)
    assert billed(run, 0, 1e6, by_the_hour) == 7200
    assert billed(run, 0, 1000, by_the_hour) + billed(run, 1000, 1e6, by_the_hour) == 7200


def test_what_has_no_price_is_no_cost_of_zero() -> None:
    with pytest.raises(PriceUnknown, match=r"x9\.huge in us-east-1"):
        cost.lines(SHAPE, [Interval(0, 9, "x9.huge")], since=0, until=HOUR)
    with pytest.raises(PriceUnknown, match="gp3-gib-month in eu-west-1"):
        cost.lines(Shape("eu-west-1", "g5.xlarge", 9, 125, "", 0), [], since=0, until=HOUR)


RUNS = st.lists(st.tuples(st.floats(0, 4000), st.floats(0, 90000)), max_size=6)
MOMENTS = st.floats(0, 60 * 86400)


def runs(gaps: list[tuple[float, float]]) -> list[Interval]:
    found, at = list[Interval](), MONDAY
    for gap, length in gaps:
        found.append(Interval(at + gap, at + gap + length, "g6.xlarge"))
        at = found[-1].end
    return found


@settings(deadline=None)
@given(RUNS, MOMENTS, MOMENTS, MOMENTS)
def test_a_bill_is_additive_over_time_and_never_negative(
    gaps: list[tuple[float, float]], a: float, b: float, c: float
) -> None:
    since, middle, until = (MONDAY + each for each in sorted((a, b, c)))
    on = runs(gaps)
    whole = cost.lines(SHAPE, on, since=since, until=until)
    parts = [*cost.lines(SHAPE, on, since=since, until=middle), *cost.lines(SHAPE, on, since=middle, until=until)]
    assert abs(cost.total(whole) - cost.total(parts)) < Decimal("1e-15")
    assert all(line.cost >= 0 for line in whole)


@settings(deadline=None)
@given(RUNS, MOMENTS)
def test_a_longer_run_costs_no_less(gaps: list[tuple[float, float]], more: float) -> None:
    on = runs(gaps)
    longer = [*on, Interval(MONDAY + 1e6, MONDAY + 1e6 + more, "g6.xlarge")]
    least, most = (cost.total(cost.lines(SHAPE, each, since=MONDAY, until=MONDAY + 1e7)) for each in (on, longer))
    assert least <= most


# ---------------------------------------------------------------- the honest rival
@pytest.mark.parametrize(
    ("needed", "words"),
    [
        ([], "never on"),
        ([(9.5, 10.2)], "Mon 9–11"),
        ([(9, 10)], "Mon 9–10"),
        ([(9, 10), (24 + 14, 24 + 17.9), (4 * 24 + 8.1, 4 * 24 + 9)], "Mon, Tue, Fri 8–18"),
        ([(24 * day + 9, 24 * day + 18) for day in range(5)], "Mon–Fri 9–18"),
        ([(23, 25)], "Mon–Tue 0–24"),
        ([(7, 7)], "Mon 7–8"),
    ],
)
def test_the_best_plain_schedule_is_the_shortest_that_covers_every_run(
    needed: list[tuple[float, float]], words: str
) -> None:
    found = rival.best([(MONDAY + a * HOUR, MONDAY + b * HOUR) for a, b in needed], "UTC")
    assert found.words.replace("Mon, Tue 0", "Mon–Tue 0") == words


def test_a_schedules_hours_in_a_week_and_over_a_change_of_the_clocks() -> None:
    office = PlainSchedule((0, 1, 2, 3, 4), 9, 18, "Europe/Berlin")
    week = sum(i.end - i.start for i in office.intervals(MONDAY, MONDAY + 7 * 86400))
    assert week == 45 * HOUR
    changes = datetime(2026, 10, 25, tzinfo=UTC).timestamp() - 2 * HOUR  # midnight in Berlin; 3:00 comes twice
    (sunday,) = PlainSchedule((6,), 0, 24, "Europe/Berlin").intervals(changes, changes + 25 * HOUR)
    assert sunday.end - sunday.start == 25 * HOUR


def test_the_schedule_wins_where_the_host_is_used_all_of_its_hours_and_that_is_said() -> None:
    on = [Interval(MONDAY + (24 * day + 9) * HOUR, MONDAY + (24 * day + 18) * HOUR) for day in range(5)]
    week = MONDAY + 7 * 86400
    bill = cost.lines(SHAPE, on, since=MONDAY, until=week)
    found = rival.compare(SHAPE, bill, on, since=MONDAY, until=week, idle_s=0, zone="UTC")
    assert found.schedule.words == "Mon–Fri 9–18"
    gateway = cost.total(line for line in bill if line.kind.startswith(("gateway", "relay", "host address")))
    assert found.saved_to_schedule == pytest.approx(168 * Decimal("0.005") - gateway)
    assert found.saved_to_schedule < 0 < found.saved


def test_a_run_inside_the_time_counts_from_its_begin_and_idle_ends_are_nobodys_need() -> None:
    on = [Interval(MONDAY + 9 * HOUR, MONDAY + 10.5 * HOUR)]
    assert rival.needed(on, 1800, MONDAY + 86400) == [(MONDAY + 9 * HOUR, MONDAY + 10 * HOUR)]
    assert rival.needed(on, 1800, MONDAY + 10.5 * HOUR) == [(MONDAY + 9 * HOUR, MONDAY + 10.5 * HOUR)]
    assert rival.needed(on, 9e9, MONDAY + 86400) == [(MONDAY + 9 * HOUR, MONDAY + 9 * HOUR)]
