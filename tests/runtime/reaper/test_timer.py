"""The reaper's other door: one pass by a timer of the machine's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from core import lease as protocol
from core.contract.documents import SCHEMA_VERSION, Place, ReaperConfig
from core.contract.tags import TAG_CONTROL, TAG_UNIT
from core.lease import State, Write
from core.notifications import Notification
from runtime import backends
from runtime.backends import Backend
from runtime.backends.leases import StoreUnavailable
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.backends.power import Machine
from runtime.reaper.__main__ import main
from tests.samples import unit_settings

NOW, UNIT = 1_800_000_000.0, "demo/host"


class World:
    """A table and one machine that is on and idle for an hour."""

    def __init__(self) -> None:
        self.leases = MemoryLeaseStore(lambda: NOW)
        self.down = False
        self.told: list[Notification] = []
        self._write(protocol.create(UNIT, "m-1", by="deploy", now=NOW - 7200, nonce="n"))
        boot = protocol.claim_boot(self.lease, instance_id="m-1", boot_id="b", now=NOW - 7100, nonce="n1")
        self._write(boot)
        self._write(protocol.ready(self.lease, boot_id="b", now=NOW - 7000, nonce="n2"))
        self._write(protocol.agent_beat(self.lease, boot_id="b", now=NOW - 1, busy=0, demand=False, nonce="n3"))

    def _write(self, outcome: protocol.Outcome) -> None:
        assert isinstance(outcome, Write)
        assert self.leases.write(outcome) is not None

    @property
    def lease(self) -> protocol.Lease:
        found = self.leases.read(UNIT).lease
        assert found is not None
        return found

    def describe_fleet(self, machines: Mapping[str, str]) -> dict[str, Machine]:
        if self.down:
            raise StoreUnavailable("no answer")
        return {"m-1": Machine("m-1", "running", tags={TAG_UNIT: UNIT, TAG_CONTROL: "c"})}

    def send(self, topic: str, notification: Notification) -> bool:
        self.told.append(notification)
        return True


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    made.leases.put_settings(unit_settings(unit=UNIT, instance_id="m-1", stop_after_s=1800.0))
    backend = Backend(made.leases, made, made, lambda unit: None)  # type: ignore[arg-type]
    monkeypatch.setattr(backends, "open", lambda place: backend)
    return made


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "reaper.json"
    path.write_text(ReaperConfig(SCHEMA_VERSION, Place("made up", control="c")).to_json())
    return str(path)


def test_a_pass_drains_what_is_idle_and_prints_its_summary(
    world: World, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", config]) == 0
    assert world.lease.state is State.DRAINING
    assert UNIT in json.loads(capsys.readouterr().out)["acted"]


def test_one_unit_alone(world: World, config: str) -> None:
    assert main(["--config", config, "--unit", "other/host"]) == 0
    assert world.lease.state is State.RUNNING


def test_a_pass_that_could_not_work_fails(world: World, config: str) -> None:
    world.down = True
    assert main(["--config", config]) == 1


def test_a_reaper_that_was_not_told_its_control_drives_nobody(world: World, tmp_path: Path) -> None:
    path = tmp_path / "reaper.json"
    path.write_text(ReaperConfig(SCHEMA_VERSION, Place("made up")).to_json())
    assert main(["--config", str(path)]) == 2
    assert world.lease.state is State.RUNNING


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert main(["--config", str(tmp_path / "none.json")]) == 2


def test_every_minute_in_one_process_so_that_it_remembers_what_it_told(
    world: World, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.leases._rows.put(UNIT, "lease", {"unit": UNIT, "lease_version": 9})
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("runtime.reaper.__main__.time.sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        main(["--config", config, "--every", "60"])
    assert [n.kind.value for n in world.told] == ["alert"]
