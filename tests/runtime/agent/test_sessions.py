"""SSH sessions as the machine shows them, and what the agent makes of them."""

from __future__ import annotations

import os
import pty
from collections.abc import Sequence
from pathlib import Path

import pytest

from core import lease as protocol
from core.contract.intervals import HEARTBEAT_S
from core.lease import SESSIONS, State
from core.sessions import ACTIVE_S, Session
from runtime.agent.sessions import Sessions, read_sessions, write_to
from tests.runtime.agent.test_dead_man import LIMIT
from tests.runtime.agent.test_dead_man import World as SwitchWorld
from tests.runtime.agent.world import World

NOW = 2_000_000.0


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A /proc and a /dev with two terminals: pts/0 typed in 10 s ago, pts/1 printed to 5 s ago."""
    for name, at, mt in (("0", 10, 500), ("1", 900, 5)):
        terminal = tmp_path / "dev" / "pts" / name
        terminal.parent.mkdir(parents=True, exist_ok=True)
        terminal.touch()
        os.utime(terminal, (NOW - at, NOW - mt))
    return tmp_path


def process(machine: Path, pid: int, cmdline: bytes) -> None:
    (machine / "proc" / str(pid)).mkdir(parents=True)
    (machine / "proc" / str(pid) / "cmdline").write_bytes(cmdline)


def seen(machine: Path) -> list[Session]:
    return list(read_sessions(machine / "proc", machine / "dev", lambda: NOW))


@pytest.mark.parametrize("name", [b"sshd", b"sshd-session"])
def test_sessions_with_a_terminal_are_read_with_their_idle_time(machine: Path, name: bytes) -> None:
    process(machine, 7, name + b": ubuntu@pts/0,pts/1\0\0")
    process(machine, 8, name + b": ubuntu [priv]\0")
    process(machine, 9, name + b": ubuntu@notty\0")  # fab, rsync
    process(machine, 10, b"/usr/sbin/sshd -D\0")
    process(machine, 11, b"vim\0sshd: x@pts/0\0")
    process(machine, 12, name + b": ann@pts/9\0")  # its terminal is gone
    (machine / "proc" / "self").mkdir()
    assert seen(machine) == [Session("ubuntu", "pts/0", 10.0), Session("ubuntu", "pts/1", 5.0)]


def test_a_process_that_ends_meanwhile_is_passed_over(machine: Path) -> None:
    (machine / "proc" / "7").mkdir(parents=True)
    assert seen(machine) == []


def test_words_reach_the_terminal() -> None:
    ours, theirs = pty.openpty()
    try:
        tty = os.ttyname(theirs).removeprefix("/dev/")
        write_to([Session("ann", "pts/gone", 0.0), Session("ann", tty, 0.0)], "off in 5m")
        assert b"off in 5m" in os.read(ours, 100)
    finally:
        os.close(ours)
        os.close(theirs)


class Here:
    """People on the host of a simulated agent."""

    def __init__(self, world: World) -> None:
        self.people: list[Session] = []
        self.said: list[str] = []
        world.agent._sessions = Sessions(lambda: self.people, self._write)

    def _write(self, sessions: Sequence[Session], words: str) -> None:
        self.said += [words] if sessions else []


def test_an_active_session_inhibits_the_host_and_its_end_lets_go() -> None:
    world = World()
    world.put(State.RUNNING)
    here = Here(world)
    here.people = [Session("ann", "pts/0", 3.0)]
    world.pass_time(HEARTBEAT_S + 1)
    assert [(h.who, h.why) for h in world.lease().inhibitors] == [(SESSIONS, "ann on pts/0")]
    here.people = []
    world.pass_time(2 * HEARTBEAT_S)
    assert world.lease().inhibitors == ()


def test_a_forgotten_terminal_inhibits_nothing() -> None:
    world = World()
    world.put(State.RUNNING)
    Here(world).people = [Session("ann", "pts/0", ACTIVE_S)]
    world.pass_time(2 * HEARTBEAT_S)
    assert world.lease().inhibitors == ()


def test_who_comes_while_it_drains_keeps_it_on() -> None:
    world = World()
    world.put(State.RUNNING)
    here = Here(world)
    world.pass_time(1)
    world.change(protocol.drain, now=world.table_now(), reason="no demand for 30m")
    here.people = [Session("ann", "pts/0", 1.0)]
    world.pass_time(5)
    assert world.lease().state is State.RUNNING
    assert "somebody works here: ann on pts/0" in world.lease().reason
    assert here.said == [
        "pilotlight: this host is about to turn itself off (no demand for 30m). Press a key now to keep it on."
    ]


def test_an_idle_session_is_told_and_does_not_prevent_the_stop() -> None:
    world = World()
    world.put(State.DRAINING, reason="no demand for 30m", cordon_epoch=3)
    here = Here(world)
    here.people = [Session("ann", "pts/0", ACTIVE_S)]
    world.pass_time(5)
    assert world.lease().state is State.STOPPING
    assert len(here.said) == 2
    assert here.said[-1] == "pilotlight: this host turns itself off now: no demand for 30m"


def test_an_announced_stop_is_said_once() -> None:
    world = World()
    world.put(State.RUNNING, warned=f"maxLease:{world.table_now() - 3000:.0f}+3600")
    here = Here(world)
    here.people = [Session("ann", "pts/0", 5000.0)]
    world.pass_time(30)
    assert here.said == ["pilotlight: this host turns itself off in 10m (maxLease)."]


def test_the_dead_mans_switch_leaves_whoever_works_alone() -> None:
    world = SwitchWorld()
    world.switch._working = lambda: "ann on pts/0"
    world.agent_lives = False
    world.pass_time(LIMIT + 60)
    assert world.host.diary == []
