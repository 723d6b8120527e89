"""A machine of one's own, without a cloud: deployed by SSH, asked, idle, its engines off, asked again.

All of it is real but the engine: vLLM itself is what the demo's host runs, and its start would be most of this test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.contract.paths import ENGINE_UNIT, ENGINE_USER, ENGINE_VENV, ENGINES_TARGET
from core.engines.serve import EngineSpec
from local.demo.caller import Caller
from local.demo.observe import wait_for
from remote.items import Item
from remote.items.files import File
from remote.items.system import User
from remote.items.units import Unit
from remote.machines import inventory
from remote.progress import Progress
from remote.services import engine
from remote.verbs import wanted
from remote.verbs.deploy import Deployment
from remote.verbs.deploy_report import Options, Report
from tests.e2e import workstation
from tests.e2e.workstation import STACK, Workstation

STUB = Path(__file__).with_name("stub_engine.py")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workstation]:
    made = workstation.make(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("PILOTLIGHT_CLOUD", workstation.NAME)
    monkeypatch.setattr(engine, "items", stub)
    monkeypatch.setattr(wanted, "HOST_PACKAGES", tuple(p for p in wanted.HOST_PACKAGES if p not in engine.COMPILERS))
    yield made
    made.remove()


def stub(specs: tuple[EngineSpec, ...], target: str, *, queue_timeout_s: float) -> list[Item]:
    """The engine's user, unit and configuration as they are, and a stub in vLLM's place."""
    (spec,) = specs
    name = ENGINE_UNIT.format(name=spec.name)
    return [
        User(ENGINE_USER, engine.ENGINE_HOME),
        File(f"{ENGINE_VENV}/bin/vllm", b"#!/usr/bin/python3\n" + STUB.read_bytes(), mode=0o755),
        File(f"{engine.UNIT_DIR}/{ENGINE_UNIT.format(name='')}", engine._unit(spec.device, target)),
        File(f"{engine.ENGINES_DIR}/{spec.name}.yaml", f"port: {spec.port}\n".encode()),
        Unit(name, "stub", rests=bool(target)),
    ]


def deploy() -> Report:
    return Deployment(inventory.load(STACK), Options(), Progress()).run()


def up(machine: Workstation) -> None:
    """The real Pulumi: its outputs are what `fab` goes by."""
    config: dict[str, Any] = {
        "host": {"kind": "ssh", "address": machine.address},
        "access": {"cidrs": [machine.site.subnet]},
        "engines": {"tiny": {"model": "/srv/none", "device": "cpu"}},
        "idle": {"stopAfter": "10s"},
    }
    machine.write_stack({f"pilotlight:{name}": section for name, section in config.items()})
    machine.run("pulumi", "stack", "init", STACK, "--no-select")
    said = machine.run("pulumi", "up", "--yes", "--skip-preview", "-s", STACK)
    assert "no cloud resource is made" in said
    state = json.loads(machine.run("pulumi", "stack", "export", "-s", STACK))
    assert [made["type"] for made in state["deployment"]["resources"]] == ["pulumi:pulumi:Stack"]


def test_a_workstation_goes_cold_answers_and_goes_cold_again(machine: Workstation) -> None:
    up(machine)
    report = deploy()
    assert report.lease == "RUNNING"
    caller = Caller(report.api_url, report.api_key, "tiny")
    try:
        assert "Paris" in caller.ask().text
        wait_for(lambda: machine.state() == "STOPPED", 300, machine.words, every_s=1)
        assert machine.inside("systemctl", "is-active", ENGINES_TARGET).endswith("inactive")
        assert machine.inside("systemctl", "list-units", "--failed", "--no-legend", "pilotlight-*") == ""
        assert "Paris" in caller.ask().text, "a cold start is a slow answer, and the machine was on all the time"
    finally:
        caller.close()
    assert deploy().changes == [], "what is deployed is as wanted, whether the engines are on or off"
    history = machine.history()
    assert history[:2] == ["NEW", "RUNNING"]
    assert "RUNNING" in history[history.index("STOPPED") :]
