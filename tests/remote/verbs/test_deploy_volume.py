"""`fab deploy` on a gateway with a data volume: mounted first, and what it holds decides about the rest."""

from __future__ import annotations

import dataclasses

import pytest

from core.contract.documents import Outputs
from core.contract.paths import DATA_UNIT
from remote.machines.facts import Facts, Query
from remote.machines.inventory import Inventory
from remote.services import webui
from remote.verbs import wanted
from tests.remote.verbs.test_deploy import (
    FakeMachine,
    World,
    facts_of,
    inventory,  # noqa: F401  # a fixture
    run,
    world,  # noqa: F401  # a fixture
)


class Volume:
    """The page's database is on it: known once it is mounted."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
        self.mounted, self.looks = False, list[bool]()
        original = FakeMachine.run

        def run_(machine: FakeMachine, script: str, *, stdin: bytes = b"", timeout_s: float = 60.0) -> object:
            if f"systemctl -q enable {DATA_UNIT}" in script:
                self.mounted = True
            return original(machine, script, stdin=stdin, timeout_s=timeout_s)

        def facts(machine: FakeMachine, query: Query) -> Facts:
            found = world.facts[machine.role]
            if machine.role == "gateway":
                self.looks.append(self.mounted)
                paths = found.paths | ({webui.DATABASE} if self.mounted else set())
                found = dataclasses.replace(found, paths=frozenset(paths))
            return found

        monkeypatch.setattr(FakeMachine, "run", run_)
        monkeypatch.setattr(FakeMachine, "facts", facts)


@pytest.fixture
def replaced(inventory: Inventory, world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[Inventory, Volume]:  # noqa: F811
    """A gateway that `pulumi up` made in the place of another: it lacks the page's secrets and the mount."""
    outputs = dict(inventory.outputs) | {Outputs.GATEWAY_VOLUME_ID: "vol-1"}
    found = dataclasses.replace(inventory, outputs=outputs)
    items = [*wanted.gateway(found), *wanted.chat(found, "gateway")][len(wanted.data(found)) :]
    facts = facts_of(items)
    files = {path: file for path, file in facts.files.items() if path != webui.SECRETS_FILE}
    world.facts["gateway"] = dataclasses.replace(facts, files=files)
    return found, Volume(world, monkeypatch)


def test_it_is_mounted_before_anything_is_planned(replaced: tuple[Inventory, Volume]) -> None:
    found, volume = replaced
    report = run(found)
    assert volume.looks == [False, True]
    assert report.changes[2] == f"gateway: {DATA_UNIT}: missing"
    assert report.admin_email == "", "the accounts are on the volume: no first one is made"


def test_a_plan_mounts_nothing_and_names_it(replaced: tuple[Inventory, Volume], world: World) -> None:  # noqa: F811
    found, volume = replaced
    report = run(found, plan=True)
    assert not any(volume.looks)
    assert not volume.mounted
    assert f"gateway: {DATA_UNIT}: missing" in report.changes
