"""The budget in a pass: what the month's hours have cost, from the history."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from core import lease as protocol
from core.lease import Event, Lease, State, to_item
from core.policy import Action
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.reaper.sweep import Sweep
from tests.runtime.reaper.world import SETTINGS, FakePower, Told

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
HOUR = 3600.0


def event(epoch: int, hours: float, before: State, after: State) -> Event:
    return Event(epoch, NOVEMBER + hours * HOUR, before, after, "reaper", "because")


HISTORY = [
    event(1, -50, State.STOPPED, State.STARTING),
    event(2, -40, State.STOPPING, State.STOPPED),
    event(3, -5, State.STOPPED, State.STARTING),  # over the turn of the month
    event(4, -4, State.STARTING, State.RUNNING),
    event(5, 10, State.STOPPING, State.STOPPED),
    event(6, 20, State.STOPPED, State.STARTING),
]


def store(now: float, **fields: Any) -> MemoryLeaseStore:
    made = MemoryLeaseStore(lambda: now)
    lease = Lease("demo/host", State.STOPPED, 6, now - 99, "idle", "agent", instance_id="i-1", **fields)
    for past in HISTORY[:-1]:
        made.write(protocol.Write("demo/host", f"n{past.epoch}", (), to_item(lease), past))
    return made


def test_a_pass_refuses_a_wake_request_beyond_the_budget() -> None:
    now = NOVEMBER + 20 * HOUR
    leases = store(now, wake_by="relay", wake_at=now, wake_until=now + 600)
    leases.put_settings(dataclasses.replace(SETTINGS, monthly_budget_usd=8.0))
    power, told = FakePower(), Told()
    power.states["i-1"] = "stopped"
    outcome = Sweep(leases, power, told).run().outcomes["demo/host"]
    assert (outcome.action, power.orders, told.alerts) == (Action.REFUSE, [], [])
    assert [n.facts["percent"] for n in told.notifications] == [100]
    lease = leases.read("demo/host").lease
    assert lease is not None
    assert not lease.wanted(now)
    assert lease.spent_until == datetime(2026, 12, 1, tzinfo=UTC).timestamp()  # the relay refuses by it
