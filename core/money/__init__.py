"""What a stack costs, and what it would have cost always on. Pure: sizes and run intervals in, US dollars out.

When the host was on, and as which type, is `core/money/ledger.py`'s; what each hour, disk and address added up to, line
by line, `core/money/cost.py`'s. Money is `Decimal`: exact, and no float mixes with it by mistake. A month ahead is
one of AWS's 730 hours; what was spent counts the hours that its months had.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.contract.documents import Shape
from core.lease import Event, State
from core.money import cost, ledger, prices
from core.money.ledger import Interval, exact
from core.money.prices import GP3_FREE_MIBPS, HOURS_A_MONTH, Item

__all__ = [
    "Bill",
    "Shape",
    "awake_address_hour",
    "awake_hour",
    "bill",
    "host_hour",
    "reaper_month",
    "relay_hour",
    "spent_since",
    "standing_hour",
]


@dataclass(frozen=True)
class Bill:
    """US dollars over `elapsed_s`: what it was, and what it would have been always on. `on_s` is billed host time."""

    elapsed_s: float
    on_s: float
    spent_usd: Decimal
    always_on_usd: Decimal

    @property
    def saved_ratio(self) -> float:
        """The part of the always-on bill that was not spent, 0 to 1."""
        return float(1 - self.spent_usd / self.always_on_usd) if self.always_on_usd else 0.0


def host_hour(shape: Shape) -> Decimal:
    """$/h of the host while it is on, without its disk."""
    return prices.instance_hour(shape.region, shape.host_type)


def disk_hour(shape: Shape) -> Decimal:
    """$/h of the disks, the host's and the gateway's, whether anything is on or not."""
    gib = shape.host_disk_gib + (shape.gateway_disk_gib if shape.gateway_type else 0)
    fast = max(0, shape.host_disk_mibps - GP3_FREE_MIBPS)
    month = gib * prices.price(shape.region, Item.GP3_GIB_MONTH)
    if fast:
        month += fast * prices.price(shape.region, Item.GP3_MIBPS_MONTH)
    return month / HOURS_A_MONTH


def gateway_hour(shape: Shape) -> Decimal:
    """$/h of the gateway's machine and of what its relays read and write; 0 without a gateway."""
    if not shape.gateway_type:
        return Decimal(0)
    return prices.instance_hour(shape.region, shape.gateway_type) + relay_hour(shape.region)


def standing_hour(shape: Shape) -> Decimal:
    """$/h that go on while the host is off: disks, the gateway, its address, what its relay reads and writes."""
    return disk_hour(shape) + gateway_hour(shape) + prices.price(shape.region, Item.PUBLIC_IPV4_HOUR)


def relay_hour(region: str) -> Decimal:
    """$/h of the relays' own table requests while their host is off."""
    reads, writes = cost.relay_requests()
    return reads * prices.price(region, Item.TABLE_READ) + writes * prices.price(region, Item.TABLE_WRITE)


def awake_address_hour(shape: Shape) -> Decimal:
    """$/h of the host's own public address, which it has only while it is on (with a gateway; else it is standing)."""
    return prices.price(shape.region, Item.PUBLIC_IPV4_HOUR) if shape.gateway_type else Decimal(0)


def awake_hour(shape: Shape) -> Decimal:
    """$/h that being on adds."""
    return host_hour(shape) + awake_address_hour(shape)


def always_on_month(shape: Shape) -> Decimal:
    """$ a month with the host never off."""
    return (awake_hour(shape) + standing_hour(shape)) * HOURS_A_MONTH


def asleep_month(shape: Shape) -> Decimal:
    """$ a month with the host never on."""
    return standing_hour(shape) * HOURS_A_MONTH


def month(shape: Shape, hours_on: float) -> Decimal:
    """$ a month with the host on for so many hours."""
    return asleep_month(shape) + awake_hour(shape) * exact(hours_on)


def bill(shape: Shape, intervals: Iterable[Interval], *, since: float, now: float) -> Bill:
    """What was spent from `since` to `now` (s), each interval at its own type's price, against the same host always on,
    without a gateway.

    A start counts for at least a minute, so the spent can exceed always-on over very short times. Always on, and an
    interval that does not say what it was, are at the shape's type.
    """
    on = list(intervals)
    spent = cost.lines(shape, on, since=since, until=now)
    billed = sum(cost.by_type(on, since, now, shape.host_type).values())
    return Bill(
        now - since, float(billed), cost.total(spent), cost.total(cost.always_on(shape, since=since, until=now))
    )


def spent_since(
    shape: Shape, events: Sequence[Event], *, since: float, now: float, state: State, instance_type: str = ""
) -> Decimal:
    """US dollars from `since` (s) to `now`, what goes on while the host is off included; PriceUnknown: no price.

    `events`: a history that goes back to `since`, oldest first; a host that was made later costs from then on. `state`
    and `instance_type`: what the host is now, where the history does not say.
    """
    if events and not events[0].before:
        since = max(since, events[0].at)
    on = ledger.intervals(events, now=now, since=since, state=state, instance_type=instance_type)
    return bill(shape, on, since=since, now=now).spent_usd


def reaper_month(
    region: str, *, seconds_a_pass: float, mib: int, reads: int, writes: int, alarm_metrics: int = 2
) -> Decimal:
    """$ a month of the reaper: one pass a minute, its Lambda time, table requests and alarm; the free tier left out.

    `alarm_metrics` are the metrics that alarms watch: CloudWatch bills an alarm on an expression for each metric in
    it, and the reaper's one alarm has two. EventBridge Scheduler's 43,800 calls a month are within its 14 million free
    ones.
    """
    gib_s = exact(seconds_a_pass) * mib / 1024
    compute = gib_s * prices.price(region, Item.LAMBDA_GIB_SECOND) + prices.price(region, Item.LAMBDA_CALL)
    table = reads * prices.price(region, Item.TABLE_READ) + writes * prices.price(region, Item.TABLE_WRITE)
    passes = HOURS_A_MONTH * 60
    return passes * (compute + table) + alarm_metrics * prices.price(region, Item.ALARM_MONTH)
