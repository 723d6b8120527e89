"""Money: by hand, once."""

from decimal import Decimal
from typing import Any

import pytest

from core import money
from core.money import Shape, prices
from core.money.ledger import Interval
from core.money.prices import Item

QWEN7B = Shape("us-east-1", "g6.xlarge", 120, 500, "t4g.small", 10)
ALONE = Shape("us-east-1", "g6.xlarge", 120, 500, "", 0)

# of two relays one reads the lease every 0.55 s and beats every 10 s, the other reads every 2.05 s
RELAY = (3600 / 0.55 + 3600 / 2.05) * 1.25e-7 + 360 * 6.25e-7


def about(expected: float, within: float = 1e-9) -> Any:
    """A float that was reckoned here by hand, next to exact money."""
    return pytest.approx(Decimal(repr(expected)), abs=Decimal(repr(within)))


def test_hours() -> None:
    assert money.host_hour(QWEN7B) == Decimal("0.8048")
    assert money.awake_hour(QWEN7B) == Decimal("0.8098")
    disks = (130 * 0.08 + 375 * 0.04) / 730
    assert money.standing_hour(QWEN7B) == about(disks + 0.0168 + 0.005 + RELAY)


def test_without_a_gateway_the_address_stands_with_the_host() -> None:
    assert money.awake_hour(ALONE) == Decimal("0.8048")
    assert money.standing_hour(ALONE) == about((120 * 0.08 + 375 * 0.04) / 730 + 0.005)


def test_months() -> None:
    assert money.asleep_month(QWEN7B) == about(42.24, 0.01)
    assert money.always_on_month(QWEN7B) == about(633.39, 0.01)
    assert money.month(QWEN7B, 100) == money.asleep_month(QWEN7B) + Decimal("80.98")
    assert money.month(QWEN7B, prices.HOURS_A_MONTH) == money.always_on_month(QWEN7B)


def standing_usd(hours: float) -> Decimal:
    """In January, which has 744 hours: a disk's month is the month's own."""
    disks = (130 * 0.08 + 375 * 0.04) * hours / 744
    return Decimal(repr(disks + (0.0168 + 0.005 + RELAY) * hours))


def test_bill_against_always_on() -> None:
    day = 86400.0
    bill = money.bill(QWEN7B, [Interval(0, 3600), Interval(7200, 10800)], since=0, now=day)
    standing = standing_usd(24)
    assert bill.on_s == 7200
    assert bill.spent_usd == pytest.approx(standing + 2 * Decimal("0.8098"))
    alone = (120 * Decimal("0.08") + 375 * Decimal("0.04")) / 31 + 24 * Decimal("0.005")
    assert bill.always_on_usd == pytest.approx(alone + 24 * Decimal("0.8048"))  # which needs no gateway
    assert bill.saved_ratio == pytest.approx(float(1 - bill.spent_usd / bill.always_on_usd))


def test_each_interval_is_billed_as_what_it_was_and_from_since_on() -> None:
    on = [Interval(0, 3600, "g6e.xlarge"), Interval(7200, 10800), Interval(-50, -9, "x9.mega")]
    bill = money.bill(QWEN7B, on, since=1800, now=86400.0)
    standing = standing_usd(23.5)
    assert bill.spent_usd == pytest.approx(standing + Decimal("0.933") + Decimal("0.8098"))


def test_nothing_yet_is_no_saving() -> None:
    assert money.bill(QWEN7B, [], since=5, now=5).saved_ratio == 0


def test_the_reaper_costs_cents() -> None:
    month = money.reaper_month("us-east-1", seconds_a_pass=0.3, mib=256, reads=3, writes=1)
    assert month == about(43800 * (0.3 * 0.25 * 0.0000133334 + 2e-7 + 3 * 1.25e-7 + 6.25e-7) + 0.2)


def test_the_relays_of_a_host_that_is_off_cost_less_than_a_dollar_a_month() -> None:
    assert money.relay_hour("us-east-1") == about(RELAY)
    assert money.relay_hour("us-east-1") * 730 == about(0.92, 0.01)


def test_a_webhook_costs_a_quarter_of_a_dollar_a_month() -> None:
    """Lambda asks an idle queue with five pollers, 20 s each (ADR 8)."""
    polls = 5 * 3 * 60 * prices.HOURS_A_MONTH
    assert polls * prices.price("us-east-1", Item.QUEUE_REQUEST) == about(0.26, 0.01)


def test_the_reapers_schedule_is_free() -> None:
    assert prices.HOURS_A_MONTH * 60 < prices.SCHEDULER_FREE_CALLS
