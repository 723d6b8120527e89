"""What AWS charges, in US dollars, for what a stack makes. A table, not a guess: what is not in it has no price here.

The table is `core/money/prices/aws.py`, with the day and the source of each figure; `core/money/prices/refresh.py` says
how AWS is asked for newer ones. To add an item: a member of Item with its unit, a row in the table, and where AWS's
pricing API knows it a line in QUERIES there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from core.errors import PilotlightError
from core.money.prices import aws

HOURS_A_MONTH: Final = 730  # AWS's own convention for monthly figures
GP3_FREE_MIBPS: Final = 125
GP3_FREE_IOPS: Final = 3000
SCHEDULER_FREE_CALLS: Final = 14_000_000  # a month
STALE_DAYS: Final = 90
CURRENCY: Final = "USD"
WHERE: Final = "core/money/prices/aws.py"


class PriceUnknown(PilotlightError):
    """There is no price for this item in this region; the message names both."""


class Item(StrEnum):
    """What is priced, beside instance types. The unit is the name's last part."""

    GP3_GIB_MONTH = "gp3-gib-month"
    GP3_MIBPS_MONTH = "gp3-mibps-month"  # above GP3_FREE_MIBPS
    GP3_IOPS_MONTH = "gp3-iops-month"  # above GP3_FREE_IOPS
    SNAPSHOT_GIB_MONTH = "snapshot-gib-month"
    PUBLIC_IPV4_HOUR = "public-ipv4-hour"  # also while the instance is stopped, where the address stays
    LAMBDA_GIB_SECOND = "lambda-gib-second"  # arm64
    LAMBDA_CALL = "lambda-call"
    TABLE_READ = "table-read"  # one strongly consistent read of up to 4 KiB
    TABLE_WRITE = "table-write"  # one write of up to 1 KiB
    TABLE_GIB_MONTH = "table-gib-month"
    ALARM_MONTH = "alarm-month"  # on one metric; one on an expression is billed for each metric in it
    SCHEDULE_CALL = "schedule-call"  # above SCHEDULER_FREE_CALLS a month
    QUEUE_REQUEST = "queue-request"
    TOPIC_REQUEST = "topic-request"
    S3_GIB_MONTH = "s3-gib-month"
    S3_PUT = "s3-put"
    S3_GET = "s3-get"
    DATA_OUT_GIB = "data-out-gib"  # to the internet, the first 10 TB, above the account's 100 free GB a month


class Market(StrEnum):
    """How an instance is bought; the prefix of its item."""

    ON_DEMAND = "instance"
    SPOT = "spot"  # of the moment at which it was read
    RESERVED_1Y = "reserved-1y"  # standard, no upfront: paid for every hour of the year


@dataclass(frozen=True)
class Figure:
    """One row of the table. `read`: a date, or as much of one as is known (`2026-09`, `2026`)."""

    region: str
    item: str
    price: Decimal
    read: str
    source: str  # a key of aws.SOURCES

    @property
    def since(self) -> date:
        """The earliest day on which it may have been read: what is not known makes a figure older, not younger."""
        year, month, day = (*(int(part) for part in self.read.split("-")), 1, 1)[:3]
        return date(year, month, day)


Table = Mapping[tuple[str, str], Figure]


def parse(text: str) -> Table:
    """The rows of a table by region and item. PilotlightError: a row that is none, or is there twice."""
    rows: dict[tuple[str, str], Figure] = {}
    for line in filter(None, (each.strip() for each in text.splitlines())):
        figure = _figure(line)
        if rows.setdefault((figure.region, figure.item), figure) is not figure:
            raise PilotlightError(f"{WHERE}: {figure.item} of {figure.region} is there twice.")
    return MappingProxyType(rows)


def _figure(line: str) -> Figure:
    try:
        region, item, price, read, source = line.split()
        figure = Figure(region, item, Decimal(price), read, source)
        if not figure.price.is_finite() or figure.price < 0 or figure.since > date.max or source not in aws.SOURCES:
            raise ValueError(line)
    except (ValueError, InvalidOperation) as error:
        raise PilotlightError(f"{WHERE}: `{line}` is not a row: region, item, price, date, source.") from error
    return figure


@functools.cache
def table() -> Table:
    """AWS's, as it was read last."""
    return parse(aws.TABLE)


def figure(region: str, item: str) -> Figure:
    """One row, with its day and source. PriceUnknown: there is none."""
    found = table().get((region, item))
    if found is None:
        raise PriceUnknown(_unknown(region, item))
    return found


def price(region: str, item: str) -> Decimal:
    """US dollars for one of an item. PriceUnknown names item and region."""
    return figure(region, item).price


def instance_hour(region: str, instance_type: str, market: Market = Market.ON_DEMAND) -> Decimal:
    """$/h of an instance type while it is on. PriceUnknown: the table has none."""
    return price(region, f"{market}:{instance_type}")


def regions() -> tuple[str, ...]:
    """Those of which the table knows anything."""
    return tuple(sorted({region for region, _ in table()}))


def _unknown(region: str, item: str) -> str:
    market, _, kind = item.partition(":")
    what = {Market.SPOT: f"{kind} as spot", Market.RESERVED_1Y: f"{kind} reserved for a year"}.get(
        Market(market) if kind else Market.ON_DEMAND, kind or item
    )
    if not any(known == region for known, _ in table()):
        return f"No prices known for region {region}; known: {', '.join(regions())} ({WHERE})."
    return f"No price known for {what} in {region} ({WHERE}). `fab prices --refresh --region {region}` asks AWS."


def stale(figures: Iterable[Figure], today: date) -> str:
    """Which of the figures were read more than STALE_DAYS ago, in words; "" where none was."""
    old = sorted((f for f in figures if today - f.since > timedelta(days=STALE_DAYS)), key=lambda f: (f.since, f.item))
    if not old:
        return ""
    count = "1 price is" if len(old) == 1 else f"{len(old)} prices are"
    return (
        f"{count} older than {STALE_DAYS} days (the oldest: {old[0].item} of {old[0].region}, read {old[0].read}); "
        f"`fab prices --refresh` asks AWS"
    )
