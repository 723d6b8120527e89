"""Cost lines: what a stack's run adds up to, line by line, by EC2's rules. Pure, exact, additive over time.

Instances are billed by the second, at least a minute for each start, at the price of the type that ran; the minute's
rounding counts where the start was, so that days add up to their month. Disks are billed by the GiB and month, whether
anything is on or not, and a second is the part of its own (UTC) month that it is ("Amazon EBS pricing", example 1). The
gateway and its address go on always; the host's own address only while it is on, where there is a gateway.
To add a line: a Kind, and its Line in `lines`; `fab cost` and its picture show it as it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Final

from core.contract.documents import Shape
from core.contract.intervals import HEARTBEAT_S, LEASE_READ_GAP_S, LEASE_READ_OTHERWISE_S, LEASE_READ_RUNNING_S
from core.money import prices
from core.money.ledger import HOUR_S, MINIMUM_S, Interval, exact
from core.money.prices import CURRENCY, GP3_FREE_MIBPS, Item
from core.times.moments import first_of_month, next_month

HOUR: Final = Decimal(3600)
CENT: Final = Decimal("0.01")
# What lines are priced by, beside instance types.
ITEMS: Final = (
    Item.GP3_GIB_MONTH,
    Item.GP3_MIBPS_MONTH,
    Item.PUBLIC_IPV4_HOUR,
    Item.TABLE_READ,
    Item.TABLE_WRITE,
)


class Kind(StrEnum):
    """What a line is for; the order is that of a bill and of the picture's layers."""

    HOST = "host"
    HOST_DISK = "host disk"
    HOST_ADDRESS = "host address"
    GATEWAY = "gateway"
    GATEWAY_DISK = "gateway disk"
    GATEWAY_ADDRESS = "gateway address"
    RELAY = "relay"  # the lease's reads and writes by the gateway


@dataclass(frozen=True)
class Line:
    """One line of a bill: so much of something at its price. Nothing is rounded here."""

    kind: Kind
    what: str
    quantity: Decimal
    unit: str
    price: Decimal
    currency: str = CURRENCY

    @property
    def cost(self) -> Decimal:
        """In the line's currency."""
        return self.quantity * self.price


@dataclass(frozen=True)
class Billing:
    """How a provider bills a machine: by steps of so many seconds, at least so many a start. EC2: 1 s and a minute."""

    step_s: Decimal = Decimal(1)
    minimum_s: Decimal = Decimal(int(MINIMUM_S))


EC2: Final = Billing()


def billed(interval: Interval, since: float, until: float, billing: Billing = EC2) -> Decimal:
    """The billed seconds of a run from `since` to `until` (s); what a start is rounded up by counts where it began.

    EC2's seconds are not rounded up further: moments are known to the second at best.
    """
    start, end, first, last = (exact(moment) for moment in (interval.start, interval.end, since, until))
    ran = max(Decimal(0), min(end, last) - max(start, first))
    if not first <= start < last:
        return ran
    whole = max(billing.minimum_s, end - start)
    if billing.step_s > 1:
        whole = (whole / billing.step_s).to_integral_value(ROUND_CEILING) * billing.step_s
    return ran + whole - (end - start)


def by_type(on: Iterable[Interval], since: float, until: float, otherwise: str) -> Mapping[str, Decimal]:
    """Billed seconds by instance type, in the order in which the types ran first."""
    found: dict[str, Decimal] = {}
    for interval in on:
        if seconds := billed(interval, since, until):
            kind = interval.instance_type or otherwise
            found[kind] = found.get(kind, Decimal(0)) + seconds
    return found


def months(since: float, until: float) -> Decimal:
    """How many (UTC) months a time is, each second as the part of its own month."""
    found, at = Decimal(0), since
    while at < until:
        end = next_month(at)
        found += (exact(min(end, until)) - exact(at)) / (exact(end) - exact(first_of_month(at)))
        at = end
    return found


def lines(shape: Shape, on: Sequence[Interval], *, since: float, until: float) -> tuple[Line, ...]:
    """The bill from `since` to `until` (s). PriceUnknown names what has no price; nothing counts as free."""
    return (*_host(shape, on, since, until), *_standing(shape, since, until))


def total(bill: Iterable[Line]) -> Decimal:
    """Its sum."""
    return sum((line.cost for line in bill), Decimal(0))


def cents(money: Decimal) -> Decimal:
    """As it is shown: rounded once, at the end."""
    return money.quantize(CENT)


def _host(shape: Shape, on: Sequence[Interval], since: float, until: float) -> Iterator[Line]:
    seconds = by_type(on, since, until, shape.host_type)
    for kind, billed_s in seconds.items():
        yield Line(Kind.HOST, kind, billed_s / HOUR, "h", prices.instance_hour(shape.region, kind))
    if shape.gateway_type and seconds:
        address = prices.price(shape.region, Item.PUBLIC_IPV4_HOUR)
        yield Line(Kind.HOST_ADDRESS, "public IPv4", sum(seconds.values(), Decimal(0)) / HOUR, "h", address)


def _standing(shape: Shape, since: float, until: float) -> Iterator[Line]:
    hours, share, region = (exact(until) - exact(since)) / HOUR, months(since, until), shape.region
    yield from _disk(Kind.HOST_DISK, shape.host_disk_gib, shape.host_disk_mibps, region, share)
    address = prices.price(region, Item.PUBLIC_IPV4_HOUR)
    if not shape.gateway_type:
        yield Line(Kind.HOST_ADDRESS, "public IPv4", hours, "h", address)
        return
    yield Line(Kind.GATEWAY, shape.gateway_type, hours, "h", prices.instance_hour(region, shape.gateway_type))
    yield from _disk(Kind.GATEWAY_DISK, shape.gateway_disk_gib, 0, region, share)
    yield Line(Kind.GATEWAY_ADDRESS, "public IPv4", hours, "h", address)
    reads, writes = relay_requests()
    yield Line(Kind.RELAY, "reads of the lease", hours * reads, "reads", prices.price(region, Item.TABLE_READ))
    yield Line(Kind.RELAY, "writes of the lease", hours * writes, "writes", prices.price(region, Item.TABLE_WRITE))


def _disk(kind: Kind, gib: int, mibps: int, region: str, share: Decimal) -> Iterator[Line]:
    yield Line(kind, "gp3", gib * share, "GiB-months", prices.price(region, Item.GP3_GIB_MONTH))
    if (fast := mibps - GP3_FREE_MIBPS) > 0:
        price = prices.price(region, Item.GP3_MIBPS_MONTH)
        yield Line(kind, "gp3 throughput", fast * share, "MiB/s-months", price)


def relay_requests() -> tuple[Decimal, Decimal]:
    """Reads and writes of the table that the relays make in an hour while their host is off: who acts reads the lease
    twice a second, and beats; the other reads every two seconds.
    """
    reads = sum(HOUR_S / (every_s + LEASE_READ_GAP_S) for every_s in (LEASE_READ_OTHERWISE_S, LEASE_READ_RUNNING_S))
    return exact(reads), exact(HOUR_S / HEARTBEAT_S)


# ---------------------------------------------------------------- whom it is compared with
def plain(shape: Shape) -> Shape:
    """The same host without anything of ours: no gateway, no relay; its address and its disk stay."""
    return dataclasses.replace(shape, gateway_type="", gateway_disk_gib=0)


def always_on(shape: Shape, *, since: float, until: float) -> tuple[Line, ...]:
    """The bill of the same host never off, at its preferred type, without a gateway."""
    return lines(plain(shape), [Interval(since, until, shape.host_type)], since=since, until=until)
