"""The table of prices: whole, dated, and silent about nothing that it does not know."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from core.capacity.instance_types import GPUS
from core.errors import PilotlightError
from core.money import prices
from core.money.prices import Figure, Item, Market, PriceUnknown, aws

HERE = "us-east-1"
NOT_ON_DEMAND = {"p5e.48xlarge"}  # AWS sells it as capacity blocks alone
NO_SOURCE = {"g5g.xlarge", "g5g.8xlarge", "g5g.metal"}


def test_every_item_and_every_gpu_type_has_a_price_in_us_east_1_or_is_named_here() -> None:
    assert all(prices.price(HERE, item) > 0 for item in Item)
    missing = {kind for kind in GPUS if (HERE, f"{Market.ON_DEMAND}:{kind}") not in prices.table()}
    assert missing == NOT_ON_DEMAND | NO_SOURCE, "a row in core/money/prices/aws.py, or why there is none"


def test_every_row_has_a_source_and_every_source_a_row_or_a_command() -> None:
    used = {figure.source for figure in prices.table().values()}
    assert set(aws.SOURCES) - used == {"aws-price-list", "aws-spot-history"}  # what `--refresh` writes


def test_prices_are_exact() -> None:
    assert prices.instance_hour(HERE, "g6.xlarge") == Decimal("0.8048")
    assert prices.instance_hour("eu-central-1", "g6.xlarge") == Decimal("1.0064")
    assert str(prices.price(HERE, Item.TABLE_READ) * 10**9) == "125.000000000"


@pytest.mark.parametrize(
    ("region", "item", "said"),
    [
        (
            HERE,
            "instance:p5e.48xlarge",
            r"No price known for p5e\.48xlarge in us-east-1 .*--region us-east-1",
        ),
        (HERE, "spot:g6.xlarge", r"g6\.xlarge as spot in us-east-1"),
        (HERE, "reserved-1y:g6.xlarge", r"g6\.xlarge reserved for a year in us-east-1"),
        ("eu-west-1", Item.GP3_GIB_MONTH, r"No price known for gp3-gib-month in eu-west-1"),
        ("mars-1", Item.GP3_GIB_MONTH, r"No prices known for region mars-1; known: ap-northeast-1, .*us-west-2"),
    ],
)
def test_what_has_no_price_is_said_not_guessed(region: str, item: str, said: str) -> None:
    with pytest.raises(PriceUnknown, match=said):
        prices.price(region, item)


@pytest.mark.parametrize(
    "row",
    [
        "us-east-1 a 1 2026-01-01",
        "us-east-1 a one 2026-01-01 skypilot",
        "us-east-1 a -1 2026-01-01 skypilot",
        "us-east-1 a NaN 2026-01-01 skypilot",
        "us-east-1 a 1 soon skypilot",
        "us-east-1 a 1 2026-13 skypilot",
        "us-east-1 a 1 2026-01-01 hearsay",
    ],
)
def test_a_row_that_is_none_is_shown(row: str) -> None:
    with pytest.raises(PilotlightError, match="is not a row"):
        prices.parse(row)


def test_a_row_stands_once() -> None:
    with pytest.raises(PilotlightError, match="a of us-east-1 is there twice"):
        prices.parse("us-east-1 a 1 2026 skypilot\nus-east-1 a 1 2026 skypilot")


def figure(read: str) -> Figure:
    return Figure(HERE, "snapshot-gib-month", Decimal(1), read, "skypilot")


def test_what_is_not_known_of_a_day_makes_a_price_older() -> None:
    assert figure("2026").since == date(2026, 1, 1)
    assert figure("2026-09").since == date(2026, 9, 1)
    assert figure("2026-09-25").since == date(2026, 9, 25)


def test_older_than_ninety_days_is_said() -> None:
    today = date(2026, 11, 25)
    assert prices.stale([figure("2026-08-27"), figure("2026-09")], today) == ""  # 90 days are not more than 90
    said = prices.stale([figure("2026-08-26"), figure("2026-09"), figure("2026-03-02")], today)
    assert said.startswith(
        "2 prices are older than 90 days (the oldest: snapshot-gib-month of us-east-1, read 2026-03-02)"
    )
    assert "fab prices --refresh" in said
    assert prices.stale([figure("2025")], today).startswith("1 price is older")
