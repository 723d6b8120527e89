"""`fab doctor`: what is looked at, in which state of the host, and that one failure does not hide the others."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from invoke.context import Context

from core import settings
from core.errors import DeployError, SettingsError
from core.lease import Lease, State
from remote import stack_files, tasks
from remote.checks import Area, Check, Verdict, cloud, front_door, machine
from remote.checks.front_door import Reply
from remote.machines import inventory as inventory_module
from remote.machines.inventory import Inventory
from remote.machines.lease_client import Instance
from remote.machines.transport import Unreachable
from remote.progress import Progress
from remote.stack_files import StackFile
from remote.verbs import doctor, power, status
from remote.verbs.doctor import Examination, examine
from remote.verbs.status import Status
from tests.remote.checks.test_front_door import ASKS
from tests.remote.checks.test_machine import WELL
from tests.remote.machines.test_inventory import DEMO, OUTPUTS
from tests.remote.verbs.test_deploy import applied, facts_of, keys_of

NOW = 1000.0


class World:
    """A deployed stack whose parts answer as told; `asked` keeps what was done."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory, self.asked = inventory, list[str]()
        self.state, self.silent = State.RUNNING, set[str]()
        self.door = Reply(401, ASKS)
        self.preview = cloud.Preview(succeeded=True, steps={"same": 3})

    def status(self, at: Any) -> Status:
        lease = Lease("demo/host", self.state, 3, NOW - 60, "because", "agent")
        on = "stopped" if self.state is State.STOPPED else "running"
        return Status("demo", "UTC", "http://a/v1", NOW, "because", lease, Instance(state=on))

    def wake(self, *_: Any, **__: Any) -> None:
        self.asked.append("wake")
        self.state = State.RUNNING


class FakeMachine:
    def __init__(self, world: World, where: Any) -> None:
        self.world, self.where, self.role = world, where, where.role

    def connect(self) -> None:
        self.world.asked.append(f"connect {self.role}")
        if self.role in self.world.silent:
            raise Unreachable(f"The {self.role} does not answer. Is it running?")

    def close(self) -> None:
        pass


class FakeClient:
    """A lease that can be inhibited."""

    def __init__(self, machine: FakeMachine) -> None:
        self._world = machine.world

    def call(self, verb: str, *_: str, timeout_s: float = 30.0) -> Any:
        self._world.asked.append(verb)


class FakeProof:
    def __init__(self, host: Any, front: FakeMachine, *_: Any) -> None:
        self._world = front.world

    def answers(self) -> None:
        self._world.asked.append("answers")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = settings.load(yaml.safe_load(DEMO)["config"], "demo")
    file = StackFile("demo", found, tmp_path, {}, "")
    made = World(inventory_module.build(file, OUTPUTS | applied(found), ""))

    def look(where: FakeMachine, area: Area, items: Any) -> machine.Look:
        made.asked.append(f"look {where.role}")
        facts = facts_of(items)
        accepted = {machine.authorized_keys(where.where.user): f"# ours\n{made.inventory.settings.host.ssh_public_key}"}
        facts = dataclasses.replace(facts, texts=dict(facts.texts) | keys_of(ann="HASH") | accepted)
        return machine.Look(area, facts, items, (), dataclasses.replace(WELL, container=True))

    monkeypatch.setattr(stack_files, "find", lambda stack: file)
    monkeypatch.setattr(inventory_module, "load", lambda stack, identity="": made.inventory)
    monkeypatch.setattr(cloud, "pulumi_version", lambda file: "v99.0.0")
    monkeypatch.setattr(cloud, "preview", lambda file: made.preview)
    monkeypatch.setattr(front_door, "ask", lambda url: made.door if url.endswith("models") else Reply(200))
    monkeypatch.setattr(machine, "look", look)
    monkeypatch.setattr(doctor, "Machine", lambda where, gateway=None: FakeMachine(made, where))
    monkeypatch.setattr(doctor, "LeaseClient", FakeClient)
    monkeypatch.setattr(doctor, "Proof", FakeProof)
    monkeypatch.setattr(status, "status", made.status)
    monkeypatch.setattr(power, "wake", made.wake)
    return made


def look(**options: Any) -> Examination:
    return examine("demo", Progress(quiet=True), **options)


def failures(found: Examination) -> list[tuple[str, str]]:
    return [(check.area, check.name) for check in found.checks if check.verdict is Verdict.FAIL]


def test_a_stack_that_is_well_passes_in_every_area_and_in_their_order(world: World) -> None:
    found = look()
    assert {check.verdict for check in found.checks} == {Verdict.PASS}
    areas = list(dict.fromkeys(check.area for check in found.checks))
    assert areas == list(Area)
    assert "answers" not in world.asked
    assert list(found.lines())[-1] == f"0 failures, 0 warnings, {len(found.checks)} passed"


def test_a_host_that_is_off_stays_off_and_is_not_connected_to(world: World) -> None:
    world.state = State.STOPPED
    found = look()
    assert failures(found) == []
    (power_line,) = [check for check in found.checks if check.area is Area.HOST]
    assert "is off (STOPPED: because)" in power_line.said
    assert "--wake" in power_line.said
    assert world.asked == ["connect gateway", "look gateway"]


def test_on_request_the_host_is_woken_and_every_service_asked_under_an_inhibitor(world: World) -> None:
    world.state = State.STOPPED
    found = look(wake=True)
    assert failures(found) == []
    steps = ["connect gateway", "look gateway", "wake", "inhibit", "connect host", "look host", "answers", "release"]
    assert world.asked == steps
    (answer,) = [check for check in found.checks if check.name == "answer"]
    assert "every service answered" in answer.said


def test_one_silent_machine_hides_nothing_of_the_rest(world: World) -> None:
    world.silent = {"host"}
    assert failures(look()) == [("host", "SSH")]
    world.silent, world.door = {"gateway"}, Reply(0, problem="timed out")
    world.preview = cloud.Preview(succeeded=False, errors=("no credentials",))
    assert failures(look()) == [("cloud", "preview"), ("gateway", "SSH"), ("front door", "API")]


def test_a_wake_that_is_refused_is_a_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise DeployError("The host did not start: the budget is spent.")

    monkeypatch.setattr(power, "wake", refused)
    found = look(wake=True)
    assert failures(found) == [("service", "lease")]
    assert "release" not in world.asked


def test_a_stack_file_that_is_newer_than_the_stack_fails(world: World) -> None:
    world.inventory = dataclasses.replace(
        world.inventory, outputs=dict(world.inventory.outputs) | {"settingsDigest": "x"}
    )
    assert ("stack", "applied") in failures(look())


def test_a_stack_that_was_not_made_is_told_with_what_the_cloud_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(stack: str, identity: str = "") -> Inventory:
        raise DeployError("The stack `demo` has not been made yet. Run `pulumi up -s demo`.")

    monkeypatch.setattr(inventory_module, "load", load)
    found = look()
    assert failures(found) == [("stack", "outputs")]
    assert Area.CLOUD in {check.area for check in found.checks}


def test_a_wrong_setting_is_a_line_and_an_unknown_stack_one_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(error: Exception) -> Callable[[str], StackFile]:
        def find(_: str) -> StackFile:
            raise error

        return find

    monkeypatch.setattr(stack_files, "find", raising(SettingsError("pilotlight:idle.stopAfter: 3x")))
    assert failures(look()) == [("stack", "stack file")]
    monkeypatch.setattr(stack_files, "find", raising(DeployError("There is no stack `demo`.")))
    with pytest.raises(DeployError):
        look()


@pytest.mark.parametrize("as_json", [True, False])
def test_the_exit_code_is_1_where_something_fails_and_json_is_printed_all_the_same(
    world: World, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    world.door = Reply(0, problem="timed out")
    with pytest.raises(SystemExit) as ended:
        tasks.doctor(Context(), stack="demo", json=as_json)
    assert ended.value.code == 1
    out = capsys.readouterr().out
    if as_json:
        assert json.loads(out)["data"]["failures"] == 1
    else:
        assert "fail  front door  API" in out
        assert "      fix: Is your address in pilotlight:access.cidrs?" in out


def test_without_a_failure_it_ends_well(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    tasks.doctor(Context(), stack="demo")
    assert capsys.readouterr().out.count("pass") > 10


def test_a_message_of_several_lines_stays_below_its_check() -> None:
    found = Examination((Check(Area.CLOUD, "preview", Verdict.FAIL, "one\ntwo", "mend"),))
    assert list(found.lines())[:3] == ["fail  cloud       preview  one", "      two", "      fix: mend"]
