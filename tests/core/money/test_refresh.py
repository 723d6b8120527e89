"""What AWS's answers mean: one price in a known unit, or none and why."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from core.errors import PilotlightError
from core.money import prices
from core.money.prices import Item, aws, refresh
from core.money.prices.refresh import Answer, Query
from tests.core.money.price_list import instance, product


def query(item: str, kinds: tuple[str, ...] = ()) -> Query:
    return next(each for each in refresh.queries(kinds) if each.item == item)


def answers(item: str, *products: str, kinds: tuple[str, ...] = ()) -> list[Answer]:
    return list(refresh.read(query(item, kinds), products))


G6 = ("g6.xlarge",)


def test_a_type_on_demand_and_reserved() -> None:
    windows = instance("g6.xlarge", "0.9888", operation="RunInstances:0002")
    larger = instance("g6.xlarge2", "7")
    told = answers(
        "instance:g6.xlarge", instance("g6.xlarge", "0.8048000000", reserved="0.5231"), windows, larger, kinds=G6
    )
    assert told == [
        Answer("instance:g6.xlarge", Decimal("0.8048")),
        Answer("reserved-1y:g6.xlarge", Decimal("0.5231")),
    ]


@pytest.mark.parametrize("prefix", ["EUC1-", "EU-"])
def test_usage_types_begin_with_the_regions_short_name(prefix: str) -> None:
    told = answers("instance:g6.xlarge", instance("g6.xlarge", "1.0064", prefix=prefix), kinds=G6)
    assert told[0].price == Decimal("1.0064")
    other = answers("instance:g6.xlarge", instance("g6.xlarge", "1.0064", prefix="EUC1-Dedicated-"), kinds=G6)
    assert other[0].why == "AWS told no price"


def test_throughput_is_priced_by_the_gib_and_a_step_that_is_free_is_passed() -> None:
    fast = answers(Item.GP3_MIBPS_MONTH, product("EBS:VolumeP-Throughput.gp3", "GiBps-mo", ("0", "40.96")))
    assert fast == [Answer(Item.GP3_MIBPS_MONTH, Decimal("0.04"))]
    kept = product("TimedStorage-ByteHrs", "GB-Mo", ("25", "0.25"), ("0", "0.0000000000"))
    assert answers(Item.TABLE_GIB_MONTH, kept)[0].price == Decimal("0.25")
    out = product("DataTransfer-Out-Bytes", "GB", ("10240", "0.085"), ("0", "0.09"))
    assert answers(Item.DATA_OUT_GIB, out)[0].price == Decimal("0.09")


@pytest.mark.parametrize(
    ("products", "why"),
    [
        ((), "AWS told no price"),
        ((product("EBS:VolumeUsage.gp2", "GB-Mo", ("0", "0.1")),), "AWS told no price"),
        ((product("EBS:VolumeUsage.gp3", "TB-Mo", ("0", "80")),), "AWS prices it by 'TB-Mo'"),
        ((product("EBS:VolumeUsage.gp3", "GB-Mo", ("0", "0")),), "AWS told no price"),
        (
            tuple(product("EBS:VolumeUsage.gp3", "GB-Mo", ("0", usd)) for usd in ("0.08", "0.09")),
            "AWS told 2 prices: 0.08, 0.09",
        ),
    ],
)
def test_what_is_not_one_price_is_none(products: tuple[str, ...], why: str) -> None:
    (told,) = answers(Item.GP3_GIB_MONTH, *products)
    assert told.price is None
    assert told.why.startswith(why)


def test_the_cheapest_zones_newest_spot_price() -> None:
    def at(hour: int, zone: str, price: str, kind: str = refresh.PRODUCT) -> dict[str, Any]:
        when = datetime(2026, 11, 25, hour, tzinfo=UTC)
        return {"AvailabilityZone": zone, "SpotPrice": price, "Timestamp": when, "ProductDescription": kind}

    history = [at(9, "a", "0.30"), at(8, "a", "0.10"), at(7, "b", "0.35"), at(9, "c", "0.01", "Windows")]
    assert refresh.spot("g6.xlarge", history) == Answer("spot:g6.xlarge", Decimal("0.30"))
    assert refresh.spot("g6.xlarge", []).price is None


def test_the_table_written_anew_has_the_new_rows_and_keeps_the_others() -> None:
    told = [
        Answer("instance:g6.xlarge", Decimal("0.81")),
        Answer("spot:g6.xlarge", Decimal("0.3")),
        Answer("x", None, "?"),
    ]
    after = refresh.merged(prices.table(), "us-east-1", told, today="2026-11-25")
    with open(aws.__file__) as module:
        text = module.read()
    scope: dict[str, Any] = {}
    exec(refresh.written(text, after), scope)  # the file that `fab prices --refresh` writes
    read = prices.parse(scope["TABLE"])
    assert read == after
    assert read["us-east-1", "instance:g6.xlarge"].read == "2026-11-25"
    assert read["us-east-1", "spot:g6.xlarge"].source == "aws-spot-history"
    assert len(read) == len(prices.table()) + 1
    assert refresh.written(text, prices.table()) == text  # as it is in the checkout
    with pytest.raises(PilotlightError, match="no table of prices"):
        refresh.written("nothing", after)


def test_every_item_is_asked_for_but_the_schedulers_call() -> None:
    """Which usage type AWS gives EventBridge Scheduler was not found; its calls are within the free ones."""
    assert {q.item for q in refresh.QUERIES} == {*Item} - {Item.SCHEDULE_CALL}
