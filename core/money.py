"""What a stack costs, and what it would have cost always on. Pure: sizes and run intervals in, US dollars out.

The ledger's source is the history of the lease: an event into STARTING begins an interval, one into STOPPED or FAILED
ends it. EC2 bills by the second with a minimum of one minute a start, from `pending` to `stopping`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from core import prices
from core.contract import HEARTBEAT_S, LEASE_READ_GAP_S, LEASE_READ_OTHERWISE_S
from core.lease import ON, Event, State
from core.prices import GP3_FREE_MIBPS, HOURS_A_MONTH

HOUR_S: Final = 3600.0
MINIMUM_S: Final = 60.0
_BILLED: Final = frozenset({*ON, State.STOPPING})


@dataclass(frozen=True)
class Shape:
    """What costs in a stack. Disks in GiB, throughput in MiB/s; `gateway_type` "" where there is none."""

    region: str
    host_type: str
    host_disk_gib: int
    host_disk_mibps: int
    gateway_type: str
    gateway_disk_gib: int


@dataclass(frozen=True)
class Interval:
    """The host was on from `start` to `end` (table time, s); both are in the same clock."""

    start: float
    end: float

    @property
    def billed_s(self) -> float:
        """At least a minute."""
        return max(self.end - self.start, MINIMUM_S)


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
    """$/h of a relay's own table requests while its host is off: it reads the lease twice a second, and beats."""
    known, hour = prices.of(region), HOUR_S
    reads = hour / (LEASE_READ_OTHERWISE_S + LEASE_READ_GAP_S)
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
    """What was spent from `since` to `now` (s), against the same time always on.

    A start counts for at least a minute, so the spent can exceed always-on over very short times.
    """
    elapsed = now - since
    on = sum(i.billed_s for i in intervals)
    standing = standing_hour(shape) * elapsed / HOUR_S
    added = awake_hour(shape) / HOUR_S
    return Bill(elapsed, on, standing + added * on, standing + added * elapsed)


def intervals(events: Sequence[Event], *, now: float) -> list[Interval]:
    """When the host was on, from the lease's history (oldest first); an open one ends `now`."""
    found: list[Interval] = []
    begun: float | None = None
    for event in events:
        is_on = State(event.after) in _BILLED
        if is_on and begun is None:
            begun = event.at
        elif not is_on and begun is not None:
            found.append(Interval(begun, event.at))
            begun = None
    return found if begun is None else [*found, Interval(begun, now)]


def on_since(events: Sequence[Event], state: State, *, since: float, now: float) -> list[Interval]:
    """When the host was on from `since` to `now`; `events` may begin later, `state` is what the lease says now."""
    recent = [event for event in events if event.at >= since]
    first = State(recent[0].before or State.STOPPED) if recent else state
    began = [Event(0, since, "", first, "", "")] if first in _BILLED else []
    return intervals([*began, *recent], now=now)


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
