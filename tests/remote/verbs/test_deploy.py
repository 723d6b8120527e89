"""The order of a deployment, with machines that only remember: inhibitors before changes, wakes before facts, keys
once.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import settings
from core.contract.documents import SCHEMA_VERSION, ApiKey, ApiKeys, Outputs
from core.contract.paths import AGENT_UNIT, KEYS_FILE, KEYS_MAP, LEASE_CLIENT_APP, WEBUI_DATA
from core.errors import DeployError
from core.lease import Lease, State
from core.settings.sign_on import Oidc
from remote import stack_yaml
from remote.items.containers import DOCKERD, ContainerUnit, Image
from remote.items.files import File, Tree
from remote.items.keys import EMPTY, KeysFile
from remote.items.models import PypiModel
from remote.items.secrets import DrawnSecret
from remote.items.system import Packages, User
from remote.items.units import Unit
from remote.items.venvs import TOOLS, Uv, Venv
from remote.machines import inventory as inventory_module
from remote.machines.facts import Facts, FileFact, Query, UnitFact
from remote.machines.inventory import Inventory
from remote.machines.lease_client import Answer
from remote.machines.transport import Address, Machine, Result, Unreachable
from remote.progress import Progress
from remote.scripts import edit_keys
from remote.services import sign_on, webui
from remote.stack_files import CHECKOUT, StackFile
from remote.verbs import deploy as deploy_module
from remote.verbs import wanted
from remote.verbs.deploy import Deployment
from remote.verbs.deploy_report import Options, Report
from tests.core.test_settings_sign_on import OIDC
from tests.remote.machines.test_inventory import DEMO, OUTPUTS

RIGHT = UnitFact("loaded", "active", "running", "enabled", 0)


def facts_of(items: Any) -> Facts:
    """Facts of a machine that has just these items."""
    kinds = ("users", "files", "trees", "texts", "units", "images")
    found: dict[str, Any] = {"packages": set()} | {kind: {} for kind in kinds}
    for item in items:
        match item:
            case Packages():
                found["packages"] |= set(item.names)
            case User():
                found["users"][item.name] = frozenset(item.groups)
            case File():
                found["files"][item.path] = FileFact(item.digest, item.mode, item.owner, item.group)
            case DrawnSecret():
                found["files"][item.path] = FileFact("", 0o640, "root", item.group)
            case KeysFile():
                found["files"] |= dict.fromkeys((KEYS_FILE, KEYS_MAP), FileFact("", 0o640, "root", "haproxy"))
                found["texts"] |= keys_of(**{"key-1": "HASH", "webui": "CHAT"})
            case Tree():
                found["trees"][item.path] = item.digest
            case Venv():
                found["texts"][item.stamp] = item.digest
            case Uv():
                found["texts"][f"{TOOLS}/.pilotlight"] = deploy_version()
            case PypiModel():
                found["texts"][f"{item.path}/.pilotlight"] = item.stamp
            case Image():
                found["images"][item.reference] = "sha256:1"
            case Unit() | ContainerUnit():
                unit = item.unit if isinstance(item, ContainerUnit) else item
                found["texts"][unit.stamp] = unit.applied
                found["units"][unit.name] = RIGHT
    found["files"][webui.SECRETS_FILE] = FileFact("", 0o600, "root", "root")
    found["texts"][webui.KEY_STAMP] = "CHAT"
    paths = frozenset({"/srv/b", DOCKERD[0]})
    return Facts(**found | {"packages": frozenset(found["packages"]), "paths": paths, "free_gib": 9.0})


def keys_of(**hashes: str) -> dict[str, str]:
    """keys.json and the map with these keys, by their names."""
    document = ApiKeys(SCHEMA_VERSION, tuple(ApiKey(name, sha256, 1.0) for name, sha256 in hashes.items()))
    lines = edit_keys.map_lines([dataclasses.asdict(key) for key in document.keys])
    return {KEYS_FILE: document.to_json(), KEYS_MAP: edit_keys.text_of(lines).strip()}


def deploy_version() -> str:
    from core import versions

    return versions.UV


class World:
    """Two machines and a lease that do what they are told and remember it."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.stdin: list[str] = []
        self.facts: dict[str, Facts] = {}
        self.state: str | None = "RUNNING"
        self.host_up = True
        self.fails_after_looks = 0  # then the reaper ends the start
        self.comes_up = True  # SSH answers once a start was ordered
        self.fail: str = ""
        self.spent_until: float | None = None
        self.client = True  # the relay's environment is on the gateway
        self.mute = False  # the lease client there cannot answer
        self.mended: Facts | None = None  # the gateway's facts once its lease client was written, which then answers
        self.lasts = ""  # a step with this in its script runs until its connection is closed
        self.began = threading.Event()
        self.made: list[FakeMachine] = []

    def change_keys(self, program: str) -> Result:
        """What scripts/edit_keys.py would do of it."""
        (request,) = (ast.literal_eval(found) for found in re.findall(r"\nmain\(json.loads\((.*)\)\)\n$", program))
        document = json.loads(self.facts["gateway"].texts.get(KEYS_FILE, "") or EMPTY)
        document["keys"] = edit_keys.changed(document["keys"], json.loads(request))
        text = json.dumps(document, sort_keys=True)
        gateway = self.facts["gateway"]
        self.facts["gateway"] = dataclasses.replace(gateway, texts=dict(gateway.texts) | {KEYS_FILE: text})
        return Result(0, json.dumps({"keys": text, "now": 100.0, "running": True, "usage": ""}), "")

    def machine(self, where: Address, gateway: Any = None) -> FakeMachine:
        return FakeMachine(self, where)


class FakeMachine:
    """A machine without a network."""

    def __init__(self, world: World, where: Address) -> None:
        self.world, self.where, self.role = world, where, where.role
        self.known = True
        self.closed = threading.Event()
        world.made.append(self)

    def connect(self, patience_s: float = 0.0, waiting: Callable[[], None] = lambda: None) -> None:
        if self.role == "host" and not self.world.host_up:
            raise Unreachable("The host does not answer")

    def close(self) -> None:
        self.closed.set()

    def facts(self, query: Query) -> Facts:
        return self.world.facts[self.role]

    def run(self, script: str, *, stdin: bytes = b"", timeout_s: float = 60.0) -> Result:
        if script.startswith("test -x"):
            return Result(0 if self.world.client else 1, "", "")
        if self.world.lasts and self.world.lasts in script:
            self.world.began.set()
            assert self.closed.wait(20), "the step went on to its end"
            return Result(-1, "", "")
        self.world.stdin.append(stdin.decode(errors="replace"))
        known = ("relay.json", AGENT_UNIT, "keys.json", "engines/a.yaml", LEASE_CLIENT_APP)
        line = next((w for w in known if w in script), "other")
        self.world.log.append(f"{self.role}: {line}")
        if line == "keys.json" and not self.world.fail:
            return self.world.change_keys(stdin.decode())
        if line == LEASE_CLIENT_APP and self.world.mended:
            self.world.mute, self.world.facts["gateway"] = False, self.world.mended
        fails = self.world.fail and any(part in script for part in self.world.fail.split("|"))
        return Result(1, "", "broken") if fails else Result(0, "", "")


class FakeClient:
    """A lease that changes as told."""

    def __init__(self, machine: FakeMachine) -> None:
        self._world = machine.world

    def show(self) -> Answer:
        if self._world.mute:
            raise DeployError("The lease command `show` failed")
        if self._world.fails_after_looks:
            self._world.fails_after_looks -= 1
            self._world.state = self._world.state if self._world.fails_after_looks else "FAILED"
        return self._answer()

    def _answer(self, **also: Any) -> Answer:
        state, spent = self._world.state, self._world.spent_until
        if state is None:
            return Answer(None, 100.0, **also)
        lease = Lease("demo/host", State(state), 3, 1.0, "because", "agent", spent_until=spent)
        return Answer(lease, 100.0, note="the budget is spent" if spent else "", **also)

    def call(self, verb: str, *arguments: str, timeout_s: float = 30.0) -> Answer:
        self._world.log.append(f"lease: {verb}")
        if self._world.mute:
            raise DeployError(f"The lease command `{verb}` failed")
        until = self._world.spent_until
        if verb == "request-wake" and self._world.state != "FAILED" and (until or 0.0) < 100.0:
            self._world.host_up, self._world.state = self._world.comes_up, "STARTING"
        return self._answer(changed=True)


class FakeProof:
    """Proof that is always there."""

    world: World

    def __init__(self, **_: Any) -> None:
        pass

    def until_running(self) -> Answer:
        self.world.log.append("proof: RUNNING")
        return Answer(Lease("demo/host", State.RUNNING, 4, 1.0, "", "agent"), 100.0)

    def answers(self) -> None:
        self.world.log.append("proof: answers")


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    import yaml

    found = settings.load(yaml.safe_load(DEMO)["config"], "demo")
    return inventory_module.build(StackFile("demo", found, tmp_path, {}, ""), OUTPUTS | applied(found), "")


def applied(found: settings.StackSettings) -> dict[str, str]:
    """The output that says that `pulumi up` applied these settings."""
    return {Outputs.SETTINGS_DIGEST: settings.digest(found)}


def changed(inventory: Inventory, **sections: Any) -> Inventory:
    """The same stack with other settings, applied by `pulumi up`."""
    found = inventory.settings.model_copy(update=sections)
    return dataclasses.replace(inventory, settings=found, outputs=dict(inventory.outputs) | applied(found))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, inventory: Inventory) -> World:
    made = World()
    FakeProof.world = made
    monkeypatch.setattr(deploy_module, "Machine", made.machine)
    monkeypatch.setattr(deploy_module, "LeaseClient", FakeClient)
    monkeypatch.setattr(deploy_module, "Proof", FakeProof)
    wanted = deploy_module.wanted
    gateway = [*wanted.gateway(inventory), *wanted.chat(inventory, "gateway")]
    made.facts = {"gateway": facts_of(gateway), "host": facts_of(wanted.host(inventory))}
    return made


def run(inventory: Inventory, **options: Any) -> Report:
    return Deployment(inventory, Options(**options), Progress(quiet=True)).run()


def without(facts: Facts, *paths: str) -> Facts:
    return dataclasses.replace(facts, files={p: f for p, f in facts.files.items() if p not in paths})


def test_as_wanted_nothing_is_changed_nor_inhibited(world: World, inventory: Inventory) -> None:
    report = run(inventory)
    assert report.changes == []
    assert report.lease == "RUNNING"
    assert world.log == []


def test_a_change_on_a_deployed_host_happens_under_an_inhibitor_and_is_proved(
    world: World, inventory: Inventory
) -> None:
    world.facts["host"] = without(world.facts["host"], "/etc/pilotlight/engines/a.yaml")
    report = run(inventory)
    assert report.changes == ["host: /etc/pilotlight/engines/a.yaml: missing"]
    hold, change = world.log.index("lease: inhibit"), world.log.index("host: engines/a.yaml")
    assert hold < change < world.log.index("proof: RUNNING") < world.log.index("lease: release")


def test_on_a_first_deployment_the_agent_waits_for_gateway_and_inhibitor(world: World, inventory: Inventory) -> None:
    world.facts = {"gateway": Facts(paths=frozenset()), "host": Facts(paths=frozenset({"/srv/b"}))}
    world.state, world.client = None, False
    report = run(inventory)
    log = world.log
    assert log.index("gateway: relay.json") < log.index("lease: create") < log.index("lease: inhibit")
    starts = [n for n, line in enumerate(log) if line == f"host: {AGENT_UNIT}"]
    assert log.index("lease: inhibit") < starts[-1] < log.index("proof: answers")
    assert report.api_key.startswith("sk-pl-")


def test_a_stopped_host_is_inhibited_and_woken_before_it_is_looked_at(world: World, inventory: Inventory) -> None:
    world.host_up, world.state = False, "STOPPED"
    run(inventory)
    assert world.log[:3] == ["lease: create", "lease: inhibit", "lease: request-wake"]
    assert world.log[-1] == "lease: release"


def test_a_host_that_went_off_after_the_look_is_woken_before_it_is_changed(world: World, inventory: Inventory) -> None:
    world.facts["host"] = without(world.facts["host"], "/etc/pilotlight/engines/a.yaml")
    world.state = "STOPPING"
    run(inventory)
    assert (
        world.log.index("lease: inhibit")
        < world.log.index("lease: request-wake")
        < world.log.index("host: engines/a.yaml")
    )


def test_a_host_that_cannot_be_started_is_left_alone(world: World, inventory: Inventory) -> None:
    world.host_up, world.state = False, "FAILED"
    with pytest.raises(DeployError, match=r"did not start: because\. Nothing was changed"):
        run(inventory)
    assert not [line for line in world.log if line.startswith("host:")]
    assert world.log[-1] == "lease: release"


@pytest.mark.parametrize("state", ["STOPPED", "STARTING"])
def test_a_start_that_fails_while_ssh_is_waited_for_is_no_matter_of_ssh(
    world: World, inventory: Inventory, state: str
) -> None:
    world.host_up, world.comes_up, world.state = False, False, state
    world.fails_after_looks = 3
    with pytest.raises(DeployError, match=r"did not start: its lease is FAILED \(because\)"):
        run(inventory)
    assert not [line for line in world.log if line.startswith("host:")]


@pytest.mark.parametrize(("until", "refused"), [(101.0, True), (99.0, False), (None, False)])
def test_a_host_beyond_its_budget_is_not_waited_for(
    world: World, inventory: Inventory, until: float | None, refused: bool
) -> None:
    world.host_up, world.state, world.spent_until = False, "STOPPED", until
    if refused:
        with pytest.raises(DeployError, match="did not start: the budget is spent"):
            run(inventory)
        assert "lease: wait" not in world.log
    else:
        run(inventory)


def test_with_the_lease_at_hand_the_inhibitor_comes_before_any_change(world: World, inventory: Inventory) -> None:
    world.facts["host"] = without(world.facts["host"], "/etc/pilotlight/engines/a.yaml")
    world.facts["gateway"] = without(world.facts["gateway"], KEYS_FILE)
    run(inventory)
    assert world.log.index("lease: inhibit") < world.log.index("gateway: keys.json")


def test_a_deployed_host_waits_for_the_gateway_where_the_lease_is_not_at_hand(
    world: World, inventory: Inventory
) -> None:
    world.facts["host"] = without(world.facts["host"], "/etc/pilotlight/engines/a.yaml")
    world.facts["gateway"] = without(world.facts["gateway"], "/etc/pilotlight/relay.json")
    run(inventory)
    order = ["gateway: relay.json", "lease: inhibit", "host: engines/a.yaml"]
    assert [line for line in world.log if line in order] == order


def other_lease_client(world: World, *, mute: bool = True, missing: bool = False) -> None:
    """The gateway has another lease client, which cannot answer if `mute`; or, `missing`, nothing of ours at all."""
    right = world.facts["gateway"]
    differs = dataclasses.replace(right, trees=dict(right.trees) | {LEASE_CLIENT_APP: "another"})
    world.facts["gateway"] = Facts(texts=keys_of(**{"key-1": "HASH"})) if missing else differs
    world.mute, world.mended, world.client = mute, right, not missing


CLIENTS = [{}, {"mute": False}, {"missing": True}]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_host_that_is_off_is_woken_by_the_lease_client_that_this_deployment_brings(
    client: dict[str, bool], world: World, inventory: Inventory
) -> None:
    world.host_up, world.state = False, "STOPPED"
    world.facts["host"] = without(world.facts["host"], "/etc/pilotlight/engines/a.yaml")
    other_lease_client(world, **client)
    report = run(inventory)
    order = [f"gateway: {LEASE_CLIENT_APP}", "lease: inhibit", "lease: request-wake", "host: engines/a.yaml"]
    assert [line for line in world.log if line in order] == order
    assert world.log[-3:] == ["proof: RUNNING", "proof: answers", "lease: release"]
    assert any(change.startswith(f"gateway: {LEASE_CLIENT_APP}") for change in report.changes)
    assert report.changes[-1] == "host: /etc/pilotlight/engines/a.yaml: missing"
    assert len(set(report.changes)) == len(report.changes)


def test_a_host_that_is_on_waits_for_the_lease_client_that_cannot_answer(world: World, inventory: Inventory) -> None:
    world.facts["host"] = without(world.facts["host"], "/etc/pilotlight/engines/a.yaml")
    other_lease_client(world)
    run(inventory)
    order = [f"gateway: {LEASE_CLIENT_APP}", "lease: inhibit", "host: engines/a.yaml"]
    assert [line for line in world.log if line in order] == order


def test_a_host_that_should_be_up_and_does_not_answer_is_an_error_after_the_gateways_part_too(
    world: World, inventory: Inventory
) -> None:
    world.host_up = False
    other_lease_client(world)
    with pytest.raises(Unreachable):
        run(inventory)
    assert world.log == [f"gateway: {LEASE_CLIENT_APP}"]


def test_a_lease_client_that_is_as_wanted_and_fails_is_an_error(world: World, inventory: Inventory) -> None:
    world.host_up, world.mute = False, True
    with pytest.raises(DeployError, match="The lease command `show` failed"):
        run(inventory)
    assert world.log == []


@pytest.mark.parametrize("client", CLIENTS)
def test_a_plan_with_another_lease_client_changes_nothing(
    client: dict[str, bool], world: World, inventory: Inventory
) -> None:
    world.host_up, world.state = False, "STOPPED"
    other_lease_client(world, **client)
    report, options = run(inventory, plan=True), Options(plan=True)
    assert any(change.startswith(f"gateway: {LEASE_CLIENT_APP}") for change in report.changes)
    unknown = "it is off" if client == {"mute": False} else "it does not answer"
    assert f"Host: unknown, {unknown}" in report.summary(options)
    assert (world.log, report.exit_code(options)) == ([], 3)


def test_an_unreachable_host_that_should_be_up_is_an_error(world: World, inventory: Inventory) -> None:
    world.host_up = False
    with pytest.raises(Unreachable):
        run(inventory)
    assert "lease: request-wake" not in world.log


def test_a_plan_changes_nothing_and_wakes_nobody(world: World, inventory: Inventory) -> None:
    world.facts["host"] = without(world.facts["host"], "/etc/pilotlight/engines/a.yaml")
    assert len(run(inventory, plan=True).changes) == 1
    assert world.log == []
    world.host_up, world.state = False, "STOPPED"
    run(inventory, plan=True)
    assert world.log == []


@pytest.mark.parametrize(
    ("state", "as_wanted", "told"),
    [
        ("RUNNING", True, (0, "Nothing would change.")),
        ("RUNNING", False, (2, "1 change would be made; nothing was.")),
        ("STOPPED", True, (3, "Gateway: 0 changes would be made. Host: unknown, it is off. Nothing was changed.")),
        ("STOPPED", False, (3, "Gateway: 1 change would be made. Host: unknown, it is off.")),
    ],
)
def test_a_plan_says_what_it_knows_and_its_exit_code_too(
    state: str, as_wanted: bool, told: tuple[int, str], world: World, inventory: Inventory
) -> None:
    code, said = told
    world.host_up, world.state = state == "RUNNING", state
    if not as_wanted:
        world.facts["gateway"] = without(world.facts["gateway"], "/etc/pilotlight/relay.json")
    report, options = run(inventory, plan=True), Options(plan=True)
    assert report.summary(options).startswith(said)
    assert report.exit_code(options) == code
    assert world.log == []


@pytest.mark.parametrize("outputs", [{}, {Outputs.SETTINGS_DIGEST: "of another file"}])
@pytest.mark.parametrize("options", [{}, {"plan": True}])
def test_a_stack_file_that_up_has_not_applied_stops_before_anything(
    options: dict[str, Any], outputs: dict[str, str], world: World, inventory: Inventory
) -> None:
    rest = {name: value for name, value in inventory.outputs.items() if name != Outputs.SETTINGS_DIGEST}
    with pytest.raises(DeployError, match=r"newer than the stack `demo`: run `fab cloud.pulumi --stack demo --args"):
        run(dataclasses.replace(inventory, outputs=rest | outputs), **options)
    assert world.log == []


def test_on_aws_the_command_is_pulumis_own(inventory: Inventory) -> None:
    with pytest.raises(DeployError, match=r"run `pulumi up -s demo`"):
        deploy_module.require_applied(
            dataclasses.replace(inventory, settings=inventory.settings.model_copy(update={"cloud": "aws"}))
        )


@pytest.mark.parametrize("file", sorted((CHECKOUT / "stacks").glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_up_and_deploy_read_a_file_to_the_same_digest(file: Path) -> None:
    """Pulumi hands its program each section as JSON text."""
    config = stack_yaml.read(file.read_text(), str(file))
    as_text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    read, handed = (settings.load(mapping, "s", to_deploy=False) for mapping in (config, as_text))
    assert settings.digest(read) == settings.digest(handed)


def test_what_fab_deploy_applies_needs_no_pulumi_up(world: World, inventory: Inventory) -> None:
    longer = inventory.settings.gateway.model_copy(update={"queue_timeout": 60.0})  # type: ignore[union-attr]
    found = inventory.settings.model_copy(update={"gateway": longer})
    deploy_module.require_applied(dataclasses.replace(inventory, settings=found))


def test_a_failed_step_is_told_and_the_inhibitor_is_released(world: World, inventory: Inventory) -> None:
    world.facts["host"] = without(world.facts["host"], "/etc/pilotlight/engines/a.yaml")
    world.fail = "engines/a.yaml"
    with pytest.raises(DeployError, match=r"(?s)host: could not write /etc/pilotlight/engines/a.yaml.*broken"):
        run(inventory)
    assert world.log[-1] == "lease: release"


def test_two_failures_are_both_told(world: World, inventory: Inventory) -> None:
    gateway = world.facts["gateway"]
    world.facts["host"] = without(world.facts["host"], "/etc/pilotlight/engines/a.yaml")
    world.facts["gateway"] = dataclasses.replace(gateway, images={})
    world.fail = "engines/a.yaml|docker pull"
    with pytest.raises(DeployError) as caught:
        run(inventory)
    said = str(caught.value)
    assert ("engines/a.yaml" in said, "could not be pulled" in said) == (True, True)


def test_ctrl_c_does_not_wait_for_an_image_and_still_releases_the_inhibitor(
    world: World, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.facts["gateway"] = dataclasses.replace(world.facts["gateway"], images={})
    world.lasts = "docker pull"

    def interrupted(_: Any) -> None:
        assert world.began.wait(20)
        raise KeyboardInterrupt

    monkeypatch.setattr(deploy_module, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(inventory)
    assert world.log[-1] == "lease: release"
    assert [machine.role for machine in world.made] == ["gateway", "host", "gateway"]
    assert all(machine.closed.is_set() for machine in world.made)


def test_an_image_needs_its_room_when_it_is_pulled_too(world: World, inventory: Inventory) -> None:
    world.facts["gateway"] = dataclasses.replace(world.facts["gateway"], images={})
    world.fail = "df --output=avail"
    with pytest.raises(DeployError, match=r"about 6 GiB of disk, and less is free after .* Nothing was pulled\. Raise"):
        run(inventory)


def test_a_failed_gateway_stops_the_host_before_its_agent(world: World, inventory: Inventory) -> None:
    world.facts = {"gateway": Facts(), "host": Facts(paths=frozenset({"/srv/b"}))}
    world.state, world.client, world.fail = None, False, "relay.json"
    with pytest.raises(DeployError, match=r"gateway: could not write /etc/pilotlight/relay.json"):
        run(inventory)
    assert "lease: inhibit" not in world.log


def test_a_haproxy_that_was_reloaded_is_told_the_keys_again(world: World, inventory: Inventory) -> None:
    """It may have read the map while somebody revoked a key."""
    run(inventory)
    assert "gateway: keys.json" not in world.log, "nothing changed"
    world.facts["gateway"] = without(world.facts["gateway"], "/etc/haproxy/haproxy.cfg")
    run(inventory)
    changes = [line for line in world.log if line.startswith("gateway: ")]
    assert (changes[0], changes[-1]) == ("gateway: other", "gateway: keys.json")


def test_a_key_file_that_does_not_work_gets_a_key(world: World, inventory: Inventory, tmp_path: Path) -> None:
    file = tmp_path / "key"
    report = run(inventory, key_file=file)
    assert file.read_text().startswith("sk-pl-")
    assert report.api_key == ""
    assert report.changes == ["gateway: API key key-2: new"]
    assert "gateway: keys.json" in world.log


def test_only_one_key_is_made_where_none_was(world: World, inventory: Inventory) -> None:
    gateway = world.facts["gateway"]
    world.facts["gateway"] = dataclasses.replace(gateway, texts=dict(gateway.texts) | keys_of(webui="CHAT"))
    assert len([c for c in run(inventory).changes if "API key" in c]) == 1


def test_the_real_machine_has_the_fakes_methods() -> None:
    for name in ("connect", "close", "facts", "run"):
        assert callable(getattr(Machine, name))


def chatless(facts: Facts) -> Facts:
    """The same machine before its first chat page: no secrets, and no key of the page's at the gateway."""
    texts = dict(facts.texts) | keys_of(**{"key-1": "HASH"}) | {webui.KEY_STAMP: ""}
    return dataclasses.replace(without(facts, webui.SECRETS_FILE), texts=texts)


def test_the_first_account_is_said_once(world: World, inventory: Inventory) -> None:
    world.facts["gateway"] = chatless(world.facts["gateway"])
    report = run(inventory)
    assert report.changes == [
        "gateway: API key webui: the chat page's",
        f"gateway: {webui.SECRETS_FILE}: missing",
        f"gateway: {webui.UNIT}: its secrets changed",
    ]
    assert report.admin_email == "admin@pilotlight.local"
    assert len(report.admin_password) >= 12
    assert report.api_key == ""  # that there is a key of the page's does not make one for people, nor takes one's place


def test_the_first_accounts_password_goes_into_a_file(world: World, inventory: Inventory, tmp_path: Path) -> None:
    world.facts["gateway"] = chatless(world.facts["gateway"])
    report = run(inventory, password_file=tmp_path / "password")
    assert (report.admin_password, report.admin_password_file) == ("", str(tmp_path / "password"))
    assert (tmp_path / "password").stat().st_mode & 0o777 == 0o600
    assert len((tmp_path / "password").read_text().strip()) >= 12


def test_the_stacks_own_password_is_neither_made_nor_said(world: World, inventory: Inventory, tmp_path: Path) -> None:
    world.facts["gateway"] = chatless(world.facts["gateway"])
    outputs = dict(inventory.outputs) | {Outputs.WEBUI_PASSWORD: "[secret]"}
    given = dataclasses.replace(inventory, outputs=outputs, secret=lambda name: f"the value of {name}")
    report = run(given, password_file=tmp_path / "password")
    assert (report.admin_email, report.admin_password) == ("admin@pilotlight.local", "")
    assert not (tmp_path / "password").exists()
    assert any("the value of webuiPassword" in text for text in world.stdin)
    assert "the value of" not in str(report.as_dict())


def test_a_page_whose_key_was_taken_out_gets_another_and_keeps_its_account(world: World, inventory: Inventory) -> None:
    gateway = world.facts["gateway"]
    world.facts["gateway"] = dataclasses.replace(gateway, texts=dict(gateway.texts) | keys_of(**{"key-1": "HASH"}))
    report = run(inventory)
    assert report.changes == [
        "gateway: API key webui: the chat page's",
        f"gateway: {webui.SECRETS_FILE}: the gateway does not know its key",
        f"gateway: {webui.UNIT}: its secrets changed",
    ]
    assert (report.admin_email, report.admin_password) == ("", "")


def signed_on(inventory: Inventory, **outputs: str) -> Inventory:
    """With single sign-on, and what `pulumi up` would say of it."""
    oidc = Oidc.model_validate(OIDC)
    webui_section = inventory.settings.webui.model_copy(update={"oidc": oidc})
    access = inventory.settings.access.model_copy(update={"domain": "llm.example.org"})
    found = changed(inventory, webui=webui_section, access=access)
    return dataclasses.replace(found, outputs=dict(found.outputs) | outputs, secret=lambda name: f"the value of {name}")


def test_the_secret_of_single_sign_on_is_brought_once(world: World, inventory: Inventory) -> None:
    there = signed_on(inventory, **{Outputs.WEBUI_OIDC_SECRET: "[secret]"})
    facts = facts_of([*wanted.gateway(there), *wanted.chat(there, "gateway")])
    world.facts["gateway"] = facts
    report = run(there)
    assert f"gateway: {webui.SECRETS_FILE}: {webui.OTHER_SECRET}" in report.changes
    assert report.redirect_url == "https://llm.example.org:3000/oauth/oidc/callback"
    assert any(f"the value of {Outputs.WEBUI_OIDC_SECRET}" in text for text in world.stdin)
    assert not any("the value of" in line for line in world.log)
    oidc = there.settings.webui.oidc
    assert oidc is not None
    stamp = f"CHAT {sign_on.digest(oidc, f'the value of {Outputs.WEBUI_OIDC_SECRET}')}"
    world.facts["gateway"] = dataclasses.replace(facts, texts=dict(facts.texts) | {webui.KEY_STAMP: stamp})
    again = run(there)
    assert not [change for change in again.changes if "webui" in change]
    assert again.redirect_url == ""


def test_single_sign_on_that_up_has_not_applied_is_said(world: World, inventory: Inventory) -> None:
    with pytest.raises(DeployError, match=f"has no output {Outputs.WEBUI_OIDC_SECRET}.*Run `pulumi up -s"):
        run(signed_on(inventory))
    assert world.log == []


def test_a_page_that_fails_leaves_the_password_told(
    world: World, inventory: Inventory, capsys: pytest.CaptureFixture[str]
) -> None:
    world.facts["gateway"] = chatless(world.facts["gateway"])
    world.fail = "journalctl -u"
    with pytest.raises(DeployError, match=f"{webui.UNIT} did not become healthy"):
        run(inventory)
    assert "its password, shown this once: " in capsys.readouterr().err


def test_a_plan_makes_no_secret(world: World, inventory: Inventory, capsys: pytest.CaptureFixture[str]) -> None:
    world.facts["gateway"] = chatless(world.facts["gateway"])
    report = run(inventory, plan=True)
    assert "gateway: API key webui: the chat page's" in report.changes
    assert (report.admin_password, world.log) == ("", [])
    assert "password" not in capsys.readouterr().err


def test_on_the_host_the_page_has_its_key_from_the_gateway(world: World, inventory: Inventory) -> None:
    moved = changed(inventory, webui=inventory.settings.webui.model_copy(update={"host": "host"}))
    host = facts_of([*deploy_module.wanted.host(moved), *deploy_module.wanted.chat(moved, "host")])
    world.facts = {"gateway": chatless(facts_of(deploy_module.wanted.gateway(moved))), "host": chatless(host)}
    report = run(moved)
    assert report.changes == [
        "gateway: API key webui: the chat page's",
        f"host: {webui.SECRETS_FILE}: missing",
        f"host: {webui.UNIT}: its secrets changed",
    ]


def test_a_page_that_the_stack_no_longer_wants_goes_and_its_data_stay(world: World, inventory: Inventory) -> None:
    without_page = changed(inventory, webui=inventory.settings.webui.model_copy(update={"host": "none"}))
    facts = facts_of(deploy_module.wanted.gateway(without_page))
    world.facts["gateway"] = dataclasses.replace(facts, paths=facts.paths | {webui.UNIT_FILE})
    report = run(without_page)
    assert report.changes == [
        f"gateway: no {webui.UNIT}: the stack has it no longer here; its data stay in {WEBUI_DATA}",
        "gateway: no API key webui: nothing uses it any longer",
    ]
