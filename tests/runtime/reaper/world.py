"""A pass of the reaper over a store in memory, with the power and the notifications of a test."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

from core import lease as protocol
from core.contract.tags import TAG_UNIT
from core.errors import LeaseError
from core.lease import Lease, State, to_item
from core.notifications import Kind, Notification
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.backends.power import Machine
from runtime.reaper.sweep import Sweep
from tests.samples import unit_settings

SETTINGS = unit_settings(alerts_topic_arn="arn:topic")


class FakePower:
    """EC2 for two machines: obeys at once, or refuses what the test put in `refuse`."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.tags: dict[str, dict[str, str]] = {}  # of machines that come along with the fleet
        self.units: dict[str, str] = {}  # what the others' tags say; else the sample's
        self.orders: list[tuple[str, str]] = []
        self.refuse: list[Exception] = []
        self.describes = 0

    def describe(self, instance_id: str) -> Machine:
        state = self.states.get(instance_id, "missing")
        tags = self.tags.get(instance_id, {TAG_UNIT: self.units.get(instance_id, "demo/host")})
        return Machine(instance_id, state, "EC2's words", "g6.xlarge", tags=tags)

    def describe_fleet(self, machines: Mapping[str, str]) -> dict[str, Machine]:
        self.describes += 1
        return {i: self.describe(i) for i in [*machines.values(), *self.tags]}

    def start(self, instance_id: str) -> None:
        self._order("start", instance_id, "pending")

    def stop(self, instance_id: str) -> None:
        self._order("stop", instance_id, "stopping")

    def _order(self, name: str, instance_id: str, state: str) -> None:
        self.orders.append((name, instance_id))
        if self.refuse:
            raise self.refuse.pop(0)
        self.states[instance_id] = state

    def set_type(self, instance_id: str, instance_type: str) -> None:
        self.orders.append((instance_type, instance_id))


class Told:
    """What was sent, in order; `alerts` of it, by unit and key ("-key" where it is over); `kinds` of all else."""

    def __init__(self) -> None:
        self.notifications: list[Notification] = []

    def send(self, topic: str, notification: Notification) -> bool:
        self.notifications.append(notification)
        return True

    @property
    def alerts(self) -> list[tuple[str, str]]:
        found = [n for n in self.notifications if n.kind is Kind.ALERT]
        return [(n.unit, f"{'-' if n.facts['cleared'] else ''}{n.facts['alert']}") for n in found]

    @property
    def kinds(self) -> list[str]:
        return [n.kind.value for n in self.notifications if n.kind is not Kind.ALERT]


class World:
    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.store = MemoryLeaseStore(lambda: self.now)
        self.power, self.told = FakePower(), Told()
        self.sweep = Sweep(self.store, self.power, self.told)

    def add(self, state: State, machine: str, unit: str = "demo/host", **fields: Any) -> None:
        instance = f"i-{unit}"
        self.store.put_settings(dataclasses.replace(SETTINGS, unit=unit, instance_id=instance))
        lease = Lease(unit, state, 3, self.now, "because", "agent", instance_id=instance, boot_id="b")
        if state is State.RUNNING:
            lease = dataclasses.replace(lease, agent_at=self.now, ready_at=self.now, demand_at=self.now)
        lease = dataclasses.replace(lease, **fields)
        with contextlib.suppress(LeaseError):  # it was written; a test wants it unreadable
            self.store.write(protocol.Write(unit, "n", (), to_item(lease)))
        self.power.states[instance], self.power.units[instance] = machine, unit

    def lease(self, unit: str = "demo/host") -> Lease:
        lease = self.store.read(unit).lease
        assert lease is not None
        return lease

    def machine(self, unit: str = "demo/host") -> str:
        return self.power.states[f"i-{unit}"]

    def run(self) -> dict[str, str]:
        return {u: o.action for u, o in self.sweep.run().outcomes.items()}


def wake_requested(world: World) -> dict[str, Any]:
    return {"wake_by": "relay", "wake_at": world.now, "wake_until": world.now + 600}
