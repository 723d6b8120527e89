"""What the steps of every process are made of: their kinds, a write, an order to EC2."""

from __future__ import annotations

from collections.abc import Iterator

from tests.core.protocol.leases import NONE, Broken
from tests.core.protocol.world import Model, Reaper, World, in_order

NORMAL, FAULT, MERCY = range(3)  # MERCY: may happen, but nobody may depend on it (an expiry, a hang-up, a force)
Step = tuple[str, int, World]
Steps = Iterator[Step]


def write(m: Model, w: World, op: str, read: int) -> tuple[World, int] | None:
    """The world after the write `op` made from `read`, and the lease that the writer now knows."""
    if NONE in (w.lease, read):
        return None
    result = m.leases.do(op, read, w.lease)
    if result is None:
        return None
    return m.written(w, result.lease, transition=result.transition), result.lease


def start_sent(w: World, ours: bool) -> World:
    if not ours:  # an order for the machine before
        return w
    if w.stop_order:
        raise Broken("two different live orders: StartInstances while StopInstances may land")
    return w._replace(start_order=True)


def stop_sent(w: World, ours: bool) -> World:
    if not ours:
        return w
    if w.start_order:
        raise Broken("two different live orders: StopInstances while StartInstances may land")
    return w._replace(stop_order=True)


def with_reaper(w: World, mine: Reaper, other: Reaper) -> World:
    return w._replace(reapers=in_order(mine, other))
