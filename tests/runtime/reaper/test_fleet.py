"""What a pass sees beyond single leases: no lease yet, duplicates, a type that nobody chose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from core import lease as protocol
from core.contract.intervals import NEW_ALERT_S
from core.contract.table import SK_LEASE
from core.contract.tags import TAG_UNIT
from core.errors import ContractError, LeaseError
from core.lease import LEASE_VERSION, Lease, State, from_item, to_item
from core.notifications import Kind, Notification
from core.policy import Action
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.backends.power import Machine
from runtime.reaper.sweep import Sweep
from tests.samples import unit_settings

UNIT = "demo/host"
SETTINGS = unit_settings(alerts_topic_arn="arn:topic", max_lease_s=7200.0)


class Cloud:
    """Machines by id. Orders are noted and obeyed."""

    def __init__(self) -> None:
        self.machines: dict[str, Machine] = {}
        self.stopped: list[str] = []

    def add(self, instance_id: str, state: str, *, unit: str = UNIT, kind: str = "g6.xlarge") -> None:
        tags = {TAG_UNIT: unit} if unit else {}
        self.machines[instance_id] = Machine(instance_id, state, "", kind, tags=tags)

    def describe(self, instance_id: str) -> Machine:
        return self.machines.get(instance_id, Machine(instance_id, "missing"))

    def describe_fleet(self, machines: Mapping[str, str]) -> dict[str, Machine]:
        return self.machines | {i: self.describe(i) for i in machines.values()}

    def start(self, instance_id: str) -> None:
        raise AssertionError("nothing is to be started")

    def stop(self, instance_id: str) -> None:
        self.stopped.append(instance_id)

    def set_type(self, instance_id: str, instance_type: str) -> None:
        raise AssertionError("no type is to be changed")


class World:
    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.store = MemoryLeaseStore(lambda: self.now)
        self.store.put_settings(SETTINGS)
        self.cloud = Cloud()
        self.alerts: list[tuple[str, str]] = []
        self.topics: list[str] = []
        self.sweep = Sweep(self.store, self.cloud, self, "arn:control")

    def send(self, topic: str, notification: Notification) -> bool:
        if notification.kind is Kind.ALERT and not notification.facts["cleared"]:
            self.alerts.append((str(notification.facts["alert"]), notification.reason))
            self.topics.append(topic)
        return True

    def lease(self) -> Lease | None:
        return self.store.read(UNIT).lease

    def running(self, **fields: Any) -> None:
        at = self.now
        lease = Lease(UNIT, State.RUNNING, 3, at, "because", "agent", instance_id="i-1", boot_id="b")
        heard = {"agent_at": at, "ready_at": at, "demand_at": at} | fields
        self.store.write(protocol.Write(UNIT, "n", (), to_item(lease) | heard))

    def run(self) -> tuple[str, str]:
        outcome = self.sweep.run().outcomes[UNIT]
        return outcome.action, outcome.reason


@pytest.fixture
def world() -> World:
    return World()


# ---------------------------------------------------------------- a machine without a lease
@pytest.mark.parametrize("state", ["pending", "running"])
def test_a_machine_that_is_up_without_a_lease_gets_one(world: World, state: str) -> None:
    world.cloud.add("i-1", state)
    assert world.run()[0] == Action.CREATE
    lease = world.lease()
    assert lease is not None
    assert (lease.state, lease.by, lease.instance_id, lease.epoch) == (State.NEW, "reaper", "i-1", 1)
    assert [e.after for e in world.store.events(UNIT)] == [State.NEW]
    assert world.run() == (Action.KEEP, "new for 0s; not deployed yet")


@pytest.mark.parametrize("state", ["stopped", "stopping", "terminated", "missing"])
def test_a_machine_that_costs_nothing_is_left_to_deploy(world: World, state: str) -> None:
    world.cloud.add("i-1", state)
    action, reason = world.run()
    assert (action, world.lease()) == (Action.KEEP, None)
    assert state in reason
    assert "fab deploy" in reason


def test_what_nobody_deploys_is_told_and_then_stopped(world: World) -> None:
    world.cloud.add("i-1", "running")
    world.run()
    world.now += NEW_ALERT_S
    world.run()
    assert [alert for alert, _ in world.alerts] == ["new"]
    world.now += SETTINGS.max_lease_s
    assert world.run()[0] == Action.FORCE
    world.now += 61
    assert world.run()[0] == Action.BACKSTOP
    assert world.cloud.stopped == ["i-1"]


def test_somebody_who_makes_the_lease_at_the_same_moment_wins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.cloud.add("i-1", "running")
    nothing = world.store.read_many([UNIT])
    world.store.write(protocol.create(UNIT, "i-1", by="deploy", now=world.now, nonce="d"))
    monkeypatch.setattr(world.store, "read_many", lambda _: nothing)
    world.run()
    lease = world.lease()
    assert lease is not None
    assert (lease.by, lease.epoch) == ("deploy", 1)


def test_a_deleted_lease_is_made_again(world: World) -> None:
    world.cloud.add("i-1", "running")
    assert world.run()[0] == Action.CREATE
    del world.store._rows._rows[UNIT, SK_LEASE]
    assert world.run()[0] == Action.CREATE
    lease = world.lease()
    assert lease is not None
    assert (lease.state, lease.epoch) == (State.NEW, 2)


def test_a_lease_that_cannot_be_made_is_told_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.cloud.add("i-1", "running")
    monkeypatch.setattr(world.store, "write", lambda _: None)
    for _ in range(2):
        world.sweep.run()
    assert [(alert, "nothing bounds its machine" in words) for alert, words in world.alerts] == [("broken", True)]


# ---------------------------------------------------------------- two machines with one tag
def test_another_machine_with_the_units_tag_is_told_once_and_left_alone(world: World) -> None:
    world.running()
    world.cloud.add("i-1", "running")
    world.cloud.add("i-2", "running")
    for _ in range(3):
        action, reason = world.run()
        assert action == Action.KEEP
        assert "last demand 0s ago" in reason
        assert "i-2 (running) carries this unit's tag too" in reason
        assert "the lease's machine is i-1" in reason
    assert [alert for alert, _ in world.alerts] == ["duplicate"]
    assert world.cloud.stopped == []


@pytest.mark.parametrize("state", ["terminated", "shutting-down"])
def test_a_machine_that_goes_is_no_duplicate_any_more(world: World, state: str) -> None:
    world.running()
    world.cloud.add("i-1", "running")
    world.cloud.add("i-2", "stopped")
    world.run()
    world.cloud.add("i-2", state)
    assert "i-2" not in world.run()[1]
    world.cloud.add("i-2", "stopped")
    world.run()
    assert [alert for alert, _ in world.alerts] == ["duplicate", "duplicate"]


def test_another_units_machine_and_an_untagged_one_are_no_duplicates(world: World) -> None:
    world.running()
    world.cloud.add("i-1", "running")
    world.cloud.add("i-2", "running", unit="other/host")
    world.cloud.add("i-3", "running", unit="")
    world.run()
    assert world.alerts == []


def test_a_replacement_that_did_not_finish_says_what_to_do(world: World) -> None:
    world.store.put_settings(unit_settings(alerts_topic_arn="arn:topic", instance_id="i-2"))
    world.running()
    world.cloud.add("i-1", "running")
    world.cloud.add("i-2", "running")
    assert "`pulumi up` made i-2: run `fab deploy -s demo`" in world.run()[1]


# ---------------------------------------------------------------- a type that nobody chose
@pytest.mark.parametrize(
    ("kind", "rung", "said"),
    [
        ("g6.xlarge", "", False),
        ("p5.48xlarge", "", True),
        ("p5.48xlarge", "p5.48xlarge", False),  # the ladder's own, before the stack file changed
    ],
)
def test_a_type_that_is_no_ones_choice_is_said_and_never_changed(
    world: World, kind: str, rung: str, said: bool
) -> None:
    world.running(**({"rung": rung} if rung else {}))
    world.cloud.add("i-1", "running", kind=kind)
    action, reason = world.run()
    assert action == Action.KEEP
    assert (f"the machine is {kind}, the stack file says g6.xlarge; it stays so" in reason) is said
    assert world.alerts == []


# ---------------------------------------------------------------- what cannot be read
def test_one_alert_a_change_of_reason_over_many_passes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.running()
    world.cloud.add("i-1", "running")
    for item in (
        {"lease_version": 99},
        {"lease_version": LEASE_VERSION},
        {"lease_version": 99},
        None,
        {"lease_version": 99},
    ):
        read = world.store.read_many([UNIT]) if item is None else {UNIT: _unreadable(item)}
        monkeypatch.setattr(MemoryLeaseStore, "read_many", lambda *_, read=read: read)
        for _ in range(3):
            world.sweep.run()
        monkeypatch.undo()
    reasons = [reason for alert, reason in world.alerts if alert == "broken"]
    assert ["version 99" in reason for reason in reasons] == [True, False, True, True]
    assert "lacks by, epoch" in reasons[1]


def _unreadable(item: dict[str, Any]) -> LeaseError:
    with pytest.raises(LeaseError) as caught:
        from_item({"unit": UNIT} | item)
    return caught.value


def test_settings_that_cannot_be_read_are_told_to_the_control(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    newer: dict[str, Any] = {UNIT: ContractError("UnitSettings has schema_version 2; this program reads 1.")}
    monkeypatch.setattr(world.store, "all_settings", lambda: newer)
    for _ in range(3):
        world.sweep.run()
    assert [alert for alert, _ in world.alerts] == ["broken"]
    assert world.topics == ["arn:control"]
