"""The reaper on the capacity ladder: an in-memory store, and an EC2 that has some types in some zones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from core import lease as protocol
from core.capacity.ladder import by_memory
from core.contract.tags import TAG_UNIT
from core.lease import Lease, State, to_item
from core.notifications import Kind, Notification
from core.policy import Facts, decide
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.backends.power import Machine, PowerRefused, PowerUnanswered
from runtime.reaper.climb import CLIMB_FOR_S
from runtime.reaper.sweep import Report, Sweep
from tests.samples import unit_settings

UNIT, HOST = "demo/host", "i-1"
TYPES = ("g6.xlarge", "g5.xlarge", "g6.2xlarge")
SETTINGS = unit_settings(unit=UNIT, instance_id=HOST, instance_types=TYPES, alerts_topic_arn="arn:topic")
NONE_LEFT = PowerRefused("InsufficientInstanceCapacity", "none left")


class Zone:
    """One machine. `refuses` says what a start as a type, or a change to it ("=g5.xlarge"), is answered with."""

    def __init__(self) -> None:
        self.type, self.state, self.reason = "g6.xlarge", "stopped", ""
        self.refuses: dict[str, Exception] = {}
        self.calls: list[str] = []
        self.before: Callable[[str], None] = lambda _: None

    def describe(self, instance_id: str) -> Machine:
        return Machine(instance_id, self.state, self.reason, self.type, tags={TAG_UNIT: UNIT})

    def describe_fleet(self, machines: Mapping[str, str]) -> dict[str, Machine]:
        return {i: self.describe(i) for i in machines.values()}

    def start(self, instance_id: str) -> None:
        self._call(self.type)
        self.state = "pending"

    def stop(self, instance_id: str) -> None:
        self._call("stop")

    def set_type(self, instance_id: str, instance_type: str) -> None:
        self._call(f"={instance_type}")
        self.type = instance_type

    def _call(self, what: str) -> None:
        self.before(what)
        self.calls.append(what)
        if what in self.refuses:
            raise self.refuses[what]


class Told(list[Notification]):
    def send(self, topic: str, notification: Notification) -> bool:
        self.append(notification)
        return True


class World:
    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.store = MemoryLeaseStore(lambda: self.now)
        self.zone, self.told = Zone(), Told()
        self.store.put_settings(SETTINGS)

    def given(self, state: State, **fields: Any) -> None:
        wake_request = {"wake_by": "relay", "wake_at": self.now, "wake_until": self.now + 600}
        lease = dataclasses.replace(
            Lease(UNIT, state, 3, self.now, "because", "agent", instance_id=HOST), **wake_request
        )
        self.store.write(protocol.Write(UNIT, "n", (), to_item(dataclasses.replace(lease, **fields))))

    def refused_the_relay(self) -> None:
        """As the relay leaves it before it calls the reaper."""
        self.given(State.FAILED, failure="capacity", by="relay", stopped_seen=self.now)

    @property
    def lease(self) -> Lease:
        lease = self.store.read(UNIT).lease
        assert lease is not None
        return lease

    def run(self) -> Report:
        return Sweep(self.store, self.zone, self.told).run([UNIT])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("runtime.reaper.climb.time.sleep", lambda _: None)
    return World()


def test_one_run_walks_from_the_relays_refusal_to_a_type_that_is_there(world: World) -> None:
    world.zone.refuses = {"g6.xlarge": NONE_LEFT, "g5.xlarge": NONE_LEFT}
    world.refused_the_relay()
    world.run()
    assert world.zone.calls == ["g6.xlarge", "g6.xlarge", "=g5.xlarge", "g5.xlarge", "=g6.2xlarge", "g6.2xlarge"]
    assert (world.lease.state, world.lease.rung, world.lease.attempts) == (State.STARTING, "g6.2xlarge", 1)
    assert world.lease.tried == "g6.xlarge (InsufficientInstanceCapacity), g5.xlarge (InsufficientInstanceCapacity)"


def test_capacity_that_comes_back_meanwhile_needs_no_other_type(world: World) -> None:
    world.zone.refuses = {"g6.xlarge": NONE_LEFT}
    world.zone.before = lambda what: world.zone.calls and world.zone.refuses.clear()  # type: ignore[func-returns-value]
    world.refused_the_relay()
    world.run()
    assert world.zone.calls == ["g6.xlarge", "g6.xlarge"]
    assert (world.lease.state, world.lease.rung) == (State.STARTING, "")


def test_every_rung_is_in_the_lease_before_it_is_tried(world: World) -> None:
    world.zone.refuses = {"g6.xlarge": NONE_LEFT, "g5.xlarge": NONE_LEFT}
    said: dict[str, str] = {}
    world.zone.before = lambda what: said.setdefault(what, world.lease.rung) and None
    world.refused_the_relay()
    world.run()
    assert (said["=g5.xlarge"], said["=g6.2xlarge"]) == ("g5.xlarge", "g6.2xlarge")


def test_all_refused_is_failed_on_the_type_it_had_with_one_alert_and_every_five_minutes(world: World) -> None:
    world.zone.refuses = dict.fromkeys(TYPES, NONE_LEFT)
    world.refused_the_relay()
    world.run()
    lease, calls = world.lease, len(world.zone.calls)
    assert (lease.state, lease.failure, lease.by, lease.rung) == (State.FAILED, "capacity", "reaper", "")
    assert world.zone.type == "g6.xlarge"
    for name in TYPES:
        assert f"{name} (InsufficientInstanceCapacity)" in lease.reason
    assert "InsufficientInstanceCapacity: none left" in lease.reason
    for _ in range(4):
        world.now += 60
        world.run()
    assert len(world.zone.calls) == calls
    world.now += 61
    world.run()
    assert len(world.zone.calls) == 2 * calls
    assert [n.facts["failure"] for n in world.told if n.kind is Kind.FAILED] == ["capacity"]


def test_nobody_asks_nobody_climbs(world: World) -> None:
    world.given(State.FAILED, failure="capacity", by="relay", stopped_seen=world.now, wake_until=world.now)
    world.run()
    assert world.zone.calls == []


@pytest.mark.parametrize(
    ("code", "failure", "says"),
    [
        ("VcpuLimitExceeded", "quota", "Service Quotas"),
        ("MaxSpotInstanceCountExceeded", "quota", "Service Quotas"),
        ("Client.InvalidKMSKey.InvalidState", "kms-key", "enable the key"),
        ("Unsupported", "unsupported-type", "host.instanceTypes"),
    ],
)
def test_what_is_not_capacity_fails_at_once_with_the_fix(world: World, code: str, failure: str, says: str) -> None:
    world.zone.refuses = {"g6.xlarge": PowerRefused(code, "words")}
    world.given(State.STOPPED)
    world.run()
    assert (world.lease.state, world.lease.failure, world.zone.calls) == (State.FAILED, failure, ["g6.xlarge"])
    assert f"{code}: words" in world.lease.reason
    assert says in world.lease.reason


def test_a_quota_on_the_way_ends_the_walk_and_the_type_goes_back(world: World) -> None:
    world.zone.refuses = {"g6.xlarge": NONE_LEFT, "g5.xlarge": PowerRefused("VcpuLimitExceeded", "0")}
    world.given(State.STOPPED)
    world.run()
    assert (world.lease.state, world.lease.failure, world.lease.rung) == (State.FAILED, "quota", "")
    assert (world.zone.type, world.zone.calls[-1]) == ("g6.xlarge", "=g6.xlarge")
    assert "Service Quotas" in world.lease.reason


@pytest.mark.parametrize("where", ["=g5.xlarge", "g5.xlarge"])
def test_a_type_that_the_zone_does_not_have_is_passed_over(world: World, where: str) -> None:
    world.zone.refuses = {"g6.xlarge": NONE_LEFT, where: PowerRefused("Unsupported", "not here")}
    world.given(State.STOPPED)
    world.run()
    assert (world.lease.state, world.lease.rung, world.zone.type) == (State.STARTING, "g6.2xlarge", "g6.2xlarge")
    assert "g5.xlarge (Unsupported)" in world.lease.tried


def test_a_start_that_fell_back_to_stopped_goes_on_where_it_was(world: World) -> None:
    world.given(State.STARTING, order_at=world.now - 40, attempts=1, tried="g6.xlarge (InsufficientInstanceCapacity)")
    world.zone.reason = "Server.InsufficientInstanceCapacity: Insufficient capacity."
    world.run()
    assert world.zone.calls == ["=g5.xlarge", "g5.xlarge"]
    assert (world.lease.state, world.lease.rung) == (State.STARTING, "g5.xlarge")
    assert world.lease.order_at == pytest.approx(world.now, abs=9)


def test_no_answer_leaves_the_start_to_be_repeated(world: World) -> None:
    world.zone.refuses = {"g6.xlarge": NONE_LEFT, "g5.xlarge": PowerUnanswered("time-out")}
    world.given(State.STOPPED)
    world.run()
    assert (world.lease.state, world.lease.rung) == (State.STARTING, "g5.xlarge")
    world.zone.refuses.clear()
    world.now += 61
    world.run()
    assert world.zone.calls[-1] == "g5.xlarge"
    assert (world.zone.state, world.lease.attempts) == ("pending", 2)


def test_a_walk_ends_in_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("runtime.reaper.climb.time.monotonic", lambda: clock[0])
    world.zone.refuses = dict.fromkeys(TYPES, NONE_LEFT)
    world.zone.before = lambda _: clock.__setitem__(0, clock[0] + CLIMB_FOR_S + 1)
    world.given(State.STOPPED)
    world.run()
    assert "=g5.xlarge" not in world.zone.calls
    assert world.lease.state is State.FAILED


def test_two_reapers_never_both_change_the_type(world: World) -> None:
    """The second begins the same walk from the same reading, in the middle of the first one's claim."""
    world.zone.refuses = dict.fromkeys(TYPES, NONE_LEFT)
    read = world.store.read_many
    world.given(State.STARTING, order_at=world.now - 40, attempts=1)
    world.zone.reason = "Server.InsufficientInstanceCapacity: Insufficient capacity."
    old = read([UNIT])
    second = Sweep(_Stale(world.store, old), world.zone, world.told)  # type: ignore[arg-type]

    def cut_in(what: str) -> None:
        world.zone.before = lambda _: None
        assert second.run([UNIT]).outcomes[UNIT].reason == "somebody else was first"

    world.zone.before = cut_in
    world.run()
    assert world.zone.calls == ["g6.xlarge", "=g5.xlarge", "g5.xlarge", "=g6.2xlarge", "g6.2xlarge", "=g6.xlarge"]


def test_a_slow_change_of_type_renews_its_claim_before_the_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the start order could land after the time until which the lease says that it may."""
    clock, claims = [0.0], list[float]()
    monkeypatch.setattr("runtime.reaper.climb.time.monotonic", lambda: clock[0])
    world.zone.refuses = {"g6.xlarge": NONE_LEFT}

    def slow(what: str) -> None:
        if what == "=g5.xlarge":
            clock[0] += 7
        claims.append(world.lease.order_at or 0.0)

    world.zone.before = slow
    world.given(State.STOPPED)
    world.run()
    assert world.zone.calls[-2:] == ["=g5.xlarge", "g5.xlarge"]
    assert claims[-1] == claims[-2] + 7


class _Stale:
    """A store that reads what was there before."""

    def __init__(self, store: MemoryLeaseStore, old: Any) -> None:
        self._store, self._old = store, old

    def read_many(self, units: Sequence[str]) -> Any:
        return self._old

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class TestTheWayBack:
    def off(self, world: World, state: State = State.STOPPED, **fields: Any) -> None:
        world.zone.type = "g5.xlarge"
        world.given(state, **{"rung": "g5.xlarge", "tried": "g6.xlarge (A)", "wake_until": None, **fields})

    def test_in_the_next_stopped_period_the_type_goes_back(self, world: World) -> None:
        self.off(world)
        world.run()
        assert (world.zone.calls, world.lease.rung, world.lease.tried) == (["=g6.xlarge"], "", "")
        world.run()
        assert world.zone.calls == ["=g6.xlarge"]

    def test_before_the_start_in_one_run_from_stopping_on(self, world: World) -> None:
        requested = {"wake_until": world.now + 600}
        self.off(world, state=State.STOPPING, **requested)
        world.run()
        assert (world.zone.calls, world.lease.state) == (["=g6.xlarge", "g6.xlarge"], State.STARTING)

    def test_a_refusal_does_not_keep_it_from_starting(self, world: World) -> None:
        self.off(world, wake_until=world.now + 600)
        world.zone.refuses = {"=g6.xlarge": PowerRefused("UnauthorizedOperation", "no")}
        world.run()
        assert world.zone.calls == ["=g6.xlarge", "g5.xlarge"]
        assert (world.lease.state, world.lease.rung) == (State.STARTING, "g5.xlarge")

    def test_a_type_that_was_set_by_hand_is_left_alone(self, world: World) -> None:
        self.off(world, rung="", tried="")
        world.run()
        assert (world.zone.calls, world.zone.type) == ([], "g5.xlarge")

    def test_two_reapers_set_it_back_once(self, world: World) -> None:
        self.off(world)
        old = world.store.read_many([UNIT])
        second = Sweep(_Stale(world.store, old), world.zone, world.told)  # type: ignore[arg-type]

        def cut_in(_: str) -> None:
            world.zone.before = lambda _: None
            second.run([UNIT])

        world.zone.before = cut_in
        world.run()
        assert world.zone.calls == ["=g6.xlarge"]


# ---------------------------------------------------------------- GPU memory
SMALL = ("g6.xlarge", "g4dn.xlarge", "g5.xlarge")
SKIPPED = "g4dn.xlarge skipped: 16 GiB of GPU memory, g6.xlarge has 24"


def test_a_rung_with_less_gpu_memory_is_never_tried_and_is_named(world: World) -> None:
    world.store.put_settings(dataclasses.replace(SETTINGS, instance_types=SMALL, skipped_types=by_memory(SMALL)))
    world.zone.refuses = {"g6.xlarge": NONE_LEFT, "g5.xlarge": NONE_LEFT}
    world.refused_the_relay()
    world.run()
    assert [call for call in world.zone.calls if "g4dn" in call] == []
    assert world.lease.state is State.FAILED
    assert f"(InsufficientInstanceCapacity); {SKIPPED}; EC2 said last" in world.lease.reason
    assert any(SKIPPED in notification.reason for notification in world.told)


def test_a_start_on_a_rung_names_what_was_skipped(world: World) -> None:
    settings = dataclasses.replace(SETTINGS, instance_types=SMALL, skipped_types=by_memory(SMALL))
    world.store.put_settings(settings)
    world.zone.refuses = {"g6.xlarge": NONE_LEFT}
    world.refused_the_relay()
    world.run()
    assert (world.lease.state, world.lease.rung) == (State.STARTING, "g5.xlarge")
    assert "g4dn" not in world.lease.tried, "EC2 did not refuse it"
    decision = decide(world.lease, Facts("pending", "", {}), settings, world.now)
    assert f"as g5.xlarge after EC2 refused g6.xlarge (InsufficientInstanceCapacity) ({SKIPPED})" in decision.reason


def test_engines_on_the_cpu_are_not_limited(world: World) -> None:
    world.store.put_settings(dataclasses.replace(SETTINGS, instance_types=SMALL))
    world.zone.refuses = {"g6.xlarge": NONE_LEFT}
    world.refused_the_relay()
    world.run()
    assert (world.lease.state, world.lease.rung) == (State.STARTING, "g4dn.xlarge")
