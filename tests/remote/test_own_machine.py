"""`fab deploy` to a machine of one's own: what it is given, what may rest, and who may call it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from core.contract.documents import HostConfig, ReaperConfig, RelayConfig, UnitSettings
from core.contract.paths import (
    AGENT_CONFIG,
    ENGINES_TARGET,
    LEASES_FILE,
    POWER_SOCKET,
    REAPER_CONFIG,
    RELAY_CONFIG,
    STACK_FILE,
    UNIT_SETTINGS,
)
from core.settings import load
from remote.items import Item
from remote.items.files import File
from remote.items.system import NoOtherStack, NothingOfTheirs
from remote.items.units import Unit
from remote.machines import inventory, journal
from remote.machines.facts import Facts, UnitFact
from remote.machines.inventory import Inventory
from remote.machines.transport import Address, Machine
from remote.services import haproxy, own_machine
from remote.stack_files import StackFile
from remote.verbs import wanted

OUTPUTS = {
    "unit": "mine/host",
    "hostInstanceId": "workstation",
    "gatewayAddress": "workstation",
    "apiUrl": "http://workstation:8000/v1",
    "sshUser": "ann",
    "chatUrl": "",
}
CONFIG = {
    "pilotlight:host": {"kind": "ssh", "address": "workstation", "sshUser": "ann"},
    "pilotlight:access": {"cidrs": ["192.168.0.0/16"]},
    "pilotlight:engines": {"a": {"model": "/srv/a"}},
}


@pytest.fixture
def mine(tmp_path: Path) -> Inventory:
    return inventory.build(StackFile("mine", load(CONFIG, "mine"), tmp_path, {}, ""), OUTPUTS, "")


@pytest.fixture
def items(mine: Inventory) -> list[Item]:
    return wanted.host(mine)


def text(items: list[Item], path: str) -> str:
    return next(item.content.decode() for item in items if isinstance(item, File) and item.path == path)


def test_there_is_one_machine_and_no_gateway(mine: Inventory) -> None:
    assert (mine.gateway, mine.host.address, mine.host.user, mine.page) == (None, "workstation", "ann", None)
    assert wanted.gateway(mine) == []


def test_its_documents_name_one_file_and_one_unit(items: list[Item]) -> None:
    host = HostConfig.from_json(text(items, AGENT_CONFIG))
    relay = RelayConfig.from_json(text(items, RELAY_CONFIG))
    reaper = ReaperConfig.from_json(text(items, REAPER_CONFIG))
    settings = UnitSettings.from_json(text(items, UNIT_SETTINGS))
    assert {host.place, relay.one().place, reaper.place} == {reaper.place}
    assert (reaper.place.kind, reaper.place.table, reaper.place.control) == ("ssh", LEASES_FILE, "mine/host")
    assert {host.instance_id, relay.one().instance_id, settings.instance_id} == {"workstation"}
    assert host.stays_on
    assert relay.wakes, "the relay is there while the engines are off"
    assert relay.one().shape is None, "the dashboard shows no money"
    assert {e.address for e in (*host.engines, *relay.engines)} == {"127.0.0.1"}


def test_everything_of_the_kind_is_there_in_its_order(items: list[Item]) -> None:
    labels = [item.label for item in items]
    order = [
        "user pilotlight",
        f"/etc/systemd/system/{ENGINES_TARGET}",
        "pilotlight-power.socket",
        "pilotlight-engine@a.service",
        "pilotlight-agent.service",
        "pilotlight-reaper.service",
    ]
    assert [label for label in labels if label in order] == order
    assert "/etc/profile.d/pilotlight.sh" not in labels, "who logs in there keeps nothing on"


def test_an_engine_starts_and_stops_with_the_target_and_not_with_the_machine(items: list[Item]) -> None:
    unit = text(items, "/etc/systemd/system/pilotlight-engine@.service")
    for line in ("Wants", "After", "PartOf", "WantedBy"):
        assert f"\n{line}={ENGINES_TARGET}\n" in unit
    assert "multi-user.target" not in unit


def test_another_stacks_machine_is_left_alone(items: list[Item]) -> None:
    guard = items[0]
    assert isinstance(guard, NoOtherStack)
    for there, reason in (("", ""), ("mine\n", ""), ("theirs\n", "it is stack theirs's")):
        assert guard.reason(Facts(texts={STACK_FILE: there})) == reason
    (order,) = guard.orders(Facts(texts={STACK_FILE: "theirs\n"}))
    assert order.script == "exit 1"
    assert "the stack theirs is deployed here" in order.failure
    assert text(items, STACK_FILE) == "mine\n"


def test_what_its_owner_runs_is_not_taken_over(items: list[Item]) -> None:
    guard = items[1]
    assert isinstance(guard, NothingOfTheirs)
    assert items.index(guard) < next(n for n, i in enumerate(items) if isinstance(i, File) and i.path == STACK_FILE)
    on, off = (UnitFact("loaded", state, "", "enabled", 0) for state in ("active", "inactive"))
    both = {"haproxy.service": off, "redis-server.service": on}
    assert guard.reason(Facts(units=both)) == "redis-server.service runs"
    (order,) = guard.orders(Facts(units=both))
    assert order.script == "exit 1"
    assert "redis-server.service runs here and is not ours" in order.failure
    assert "disable --now redis-server.service`" in order.failure
    assert guard.reason(Facts(units=both, texts={STACK_FILE: "mine\n"})) == "", "a deployment was cut off"
    assert guard.reason(Facts(units=dict.fromkeys(both, off))) == ""
    assert guard.reason(Facts()) == ""
    assert set(guard.query().units) == set(both)


def test_the_reapers_journal_is_read_too(mine: Inventory) -> None:
    ((_, units),) = journal.machines(mine).items()
    assert {"pilotlight-reaper.service", "pilotlight-power@*.service"} <= set(units)


def test_engines_that_are_off_need_no_deployment(items: list[Item]) -> None:
    engine = next(item for item in items if isinstance(item, Unit) and item.label == "pilotlight-engine@a.service")
    off = {engine.name: UnitFact("loaded", "inactive", "dead", "enabled", 0)}
    assert engine.reason(Facts(units=off, texts={engine.stamp: engine.applied})) == ""
    assert engine.reason(Facts(units=off, texts={engine.stamp: "older"})) == "its files changed"
    agent = next(item for item in items if isinstance(item, Unit) and item.wait_for_inhibitor)
    off = {agent.name: UnitFact("loaded", "inactive", "dead", "enabled", 0)}
    assert agent.reason(Facts(units=off, texts={agent.stamp: agent.applied})) == "is inactive"


def test_haproxy_lets_in_the_machine_itself_and_who_is_named() -> None:
    rule = "tcp-request connection reject if !{ src 127.0.0.0/8 ::1"
    named = haproxy.config((), callers=("192.168.0.0/16", "fd00::/8")).decode()
    assert f"\n  {rule} 192.168.0.0/16 fd00::/8 }}\n" in named
    assert f"\n  {rule} }}\n" in haproxy.config((), callers=()).decode()
    assert rule not in haproxy.config(()).decode(), "on AWS a security group knows"


@pytest.mark.parametrize(
    ("order", "calls", "answer"),
    [
        ("start", ["reset-failed pilotlight-engine@*.service", f"start --no-block {ENGINES_TARGET}"], "ok"),
        ("stop", [f"stop --no-block {ENGINES_TARGET}"], "ok"),
        ("poweroff", [], "there are the orders start and stop"),
        ("stop; reboot", [], "there are the orders start and stop"),
        ("", [], "there are the orders start and stop"),
    ],
)
def test_the_door_knows_two_orders(
    items: list[Item], tmp_path: Path, order: str, calls: list[str], answer: str
) -> None:
    script = tmp_path / "power.sh"
    script.write_text(text(items, own_machine.POWER_SCRIPT))
    done = _run(script, tmp_path, order, "exit 0")
    assert (done.stdout.strip(), _calls(tmp_path)) == (answer, calls)


def test_the_door_says_what_systemd_says(items: list[Item], tmp_path: Path) -> None:
    script = tmp_path / "power.sh"
    script.write_text(text(items, own_machine.POWER_SCRIPT))
    assert _run(script, tmp_path, "stop", "echo Unit is masked. >&2; exit 1").stdout.strip() == "Unit is masked."


def _run(script: Path, folder: Path, order: str, then: str) -> subprocess.CompletedProcess[str]:
    """The script with a `systemctl` that notes how it is called."""
    (folder / "systemctl").write_text(f'#!/bin/sh\necho "$*" >>{folder}/calls\n{then}\n')
    (folder / "systemctl").chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin"}
    return subprocess.run(
        ["sh", str(script)], input=f"{order}\n", env=environment, capture_output=True, text=True, check=False
    )


def _calls(folder: Path) -> list[str]:
    calls = folder / "calls"
    return calls.read_text().splitlines() if calls.exists() else []


def test_only_the_relays_group_reaches_the_door(items: list[Item]) -> None:
    door = text(items, "/etc/systemd/system/pilotlight-power.socket")
    assert f"\nListenStream={POWER_SOCKET}\nSocketUser=root\nSocketGroup=pilotlight\nSocketMode=0660\n" in door


def test_a_machine_that_does_not_answer_is_nobodys_instance(tmp_path: Path) -> None:
    where = Address("host", "box", "127.0.0.1", "ann", str(tmp_path / "key"), tmp_path, stack="mine", theirs=True)
    machine = Machine(where)
    said: Any = machine._silent(OSError(111, "Connection refused"))
    assert "Is it on, and does sshd run there?" in said
    assert "AWS" not in said
    refused: Any = machine._refused(_refusal())
    assert "ssh-copy-id ann@127.0.0.1" in refused
    machine.close()


def _refusal() -> Any:
    import paramiko

    return paramiko.AuthenticationException()


def test_outputs_that_are_missing_are_named(tmp_path: Path) -> None:
    file = StackFile("mine", load(CONFIG, "mine"), tmp_path, {}, "")
    with pytest.raises(Exception, match="no outputs unit"):
        inventory.build(file, {k: v for k, v in OUTPUTS.items() if k != "unit"}, "")
    assert json.loads(text(wanted.host(inventory.build(file, OUTPUTS, "")), AGENT_CONFIG))["unit"] == "mine/host"
