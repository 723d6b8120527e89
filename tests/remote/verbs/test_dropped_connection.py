"""A deployment whose connection breaks after any one of its commands: the next one finishes the job, by itself.

The machines are played: each remembers what an item's last command makes so, and when. The command whose connection
breaks has done its work, and nobody hears of it.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from core import settings
from core.contract.paths import AGENT_UNIT, ENGINE_UNIT, KEYS_FILE, RELAY_UNITS
from core.errors import PilotlightError
from core.lease import Lease, State
from remote import apply as apply_module
from remote.items import Item, files
from remote.items.containers import DOCKERD, DockerEngine
from remote.items.keys import OnlyKey
from remote.items.secrets import SecretLines
from remote.items.system import Packages
from remote.items.units import Off
from remote.machines import inventory as inventory_module
from remote.machines.facts import Facts, FileFact, Query, UnitFact
from remote.machines.inventory import Inventory
from remote.machines.lease_client import Answer
from remote.machines.transport import Address, Result, Unreachable
from remote.progress import Progress
from remote.services import redis, webui
from remote.stack_files import StackFile
from remote.verbs import deploy as deploy_module
from remote.verbs.deploy import Deployment
from remote.verbs.deploy_report import Options
from tests.remote.machines.test_inventory import DEMO, OUTPUTS
from tests.remote.verbs.test_deploy import RIGHT, FakeProof, applied, facts_of, keys_of

MAPS = ("users", "files", "trees", "texts", "units", "images")
STOPPED = dataclasses.replace(RIGHT, active="inactive", enabled="disabled")
EMPTY = Facts(os="debian", free_gib=50.0, paths=frozenset({"/srv/b"}))


def after(facts: Facts, item: Item) -> Facts:
    """A machine's facts once the item's last command has done its work."""
    texts: dict[str, str] = {}
    match item:
        case DockerEngine():
            return dataclasses.replace(facts, paths=facts.paths | {DOCKERD[0]})
        case SecretLines():
            found = dict(facts.files) | {item.path: FileFact("", 0o600, "root", "root")}
            texts = {n: t for n, t in facts.texts.items() if n != item.reader} | {item.stamp: item.mark}
            return dataclasses.replace(facts, files=found, texts=texts)
        case OnlyKey():
            return dataclasses.replace(facts, texts=dict(facts.texts) | keys_of(**{item.key.name: item.key.sha256}))
        case Off():
            return dataclasses.replace(facts, units=dict(facts.units) | {item.name: STOPPED})
        case Packages() if redis.PACKAGE in item.names:  # which starts its own unit
            facts = dataclasses.replace(facts, units=dict(facts.units) | {redis.PACKAGED_UNIT: RIGHT})
    made = facts_of([item])
    if KEYS_FILE in made.files:  # the file of keys, which is there and has none
        made = dataclasses.replace(made, texts=dict(facts.texts) | keys_of())
    else:
        own = {webui.SECRETS_FILE: made.files, webui.KEY_STAMP: made.texts}  # that `facts_of` adds to every machine
        for name, where in own.items():
            where.pop(name)  # type: ignore[attr-defined]
    merged = {kind: dict(getattr(facts, kind)) | dict(getattr(made, kind)) for kind in MAPS}
    return dataclasses.replace(facts, **merged, packages=facts.packages | made.packages)


class World:
    """Two machines; `cut`: the command after which the connection breaks, by its place among those of its machine."""

    def __init__(self, units: Mapping[str, UnitFact]) -> None:
        self.facts = dict.fromkeys(("gateway", "host"), dataclasses.replace(EMPTY, units=dict(units)))
        self.done: list[tuple[str, str]] = []  # the labels of what was done whole, by machine
        self.commands: dict[str, int] = {}
        self.cut: tuple[str, int] | None = None
        self.broken = set[str]()
        self.now = threading.local()
        self.lock = threading.Lock()

    def new_run(self, cut: tuple[str, int] | None = None) -> None:
        self.commands, self.cut, self.broken = {"gateway": 0, "host": 0}, cut, set()

    def order(self, role: str) -> None:
        """One command of the item that is applied just now."""
        with self.lock:
            self.require(role)
            item, last = self.now.orders.pop(0)
            if last:
                self.facts[role] = after(self.facts[role], item)
                self.done.append((role, item.label))
            self.commands[role] += 1
            if self.cut == (role, self.commands[role]):
                self.broken |= {"gateway", "host"} if role == "gateway" else {"host"}  # the host's goes through it
                self.require(role)

    def require(self, role: str) -> None:
        if role in self.broken:
            raise Unreachable(f"The connection to the {role} broke")


class FakeMachine:
    def __init__(self, world: World, where: Address) -> None:
        self.world, self.where, self.role, self.known = world, where, where.role, True

    def connect(self, patience_s: float = 0.0, waiting: Callable[[], None] = lambda: None) -> None:
        self.world.require(self.role)

    def close(self) -> None:
        pass

    def facts(self, query: Query) -> Facts:
        self.world.require(self.role)
        return self.world.facts[self.role]

    def run(self, script: str, *, stdin: bytes = b"", timeout_s: float = 60.0) -> Result:
        if script.startswith("test -x"):
            return Result(0 if "/etc/pilotlight/relay.json" in self.world.facts["gateway"].files else 1, "", "")
        self.world.order(self.role)
        return Result(0, "", "")


class FakeClient:
    """A lease that is RUNNING, where it can be read."""

    def __init__(self, machine: FakeMachine) -> None:
        self._machine = machine

    def show(self) -> Answer:
        return self.call("show")

    def call(self, verb: str, *_: str, timeout_s: float = 30.0) -> Answer:
        self._machine.world.require(self._machine.role)
        return Answer(Lease("demo/host", State.RUNNING, 3, 1.0, "", "agent"), 100.0, changed=True)


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    found = settings.load(yaml.safe_load(DEMO)["config"], "demo")
    return inventory_module.build(StackFile("demo", found, tmp_path, {}, ""), OUTPUTS | applied(found), "")


class Proof(FakeProof):
    """Nothing to remember."""

    def until_running(self) -> Answer:
        return Answer(Lease("demo/host", State.RUNNING, 4, 1.0, "", "agent"), 100.0)

    def answers(self) -> None:
        pass


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch, inventory: Inventory) -> Iterator[Callable[[World], None]]:
    """Puts a world behind the deployment."""
    real, wanted = apply_module._do, deploy_module.wanted
    lists = {name: cache(getattr(wanted, name)) for name in ("host", "gateway")}

    def use(world: World) -> None:
        def do(machine: Any, item: Item, facts: Facts, progress: Progress) -> None:
            orders = item.orders(facts)
            world.now.orders = [(item, n == len(orders) - 1) for n in range(len(orders))]
            real(machine, item, facts, progress)

        monkeypatch.setattr(apply_module, "_do", do)
        monkeypatch.setattr(deploy_module, "Machine", lambda where, gateway=None: FakeMachine(world, where))

    monkeypatch.setattr(files, "_archive", lambda _: b"")  # packing takes its time
    monkeypatch.setattr(deploy_module, "LeaseClient", FakeClient)
    monkeypatch.setattr(deploy_module, "Proof", Proof)
    monkeypatch.setattr(Deployment, "_key", lambda self, front: None)  # its own commands: tests/remote/services
    made = {name: items(inventory) for name, items in lists.items() for items in [getattr(wanted, name)]}
    for name, items in made.items():
        monkeypatch.setattr(wanted, name, lambda _, items=items: list(items))
    chat = {role: wanted.chat(inventory, role) for role in ("gateway", "host")}
    monkeypatch.setattr(wanted, "chat", lambda _, role: list(chat[role]))
    return use


def deployed(world: World, inventory: Inventory, cut: tuple[str, int] | None = None) -> list[str]:
    """The changes of one run."""
    world.new_run(cut)
    return Deployment(inventory, Options(), Progress(quiet=True)).run().changes


def restarted_last(done: list[tuple[str, str]]) -> None:
    """Each unit was started after the last of its files was written."""
    reads = {
        ENGINE_UNIT.format(name="a"): "/etc/pilotlight/engines/a.yaml",
        AGENT_UNIT: "/etc/pilotlight/agent.json",
        **dict.fromkeys(RELAY_UNITS, "/etc/pilotlight/relay.json"),
        webui.UNIT: webui.UNIT_FILE,
    }
    labels = [label for _, label in done]
    last = {label: n for n, label in enumerate(labels)}
    for unit, file in reads.items():
        assert last[file] < last[unit], unit


@pytest.mark.parametrize("before", ["nothing", "an older version, which runs"])
def test_whichever_command_was_the_last_the_next_run_finishes(
    machines: Callable[[World], None], inventory: Inventory, capsys: pytest.CaptureFixture[str], before: str
) -> None:
    wanted = deploy_module.wanted
    lists = (wanted.host(inventory), wanted.gateway(inventory), wanted.chat(inventory, "gateway"))
    named = facts_of([item for items in lists for item in items]).units
    units = {} if before == "nothing" else named
    whole = World(units)
    machines(whole)
    assert deployed(whole, inventory)
    counts = dict(whole.commands)
    assert deployed(whole, inventory) == [], "a deployment that was not disturbed leaves nothing to do"
    assert min(counts.values()) > 15
    for role, count in counts.items():
        for n in range(1, count + 1):
            world = World(units)
            machines(world)
            with pytest.raises(PilotlightError, match="broke"):
                deployed(world, inventory, (role, n))
            assert deployed(world, inventory) or n == count, (role, n)
            assert deployed(world, inventory) == [], (role, n)
            restarted_last(world.done)
            assert world.facts.keys() == whole.facts.keys()
            assert {r: f.units for r, f in world.facts.items()} == {r: f.units for r, f in whole.facts.items()}
    capsys.readouterr()
