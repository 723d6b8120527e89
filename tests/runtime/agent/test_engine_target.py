"""A machine that stays on: a run of its engines is a boot, and the agent outlives it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.lease import State
from runtime.agent.engine_target import EngineTarget
from tests.runtime.agent.world import World


class Systemd:
    """What `systemctl show` says of the target; `asked` counts."""

    def __init__(self) -> None:
        self.state, self.run, self.since, self.asked = "active", "run-1", "90000000", 0

    def __call__(self) -> dict[str, str]:
        self.asked += 1
        return {
            "ActiveState": self.state,
            "InvocationID": self.run,
            "ActiveEnterTimestampMonotonic": self.since,
        }


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def systemd() -> Systemd:
    return Systemd()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def target(tmp_path: Path, systemd: Systemd, clock: Clock) -> EngineTarget:
    return EngineTarget(str(tmp_path / "ready"), systemd, clock)


def test_a_run_has_systemds_id_and_age(target: EngineTarget) -> None:
    assert (target.boot_id, target.up_s()) == ("run-1", 10.0)


@pytest.mark.parametrize("state", ["inactive", "failed", "activating", "deactivating", ""])
def test_engines_that_are_off_have_none(target: EngineTarget, systemd: Systemd, state: str) -> None:
    systemd.state = state
    assert (target.boot_id, target.up_s(), target.was_ready()) == ("", 0.0, False)


def test_the_questions_of_one_tick_are_one(target: EngineTarget, systemd: Systemd, clock: Clock) -> None:
    assert [target.boot_id for _ in range(5)] == ["run-1"] * 5
    assert systemd.asked == 1
    systemd.run, clock.now = "run-2", clock.now + 0.2
    assert (target.boot_id, systemd.asked) == ("run-2", 2)


def test_that_it_was_running_is_of_this_run_alone(
    target: EngineTarget, systemd: Systemd, clock: Clock, tmp_path: Path
) -> None:
    assert not target.was_ready()
    target.note_ready()
    assert EngineTarget(str(tmp_path / "ready"), systemd, clock).was_ready(), "an agent that comes later knows"
    systemd.run = "run-2"
    assert not EngineTarget(str(tmp_path / "ready"), systemd, clock).was_ready()


# ---------------------------------------------------------------- the agent
def test_the_agent_waits_while_the_engines_are_off_and_takes_their_next_run(world: World) -> None:
    """STARTING alone is no run: nothing is claimed or proved before systemd has started the engines."""
    world.put(State.STARTING, boot_id=None)
    world.host.boot_id = ""
    world.pass_time(5.0)
    assert (world.host.closed, world.engine.asked, world.lease().boot_id) == (True, 0, "")
    world.host.boot_id = "run-2"
    world.pass_time(5.0)
    lease = world.lease()
    assert (lease.state, lease.boot_id, world.host.closed) == (State.RUNNING, "run-2", False)


def test_engines_that_somebody_stopped_get_no_heartbeat(world: World) -> None:
    """The reaper sees them off, and ends the lease: the agent says nothing of a run that is over."""
    world.put(State.RUNNING)
    world.pass_time(1.0)
    before = world.lease().agent_at
    world.host.boot_id = ""
    world.pass_time(60.0)
    assert (world.lease().agent_at, world.host.closed) == (before, True)


def test_the_agent_rests_while_the_engines_are_off(world: World) -> None:
    world.put(State.STOPPED, boot_id=None)
    world.host.boot_id = ""
    world.pass_time(30.0)
    assert world.agent.tick() >= 1.0
