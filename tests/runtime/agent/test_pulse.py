"""The heartbeat's word on the engines, over the agent's whole loop: who is dead, who is unknown, what is restarted."""

from __future__ import annotations

import pytest

from core import lease as protocol
from core.contract.intervals import HEARTBEAT_S
from core.engines.health import GIVEN_UP_S, HUNG_S, LOADING_S, SILENT_S
from core.lease import State
from runtime.agent.engines import Absent, Counters, Unreadable
from tests.runtime.agent.world import World

BEATS = 2 * HEARTBEAT_S + 1


@pytest.fixture
def world() -> World:
    world = World()
    world.put(State.RUNNING)
    world.pass_time(HEARTBEAT_S + 1)
    assert (world.lease().dead, world.lease().busy) == ("", 0)
    return world


def die(world: World, unit: str = "failed") -> None:
    world.engine.now, world.engine.well, world.host.unit = Absent("nobody listens"), False, unit


def hang(world: World) -> None:
    world.engine.now, world.engine.well = Unreadable("m: GET /metrics: timed out"), False


def test_a_dead_engine_is_in_the_heartbeat_with_since_when(world: World) -> None:
    died_at = world.table_now()
    die(world, "activating")
    world.pass_time(100)
    lease = world.lease()
    assert lease.dead == "m"
    assert lease.dead_at is not None
    assert died_at <= lease.dead_at <= died_at + HEARTBEAT_S + 1
    assert (lease.busy, lease.unknown_at) == (0, None)


def test_an_engine_that_is_back_is_no_longer_dead(world: World) -> None:
    die(world)
    world.pass_time(BEATS)
    world.engine.now = Counters(0, 0.0)
    world.pass_time(BEATS)
    assert (world.lease().dead, world.lease().dead_at) == ("", None)


@pytest.mark.parametrize(("unit", "after_s"), [("failed", GIVEN_UP_S), ("active", LOADING_S)])
def test_a_unit_that_does_not_come_back_is_restarted_once_a_while(world: World, unit: str, after_s: float) -> None:
    die(world, unit)
    world.pass_time(after_s)
    assert world.host.diary == []
    world.pass_time(HEARTBEAT_S + 1)
    assert world.host.diary == ["restart m"]
    world.pass_time(after_s - HEARTBEAT_S)
    assert world.host.diary == ["restart m"]
    world.pass_time(2 * HEARTBEAT_S)
    assert world.host.diary == ["restart m"] * 2


def test_an_engine_that_hangs_is_unknown_then_dead_then_restarted(world: World) -> None:
    hang(world)
    world.pass_time(SILENT_S)
    assert (world.lease().dead, world.lease().in_use) == ("", True)
    world.pass_time(BEATS)
    assert (world.lease().dead, world.lease().in_use) == ("m", False)
    world.pass_time(HUNG_S - SILENT_S)
    assert world.host.diary == ["restart m"]


def test_under_an_inhibitor_nothing_is_restarted(world: World) -> None:
    """`fab deploy` is at work on the engines."""
    until = world.table_now() + 10_000
    world.change(protocol.inhibit, who="deploy", why="fab deploy", now=world.table_now(), until=until)
    die(world)
    world.pass_time(3 * GIVEN_UP_S)
    assert world.lease().dead == "m"
    assert world.host.diary == []


def test_a_restarted_agent_goes_on_counting(world: World) -> None:
    die(world)
    world.pass_time(GIVEN_UP_S - BEATS)
    since = world.lease().dead_at
    world.new_agent()
    world.pass_time(BEATS)
    assert world.lease().dead_at == pytest.approx(since)
    world.pass_time(BEATS)
    assert world.host.diary == ["restart m"]


def test_what_a_dead_engine_held_is_no_demand(world: World) -> None:
    """A request that hangs in an engine that hangs is answered by nobody: it keeps no host on."""
    before = world.lease().demand_at
    hang(world)
    world.pass_time(SILENT_S + BEATS)
    assert (world.lease().busy, world.lease().demand_at) == (0, before)


@pytest.mark.parametrize("gauge", ["NaN", "+Inf", "-Inf", "-1.0", "1e300"])
def test_a_gauge_that_is_no_number_is_neither_idle_nor_a_crash(world: World, gauge: str) -> None:
    world.engine.now = Unreadable(f"/metrics says {gauge!r}")
    world.pass_time(BEATS)
    lease = world.lease()
    assert lease.in_use
    assert (lease.busy, lease.dead) == (0, "")
    since = lease.unknown_at
    world.pass_time(BEATS)
    assert world.lease().unknown_at == since
    world.engine.now = Counters(0, 10.0)
    world.pass_time(BEATS)
    assert not world.lease().in_use


def test_a_drain_with_such_a_gauge_is_vetoed_and_is_no_demand(world: World) -> None:
    before = world.lease().demand_at
    world.engine.now = Unreadable("/metrics says 'NaN'")
    world.change(protocol.drain, now=world.table_now(), reason="idle")
    world.pass_time(60)
    assert (world.lease().state, world.lease().demand_at) == (State.RUNNING, before)


def test_a_wake_request_that_vetoes_is_no_demand(world: World) -> None:
    """Somebody asked; only what is seen in the engines counts, or maxLease would never come."""
    before, requested = world.lease().demand_at, {"wake_by": "ann", "wake_until": world.table_now() + 99}
    world.put(State.DRAINING, demand_at=before, **requested)
    world.pass_time(3)
    assert (world.lease().state, world.lease().demand_at) == (State.RUNNING, before)
