"""What the agent knows of its boot, and that two lists of commands cannot be mistaken."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runtime.agent import admission as admission_module
from runtime.agent import machine as machine_module
from runtime.agent.admission import Admission, AdmissionError
from runtime.agent.idle_check import connections_to
from runtime.agent.machine import Machine


class Commands:
    """Stands in for subprocess.run; keeps what was run."""

    def __init__(self) -> None:
        self.ran: list[tuple[list[str], str | None]] = []
        self.code, self.out, self.err = 0, "", ""

    def run(self, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        script = options.get("input")
        self.ran.append((command, None if script is None else str(script)))
        return subprocess.CompletedProcess(command, self.code, self.out, self.err)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    fake = Commands()
    monkeypatch.setattr(subprocess, "run", fake.run)
    return fake


def test_a_boot_id_is_drawn_once_a_boot(tmp_path: Path) -> None:
    file = tmp_path / "run" / "boot-id"
    first, again = Machine(str(file)).boot_id, Machine(str(file)).boot_id
    assert first == again
    file.unlink()
    assert Machine(str(file)).boot_id != first


def test_that_a_boot_was_ready_outlives_the_agent_and_not_the_boot(tmp_path: Path) -> None:
    file = tmp_path / "boot-id"
    first = Machine(str(file))
    assert not first.was_ready()
    first.note_ready()
    assert (first.was_ready(), Machine(str(file)).was_ready()) == (True, True)
    file.unlink()  # as a reboot does; a machine whose /run is on a disk keeps the other file
    assert not Machine(str(file)).was_ready()


def test_power_off_is_ordered_before_idle_engines_are_killed(tmp_path: Path, commands: Commands) -> None:
    """The other way round systemd would restart them."""
    assert Machine(str(tmp_path / "b")).power_off("why", idle_engines=["m"])
    assert [" ".join(c) for c, _ in commands.ran] == [
        "systemctl poweroff --no-block",
        "systemctl kill --signal=SIGKILL pilotlight-engine@m.service",
    ]


def test_a_power_off_that_is_refused_kills_nobody(tmp_path: Path, commands: Commands) -> None:
    commands.code = 1
    assert not Machine(str(tmp_path / "b")).power_off("why", idle_engines=["m"])
    assert len(commands.ran) == 1


def test_a_missing_command_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_module.subprocess, "run", _missing)
    assert Machine(str(tmp_path / "b")).engine_up_s("m") is None


def test_an_engine_that_systemd_never_started_has_no_age(tmp_path: Path, commands: Commands) -> None:
    commands.out = "0\n"
    assert Machine(str(tmp_path / "b")).engine_up_s("m") is None


def test_this_machine_is_up(tmp_path: Path) -> None:
    assert Machine(str(tmp_path / "b")).up_s() > 0


def test_admission_refuses_syns_to_all_ports_but_for_root_on_the_loopback(commands: Commands) -> None:
    Admission([8101, 8100]).close()
    script = commands.ran[0][1] or ""
    assert script.count("tcp dport { 8100, 8101 } tcp flags & (syn | ack) == syn reject with tcp reset") == 2
    assert "oif lo meta skuid != 0" in script
    assert "ct state" not in script


def test_admission_opens_where_nothing_of_it_is_in_the_kernel(commands: Commands) -> None:
    """A delete alone would fail in a boot that never closed it."""
    Admission([8100]).open()
    assert (commands.ran[0][1] or "").splitlines() == [
        "table inet pilotlight_admission {}",
        "delete table inet pilotlight_admission",
    ]


def test_admission_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, commands: Commands) -> None:
    commands.code, commands.err = 1, "Operation not permitted"
    with pytest.raises(AdmissionError, match="not permitted"):
        Admission([8100]).close()
    monkeypatch.setattr(admission_module.subprocess, "run", _missing)
    with pytest.raises(AdmissionError, match="no such command"):
        Admission([8100]).open()


def test_connections_are_named_by_their_peer(commands: Commands) -> None:
    commands.out = "ESTAB 0 0 10.0.0.5:8100 10.0.0.9:41234\nCLOSE-WAIT 1 0 10.0.0.5:8100 10.0.0.9:41240\n"
    assert connections_to([8100]) == "10.0.0.9:41234 ESTAB, 10.0.0.9:41240 CLOSE-WAIT"
    assert "fin-wait-1" in commands.ran[0][0]


def test_an_ss_that_fails_is_no_silence(commands: Commands) -> None:
    commands.code, commands.err = 1, "Cannot open netlink socket"
    with pytest.raises(OSError, match="netlink"):
        connections_to([8100])


def _missing(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
    raise FileNotFoundError("no such command")
