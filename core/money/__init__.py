"""What a stack costs, and what it would have cost always on. Pure: sizes and run intervals in, US dollars out.

When the host was on, and as which type, is `core/money/ledger.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.contract.documents import Shape
from core.contract.intervals import HEARTBEAT_S, LEASE_READ_GAP_S, LEASE_READ_OTHERWISE_S, LEASE_READ_RUNNING_S
from core.lease import Event, State
from core.money import ledger, prices
from core.money.ledger import HOUR_S, Interval, host_usd
from core.money.prices import GP3_FREE_MIBPS, HOURS_A_MONTH

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
    spent_usd: float
    always_on_usd: float

    @property
    def saved_ratio(self) -> float:
        """The part of the always-on bill that was not spent, 0 to 1."""
        return 1 - self.spent_usd / self.always_on_usd if self.always_on_usd else 0.0


def host_hour(shape: Shape) -> float:
    """$/h of the host while it is on, without its disk."""
    return prices.instance_hour(shape.region, shape.host_type)


def standing_hour(shape: Shape) -> float:
    """$/h that go on while the host is off: disks, the gateway, its address, what its relay reads and writes."""
    known = prices.of(shape.region)
    disk_gib = shape.host_disk_gib + (shape.gateway_disk_gib if shape.gateway_type else 0)
    fast = max(0, shape.host_disk_mibps - GP3_FREE_MIBPS)
    disks = (disk_gib * known.gp3_gib_month + fast * known.gp3_mibps_month) / HOURS_A_MONTH
    gateway = prices.instance_hour(shape.region, shape.gateway_type) if shape.gateway_type else 0.0
    relay = relay_hour(shape.region) if shape.gateway_type else 0.0
    return disks + gateway + known.public_ipv4_h + relay


def relay_hour(region: str) -> float:
    """$/h of the relays' own table requests while their host is off: who acts reads the lease twice a second, and
    beats; the other reads every two seconds.
    """
    known, hour = prices.of(region), HOUR_S
    reads = sum(hour / (every_s + LEASE_READ_GAP_S) for every_s in (LEASE_READ_OTHERWISE_S, LEASE_READ_RUNNING_S))
    return reads * known.table_read + hour / HEARTBEAT_S * known.table_write


def awake_address_hour(shape: Shape) -> float:
    """$/h of the host's own public address, which it has only while it is on (with a gateway; else it is standing)."""
    return prices.of(shape.region).public_ipv4_h if shape.gateway_type else 0.0


def awake_hour(shape: Shape) -> float:
    """$/h that being on adds."""
    return host_hour(shape) + awake_address_hour(shape)


def always_on_month(shape: Shape) -> float:
    """$ a month with the host never off."""
    return (awake_hour(shape) + standing_hour(shape)) * HOURS_A_MONTH


def asleep_month(shape: Shape) -> float:
    """$ a month with the host never on."""
    return standing_hour(shape) * HOURS_A_MONTH


def month(shape: Shape, hours_on: float) -> float:
    """$ a month with the host on for so many hours."""
    return asleep_month(shape) + awake_hour(shape) * hours_on


def bill(shape: Shape, intervals: Iterable[Interval], *, since: float, now: float) -> Bill:
    """What was spent from `since` to `now` (s), each interval at its own type's price, against the same time always on.

    A start counts for at least a minute, so the spent can exceed always-on over very short times. Always on, and an
    interval that does not say what it was, are at the shape's type.
    """
    elapsed, on, host = now - since, 0.0, 0.0
    for interval in intervals:
        if seconds := interval.billed_since(since):
            on += seconds
            host += host_usd({interval.instance_type: seconds}, shape.region, shape.host_type)
    standing = standing_hour(shape) * elapsed / HOUR_S
    spent = standing + host + awake_address_hour(shape) * on / HOUR_S
    return Bill(elapsed, on, spent, standing + awake_hour(shape) * elapsed / HOUR_S)


def spent_since(
    shape: Shape, events: Sequence[Event], *, since: float, now: float, state: State, instance_type: str = ""
) -> float:
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
) -> float:
    """$ a month of the reaper: one pass a minute, its Lambda time, table requests and alarm; the free tier left out.

    `alarm_metrics` are the metrics that alarms watch: CloudWatch bills an alarm on an expression for each metric in
    it, and the reaper's one alarm has two. EventBridge Scheduler's 43,800 calls a month are within its 14 million free
    ones.
    """
    known = prices.of(region)
    passes = HOURS_A_MONTH * 60
    compute = seconds_a_pass * mib / 1024 * known.lambda_gib_s + known.lambda_call
    table = reads * known.table_read + writes * known.table_write
    return passes * (compute + table) + alarm_metrics * known.alarm_month
