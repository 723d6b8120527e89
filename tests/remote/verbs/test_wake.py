"""One wake for `fab wake`, `fab deploy` and `fab ssh`: what it is refused for, over the real `lease_client`."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from core import lease as protocol
from core.lease import State
from remote.machines.transport import Address, Unreachable
from remote.progress import Progress
from remote.verbs import power as verbs_power
from remote.verbs import ssh as shell
from remote.verbs import wake as waking
from remote.verbs.wake import NotStarted
from runtime import lease_client
from tests.core.test_policy_forecast import NOON
from tests.remote.verbs.test_verbs_power import STARTED, World, act, refusal


class Machine:
    """SSH that answers, or does not; whoever waits for it gives the world a step."""

    def __init__(self, world: World, *, up: bool) -> None:
        self.world, self.up, self.waited = world, up, 0

    def connect(self, patience_s: float = 0.0) -> None:
        if not self.up:
            self.waited += 1
            self.world.sleep(patience_s)
            raise Unreachable("The host does not answer by SSH.")

    def close(self) -> None:
        pass


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    clock = SimpleNamespace(sleep=world.sleep, monotonic=lambda: world.clock)
    monkeypatch.setattr(lease_client, "time", clock)
    monkeypatch.setattr(waking, "time", clock)
    world.put(State.STOPPED)
    return world


def ssh(monkeypatch: pytest.MonkeyPatch, world: World, *, up: bool) -> int:
    """`fab ssh` up to the shell itself, which ends with 7."""
    host = Machine(world, up=up)
    front = Machine(world, up=True)
    machines = iter((front, host))
    monkeypatch.setattr(shell, "Machine", lambda *_: next(machines))
    monkeypatch.setattr(shell, "LeaseClient", lambda _: world)
    monkeypatch.setattr(shell, "_ssh", lambda *_: 7)
    where = object.__new__(Address)
    return shell.open_shell(SimpleNamespace(gateway=where, host=where), gateway=False, command="")  # type: ignore[arg-type]


Verb = Callable[[pytest.MonkeyPatch, World], Any]
VERBS: dict[str, Verb] = {
    "wake": lambda _, world: verbs_power.wake(world.front, Progress()),
    "ssh": lambda monkeypatch, world: ssh(monkeypatch, world, up=False),
    "shared": lambda _, world: waking.wake(world, "fab deploy", Progress()),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
@pytest.mark.parametrize("state", [State.STOPPED, State.FAILED, State.STOPPING])
def test_beyond_the_budget_everybody_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, world: World, verb: Verb, state: State
) -> None:
    world.put(state, spent_until=NOON + 3600)
    with pytest.raises(NotStarted, match=r"did not start: the budget is spent.*pilotlight:budget"):
        verb(monkeypatch, world)
    assert ("wait" in world.asked, world.power.started, world.clock) == (False, 0, 0.0)


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
@pytest.mark.parametrize(
    ("code", "says"), [("VcpuLimitExceeded", "Service Quotas"), ("UnauthorizedOperation", "EC2's words")]
)
def test_what_waiting_does_not_mend_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, world: World, verb: Verb, code: str, says: str
) -> None:
    world.power.refuse = refusal(code)
    with pytest.raises(NotStarted, match=f"did not start: {code}.*{says}"):
        verb(monkeypatch, world)
    assert ("wait" in world.asked, world.clock) == (False, 0.0)


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_capacity_is_waited_for_and_then_told(monkeypatch: pytest.MonkeyPatch, world: World, verb: Verb) -> None:
    world.power.refuse = refusal("InsufficientInstanceCapacity")
    with pytest.raises(NotStarted, match=r"did not start: its lease is FAILED \(InsufficientInstanceCapacity"):
        verb(monkeypatch, world)


def test_ssh_waits_for_capacity_and_goes_on(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    world.power.refuse = refusal("InsufficientInstanceCapacity")
    world.steps = [act(protocol.start, by="reaper")]
    assert ssh(monkeypatch, world, up=True) == 7


def test_ssh_to_a_host_that_stops_waits_for_its_next_start(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    world.put(State.STOPPING, boot_id="b-1")
    world.steps = [act(protocol.stopped, by="relay"), act(protocol.start, by="relay")]
    assert ssh(monkeypatch, world, up=True) == 7


def test_a_host_that_is_on_is_not_asked_for(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    world.put(State.RUNNING)
    assert ssh(monkeypatch, world, up=True) == 7
    assert "request-wake" not in world.asked


def test_a_start_that_fails_while_ssh_is_waited_for_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    failed = act(protocol.fail, by="reaper", reason="EC2 may not use the key", failure="kms-key", order=False)
    world.steps = [lambda _: None, failed]
    with pytest.raises(NotStarted, match=r"its lease is FAILED \(EC2 may not use the key\)"):
        ssh(monkeypatch, world, up=False)


def test_a_host_that_is_up_and_does_not_answer_is_a_matter_of_ssh(world: World) -> None:
    world.put(State.RUNNING)
    host = Machine(world, up=False)
    with pytest.raises(Unreachable, match="does not answer by SSH"):
        waking.reach(host, world)  # type: ignore[arg-type]
    assert host.waited >= 1


def test_the_wait_for_ssh_is_over_when_it_answers(world: World) -> None:
    world.steps = [*STARTED]
    host = Machine(world, up=False)
    world.put(State.STARTING, boot_id="")

    def answers(_: float = 0.0) -> None:
        host.up = True

    world.sleep = answers  # type: ignore[method-assign]
    waking.reach(host, world)  # type: ignore[arg-type]
    assert host.waited == 1
