"""How AWS is asked for its prices, what its answers say, and how they become rows of the table. Pure.

`runtime/price_list.py` sends the questions. An answer counts only if it is one price in a unit that is known here:
where AWS says nothing, or several things, the old row stays and the reason is told. Nothing is guessed.

Shapes: GetProducts of the AWS Price List Query API ("Reading the service price list file", AWS Billing's guide). Spot
prices: EC2's DescribeSpotPriceHistory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Final

from core.capacity.instance_types import GPUS
from core.errors import PilotlightError
from core.money.prices import CURRENCY, Figure, Item, Market, Table, parse

GATEWAYS: Final = ("t3.micro", "t3.small", "t3.medium", "t3.large", "t4g.micro", "t4g.small", "t4g.medium")
PRODUCT: Final = "Linux/UNIX"  # of a spot price
LINUX: Final = "RunInstances"  # the operation of an instance on demand without a licence; others have `:0002` and so on
_BEGIN, _END = 'TABLE: Final = """\n', '"""\n'


@dataclass(frozen=True)
class Query:
    """One GetProducts. `usage` ends the usage type of the product that is meant; `units`: unit → how many of ours."""

    item: str
    service: str
    usage: str
    units: Mapping[str, int]
    filters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    region_field: str = "regionCode"


def _of(item: Item, service: str, usage: str, **units: int) -> Query:
    return Query(item, service, usage, units)


_GIB_MONTH: Final = {"GB-Mo": 1}
_GP3: Final = MappingProxyType({"volumeApiName": "gp3"})
QUERIES: Final = (
    Query(Item.GP3_GIB_MONTH, "AmazonEC2", "EBS:VolumeUsage.gp3", _GIB_MONTH, _GP3),
    Query(Item.GP3_MIBPS_MONTH, "AmazonEC2", "EBS:VolumeP-Throughput.gp3", {"GiBps-mo": 1024, "MiBps-Mo": 1}, _GP3),
    Query(Item.GP3_IOPS_MONTH, "AmazonEC2", "EBS:VolumeP-IOPS.gp3", {"IOPS-Mo": 1}, _GP3),
    Query(
        Item.SNAPSHOT_GIB_MONTH,
        "AmazonEC2",
        "EBS:SnapshotUsage",
        _GIB_MONTH,
        MappingProxyType({"productFamily": "Storage Snapshot"}),
    ),
    _of(Item.PUBLIC_IPV4_HOUR, "AmazonVPC", "PublicIPv4:InUseAddress", Hrs=1),
    Query(Item.LAMBDA_GIB_SECOND, "AWSLambda", "Lambda-GB-Second-ARM", {"Lambda-GB-Second": 1, "Second": 1}),
    Query(Item.LAMBDA_CALL, "AWSLambda", "Request-ARM", {"Request": 1, "Requests": 1}),
    Query(Item.TABLE_READ, "AmazonDynamoDB", "ReadRequestUnits", {"ReadRequestUnits": 1}),
    Query(Item.TABLE_WRITE, "AmazonDynamoDB", "WriteRequestUnits", {"WriteRequestUnits": 1}),
    Query(Item.TABLE_GIB_MONTH, "AmazonDynamoDB", "TimedStorage-ByteHrs", _GIB_MONTH),
    _of(Item.ALARM_MONTH, "AmazonCloudWatch", "CW:AlarmMonitorUsage", Alarms=1),
    Query(Item.QUEUE_REQUEST, "AWSQueueService", "Requests-Tier1", {"Requests": 1}),
    Query(Item.TOPIC_REQUEST, "AmazonSNS", "Requests-Tier1", {"Requests": 1}),
    Query(Item.S3_GIB_MONTH, "AmazonS3", "TimedStorage-ByteHrs", _GIB_MONTH),
    Query(Item.S3_PUT, "AmazonS3", "Requests-Tier1", {"Requests": 1}),
    Query(Item.S3_GET, "AmazonS3", "Requests-Tier2", {"Requests": 1}),
    Query(
        Item.DATA_OUT_GIB,
        "AWSDataTransfer",
        "DataTransfer-Out-Bytes",
        {"GB": 1},
        MappingProxyType({"toLocation": "External"}),
        "fromRegionCode",
    ),
)


def queries(instance_types: Iterable[str]) -> Iterator[Query]:
    """All questions about a region: the items, and each type on demand (its answer holds the reserved prices too)."""
    yield from QUERIES
    for kind in instance_types:
        filters = {"instanceType": kind, "operatingSystem": "Linux", "tenancy": "Shared"}
        filters |= {"preInstalledSw": "NA", "capacitystatus": "Used"}
        yield Query(
            f"{Market.ON_DEMAND}:{kind}", "AmazonEC2", f"BoxUsage:{kind}", {"Hrs": 1}, MappingProxyType(filters)
        )


def instance_types() -> tuple[str, ...]:
    """Those that are asked for: hosts with a GPU, and gateways."""
    return (*GPUS, *GATEWAYS)


def filters(query: Query, region: str) -> list[dict[str, str]]:
    """As GetProducts takes them."""
    wanted = {query.region_field: region, **query.filters}
    return [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in wanted.items()]


# ---------------------------------------------------------------- what an answer says
@dataclass(frozen=True)
class Answer:
    """The price of an item; None, and why there is none."""

    item: str
    price: Decimal | None = None
    why: str = ""


def read(query: Query, products: Sequence[str]) -> Iterator[Answer]:
    """What the products of a GetProducts (JSON texts) say of a query's item; of a type also reserved for a year."""
    meant = [product for product in map(_product, products) if _is_meant(query, product)]
    yield _one(query.item, query.units, (dimension for each in meant for dimension in _on_demand(each)))
    market, _, kind = query.item.partition(":")
    if kind and market == Market.ON_DEMAND:
        item = f"{Market.RESERVED_1Y}:{kind}"
        yield _one(item, query.units, (dimension for each in meant for dimension in _reserved(each)))


def _product(text: str) -> Mapping[str, Any]:
    try:
        product = json.loads(text)
    except ValueError as error:
        raise PilotlightError(f"AWS's pricing API answered something that is no JSON: {text[:60]!r}.") from error
    return product if isinstance(product, dict) else {}


def _is_meant(query: Query, product: Mapping[str, Any]) -> bool:
    """Usage types begin with the region's short name, in us-east-1 with nothing: `EUC1-BoxUsage:g6.xlarge`."""
    attributes = product.get("product", {}).get("attributes", {})
    prefix, found, rest = str(attributes.get("usagetype", "")).rpartition(query.usage)
    plain = not rest and bool(found) and (not prefix or (prefix.endswith("-") and "-" not in prefix[:-1]))
    return plain and (":BoxUsage" not in f":{query.usage}" or attributes.get("operation") == LINUX)


def _on_demand(product: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        yield from _first_paid(term)


def _reserved(product: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    wanted = {"LeaseContractLength": "1yr", "OfferingClass": "standard", "PurchaseOption": "No Upfront"}
    for term in product.get("terms", {}).get("Reserved", {}).values():
        if wanted.items() <= term.get("termAttributes", {}).items():
            yield from _first_paid(term)


def _first_paid(term: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The first step of a stepped price that is not the free tier's."""
    paid = [d for d in term.get("priceDimensions", {}).values() if _usd(d)]
    yield from sorted(paid, key=lambda dimension: Decimal(str(dimension.get("beginRange", "0"))))[:1]


def _usd(dimension: Mapping[str, Any]) -> Decimal | None:
    try:
        price = Decimal(str(dimension["pricePerUnit"][CURRENCY]))
    except (KeyError, InvalidOperation):
        return None
    return price if price.is_finite() and price > 0 else None


def _one(item: str, units: Mapping[str, int], dimensions: Iterable[Mapping[str, Any]]) -> Answer:
    found: set[Decimal] = set()
    for dimension in dimensions:
        price, unit = _usd(dimension), str(dimension.get("unit", ""))
        if unit not in units:
            return Answer(item, None, f"AWS prices it by {unit!r}, which is not known here ({', '.join(units)} are)")
        found |= {price / units[unit]} if price else set()
    if len(found) != 1:
        told = ", ".join(str(price.normalize()) for price in sorted(found))
        return Answer(item, None, f"AWS told {len(found)} prices: {told}" if found else "AWS told no price")
    return Answer(item, found.pop())


def spot(instance_type: str, history: Iterable[Mapping[str, Any]]) -> Answer:
    """The cheapest zone's newest price in a DescribeSpotPriceHistory."""
    newest: dict[str, tuple[Any, Decimal]] = {}
    for each in history:
        zone, when = each["AvailabilityZone"], each["Timestamp"]
        if each["ProductDescription"] == PRODUCT and (zone not in newest or newest[zone][0] < when):
            newest[zone] = (when, Decimal(str(each["SpotPrice"])))
    item = f"{Market.SPOT}:{instance_type}"
    if not newest:
        return Answer(item, None, "EC2 told no spot price")
    return Answer(item, min(price for _, price in newest.values()))


# ---------------------------------------------------------------- the table, written anew
def merged(table: Table, region: str, answers: Iterable[Answer], *, today: str) -> Table:
    """The table with a region's answers; what AWS told nothing of stays as it was."""
    rows = dict(table)
    for answer in answers:
        if answer.price is not None:
            source = "aws-spot-history" if answer.item.startswith(f"{Market.SPOT}:") else "aws-price-list"
            rows[region, answer.item] = Figure(region, answer.item, answer.price, today, source)
    return MappingProxyType(rows)


def written(module: str, table: Table) -> str:
    """The text of `aws.py` with these rows. PilotlightError: `module` is not that file's text."""
    before, begin, rest = module.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise PilotlightError(f"This is no table of prices: there is no `{_BEGIN.strip()}` in it.")
    rows = "\n".join(_row(figure) for _, figure in sorted(table.items()))
    parse(rows)
    return f"{before}{begin}{rows}\n{end}{after}"


def _row(figure: Figure) -> str:
    price = f"{figure.price.normalize():f}"
    return f"{figure.region:<14} {figure.item:<26} {price:>12} {figure.read:<10} {figure.source}"
