"""`fab wake` and `fab stop` over the real `lease_client`: others act on the lease while the verbs wait."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable
from contextlib import redirect_stdout
from types import SimpleNamespace
from typing import Any

import pytest
from invoke.context import Context

from core import lease as protocol
from core.errors import DeployError
from core.lease import Lease, State, to_item
from core.times import moments
from remote import tasks
from remote.machines.lease_client import Answer, person
from remote.progress import Progress
from remote.verbs import history as verbs_history
from remote.verbs import lease as verbs_lease
from remote.verbs import power as verbs_power
from remote.verbs.lease import Front
from remote.verbs.power import Cut, Done
from runtime import lease_client
from runtime.backends.power import PowerRefused
from tests.core.test_policy_forecast import NOON
from tests.remote.verbs.test_verbs_lease import STACK
from tests.remote.verbs.test_verbs_together import Client, Power

Step = Callable[["World"], None]
BOOT = {"boot_id": "b-1"}


class FakePower(Power):
    refuse: PowerRefused | None = None

    def start(self, instance_id: str) -> None:
        if self.refuse:
            raise self.refuse
        super().start(instance_id)


class World(Client):
    """While a verb waits, the next of `steps` happens; without one left the time runs out."""

    def __init__(self) -> None:
        super().__init__()
        self.power = FakePower()
        self.cli = lease_client.Cli(self.cli._config, self.store, self.power)  # type: ignore[arg-type]
        self.steps: list[Step] = []
        self.clock = 0.0
        self.asked: list[str] = []
        self.waits: list[tuple[str, ...]] = []
        self.front = Front(SimpleNamespace(stack="s", settings=STACK, api_url="http://a/v1"), self)  # type: ignore[arg-type]

    def call(self, verb: str, *words: str, timeout_s: float = 30.0) -> Answer:
        self.asked.append(verb)
        if verb == "wait":
            self.waits.append(words)
        return super().call(verb, *words)

    def show(self) -> Answer:
        return self.call("show", "--machine")

    def _lines(self, *words: str) -> list[dict[str, Any]]:
        out = io.StringIO()
        with redirect_stdout(out):
            assert lease_client.main(list(words), cli=self.cli) in (0, lease_client.NOT_MET), out.getvalue()
        return [json.loads(line) for line in out.getvalue().splitlines()]

    def sleep(self, _: float) -> None:
        if self.steps:
            self.steps.pop(0)(self)
        else:
            self.clock += 10_000

    def put(self, state: State, **fields: Any) -> None:
        lease = Lease("s/host", state, 3, NOON - 60, "because", "agent", instance_id="i-1", **fields)
        self.store.write(protocol.Write("s/host", uuid.uuid4().hex, (), to_item(lease)))

    @property
    def lease(self) -> Lease:
        lease = self.store.read("s/host").lease
        assert lease is not None
        return lease


def act(make: Callable[..., Any], **arguments: Any) -> Step:
    def step(world: World) -> None:
        outcome = make(world.lease, now=NOON, nonce=f"x{world.lease.epoch}{len(world.steps)}", **arguments)
        assert isinstance(outcome, protocol.Write), outcome
        assert world.store.write(outcome)

    return step


def refusal(code: str) -> PowerRefused:
    return PowerRefused(code, "EC2's words")


STARTED = act(protocol.claim_boot, instance_id="i-1", **BOOT), act(protocol.ready, **BOOT)
STOPPED = act(protocol.stop, **BOOT), act(protocol.stopped, by="relay")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(lease_client, "time", SimpleNamespace(sleep=world.sleep, monotonic=lambda: world.clock))
    monkeypatch.setattr(verbs_lease, "front", lambda stack, identity: world.front)
    world.put(State.STOPPED)
    return world


def wake(world: World) -> Done:
    return verbs_power.wake(world.front, Progress())


def stop(world: World, *, force: bool = False) -> Done:
    return verbs_power.stop(world.front, Progress(), force=force)


# ---------------------------------------------------------------- wake
def test_wake_starts_and_waits(world: World) -> None:
    world.steps = [*STARTED]
    found = wake(world)
    assert (found.lease.state, found.before, found.changed, world.power.started) == ("RUNNING", "STOPPED", True, 1)
    shown = found.as_dict(world.front)
    assert (shown["api_url"], "met" in shown) == ("http://a/v1", False)


def test_wake_of_a_host_that_is_on_only_looks(world: World) -> None:
    world.put(State.RUNNING)
    assert wake(world).changed is False
    assert world.asked == ["show"]


def test_wake_again_after_an_interruption_orders_nothing_new(world: World) -> None:
    def interrupted(world: World) -> None:
        raise KeyboardInterrupt

    world.steps = [interrupted]
    with pytest.raises(KeyboardInterrupt):
        wake(world)
    world.steps = [*STARTED]
    assert wake(world).before == "STARTING"
    assert world.power.started == 1


def test_wake_while_it_stops_waits_for_who_starts_it_then(world: World) -> None:
    world.put(State.STOPPING, **BOOT)
    started = act(protocol.start, by="relay")
    world.steps = [act(protocol.stopped, by="relay"), started, *STARTED]
    assert wake(world).lease.state == "RUNNING"
    assert world.power.started == 0


def test_a_quota_is_said_at_once(world: World) -> None:
    world.power.refuse = refusal("VcpuLimitExceeded")
    with pytest.raises(DeployError, match="did not start: VcpuLimitExceeded"):
        wake(world)
    assert "wait" not in world.asked


def test_beyond_the_budget_it_is_said_at_once(world: World) -> None:
    world.put(State.STOPPED, spent_until=NOON + 3600)
    with pytest.raises(DeployError, match=r"did not start: the budget is spent.*pilotlight:budget"):
        wake(world)
    assert ("wait" in world.asked, world.power.started) == (False, 0)


def test_without_capacity_the_reapers_ladder_is_waited_for(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.power.refuse = refusal("InsufficientInstanceCapacity")
    world.steps = [act(protocol.start, by="reaper"), *STARTED]
    assert wake(world).lease.state == "RUNNING"
    assert "waits for the next try: InsufficientInstanceCapacity" in capsys.readouterr().out


def test_a_host_that_does_not_wake_is_an_error_with_the_reason(world: World) -> None:
    with pytest.raises(
        DeployError, match=rf"did not wake: its lease is STARTING \(wanted by {person()} \(fab wake\)\)"
    ):
        wake(world)


# ---------------------------------------------------------------- stop
def test_stop_says_what_it_waits_for(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.put(State.RUNNING, **BOOT)
    world.steps = [*STOPPED]
    found = stop(world)
    assert (found.lease.state, found.before, found.changed, found.cut) == ("STOPPED", "RUNNING", True, None)
    said = capsys.readouterr().out
    assert "closes admission and checks whether anybody is served" in said
    assert "shuts down" in said


@pytest.mark.parametrize("state", [State.STOPPED, State.FAILED])
def test_stop_of_a_host_that_is_off_changes_nothing_but_the_pin(world: World, state: State) -> None:
    world.put(state, pin_until=NOON + 60, pin_who="ann")
    found = stop(world)
    assert (found.lease.state, found.changed, found.unpinned) == (state, False, True)
    assert world.lease.pin_until is None
    assert "wait" not in world.asked


@pytest.mark.parametrize(("state", "steps"), [(State.DRAINING, STOPPED), (State.STOPPING, STOPPED[1:])])
def test_stop_again_after_an_interruption_waits_for_what_is_under_way(
    world: World, state: State, steps: tuple[Step, ...]
) -> None:
    world.put(state, **BOOT)
    world.steps = [*steps]
    assert stop(world).lease.state == "STOPPED"


def test_a_veto_is_an_error_that_says_who(world: World) -> None:
    world.put(State.RUNNING, **BOOT)
    world.steps = [act(protocol.resume, by="agent", reason="veto: 2 requests", **BOOT)]
    with pytest.raises(DeployError, match=r"The host is RUNNING: veto: 2 requests. `fab stop --force`"):
        stop(world)


def test_a_host_that_was_started_again_at_once_is_said(world: World) -> None:
    world.put(State.STOPPING, wake_by="relay", wake_until=NOON + 60, **BOOT)

    def both(world: World) -> None:
        act(protocol.stopped, by="relay")(world)
        act(protocol.start, by="relay")(world)

    world.steps = [both]
    with pytest.raises(DeployError, match="The host is STARTING: wanted by relay"):
        stop(world)


def test_who_inhibits_is_named(world: World) -> None:
    world.put(State.RUNNING, **BOOT)
    world.call("inhibit", "--who", "ann", "--why", "fab deploy")
    with pytest.raises(DeployError, match=r"wanted or inhibited: the inhibitor of ann \(fab deploy\)"):
        stop(world)


def test_a_start_is_not_stopped_unforced(world: World) -> None:
    world.put(State.STARTING)
    with pytest.raises(DeployError, match="the lease is STARTING, not RUNNING"):
        stop(world)


def test_force_asks_nothing_and_says_what_it_cut(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.put(State.RUNNING, busy=2, pin_until=NOON + 60, pin_who="bob", **BOOT)
    world.call("inhibit", "--who", "ann", "--why", "fab deploy")
    world.steps = [*STOPPED[1:]]
    found = stop(world, force=True)
    assert (found.lease.state, found.lease.wanted(NOON)) == ("STOPPED", False)
    assert found.cut == Cut(2, ("ann (fab deploy)",), wake_request="", pin="bob")
    said = "2 requests in the engines, the inhibitor of ann (fab deploy), the pin of bob"
    assert f"cut      {said}" in capsys.readouterr().out


def test_force_forgets_a_wake_request_in_every_state(world: World) -> None:
    world.put(State.FAILED, wake_by="relay", wake_until=NOON + 60)
    found = stop(world, force=True)
    assert found.cut is not None
    assert found.cut.wake_request == "relay"
    assert world.lease.wake_until is None


def test_without_a_lease_the_next_command_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "call", lambda *words, **_: Answer(None, NOON))
    with pytest.raises(DeployError, match="Run `fab deploy`"):
        stop(world)
    with pytest.raises(DeployError, match="Run `fab deploy`"):
        wake(world)


# ---------------------------------------------------------------- the commands
def test_json_prints_the_envelope_alone(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.put(State.RUNNING, **BOOT)
    tasks.wake(Context(), stack="s", json=True)
    shown = capsys.readouterr()
    assert json.loads(shown.out)["data"]["host"]["state"] == "RUNNING"
    assert "RUNNING: because. http://a/v1" in shown.err
    world.steps = [*STOPPED]
    tasks.stop(Context(), stack="s", json=True)
    assert json.loads(capsys.readouterr().out)["data"]["before"] == "RUNNING"
    tasks.pin(Context(), stack="s", for_="1m", json=True)
    pin = json.loads(capsys.readouterr().out)["data"]["host"]["pin"]
    assert (pin["who"], pin["until"]) == (person(), moments.iso(NOON + 60, "Europe/Berlin"))
    tasks.unpin(Context(), stack="s", json=True)
    assert json.loads(capsys.readouterr().out)["data"]["host"]["pin"] is None


# ---------------------------------------------------------------- who did it
def test_wake_and_stop_record_the_person(world: World) -> None:
    world.steps = [*STARTED]
    wake(world)
    world.steps = [*STOPPED]
    stop(world)
    started, _, drained, *_ = world.events(86400)
    assert (started.by, started.reason) == (person(), f"wanted by {person()} (fab wake)")
    assert verbs_history.who(started) == f"{person()} (fab wake)"
    assert (drained.after, drained.by, drained.reason) == ("DRAINING", person(), "fab stop")


def test_a_forced_stop_records_the_person(world: World) -> None:
    world.put(State.RUNNING, **BOOT)
    world.steps = [*STOPPED[1:]]
    stop(world, force=True)
    forced = world.events(86400)[0]
    assert (forced.after, forced.by, forced.reason) == ("STOPPING", person(), "fab stop --force")


# ---------------------------------------------------------------- how long it waits
def test_wake_that_does_not_wait_only_orders_the_start(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    tasks.wake(Context(), stack="s", no_wait=True)
    assert ("wait" in world.asked, world.power.started, world.lease.state) == (False, 1, "STARTING")
    assert "STARTING: wanted by" in capsys.readouterr().out


def test_wake_waits_as_long_as_it_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tasks.wake(Context(), stack="s", timeout="5m")
    assert "The host is STARTING after 5m and goes on waking; `fab wake` again" in capsys.readouterr().err
    assert world.waits[-1][-2:] == ("--timeout", "300.0")


@pytest.mark.parametrize(
    ("flags", "says"),
    [({"timeout": "abc"}, '"abc" is not a duration'), ({"timeout": "5m", "no_wait": True}, "one of the two")],
)
def test_wake_refuses_what_it_cannot_read(
    world: World, capsys: pytest.CaptureFixture[str], flags: dict[str, Any], says: str
) -> None:
    with pytest.raises(SystemExit):
        tasks.wake(Context(), stack="s", **flags)
    assert says in capsys.readouterr().err
    assert world.asked == []
