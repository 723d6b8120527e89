"""Shutdown report: what is sent, when, and that nothing waits for them for long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.contract.documents import EngineAddress, HostConfig, Place
from core.lease import Lease, State
from core.shutdown_report import ShutdownReport
from runtime.agent import shutdown_report
from runtime.agent.shutdown_report import UNANNOUNCED, Shipper, read_journals
from runtime.backends.leases import StoreUnavailable
from runtime.backends.leases.memory import MemoryLeaseStore
from tests.runtime.agent.world import World

UNIT = "demo/host"
CONFIG = HostConfig(1, "demo", UNIT, Place("made up"), "i-1", (EngineAddress("m", "127.0.0.1", 8100),), 1800.0)
UNITS = ["pilotlight-engine@m.service", "pilotlight-agent.service", "pilotlight-dead-man.service"]
STOPPING = Lease(UNIT, State.STOPPING, 9, 100.0, "no demand for 30m", "agent", instance_id="i-1", boot_id="boot-1")
CLOCK = 50_000.0


class Boot:
    def __init__(self, boot_id: str, up_s: float = 1000.0) -> None:
        self.boot_id, self.up = boot_id, up_s

    def up_s(self) -> float:
        return self.up


class Stage:
    """A host's disk and table; `asked` are the journals' units and times."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "made" / "shutdown-report.json"
        self.store = MemoryLeaseStore(lambda: 0.0)
        self.asked: list[tuple[Sequence[str], float, float | None]] = []
        self.put: Callable[[str, ShutdownReport], None] = self.store.put_report

    def put_report(self, unit: str, words: ShutdownReport) -> None:
        self.put(unit, words)

    def journals(self, units: Sequence[str], since: float, until: float | None) -> Mapping[str, Sequence[str]]:
        self.asked.append((units, since, until))
        return {unit: [f"{unit} said it"] for unit in units}

    def shipper(self, boot: Boot | None = None, **changes: Any) -> Shipper:
        made: dict[str, Any] = {"journals": self.journals, "file": str(self.file), "clock": lambda: CLOCK}
        return Shipper(CONFIG, self, boot or Boot("boot-1"), **(made | changes))

    def words(self) -> Sequence[ShutdownReport]:
        return self.store.reports(UNIT)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def stuck(stage: Stage) -> Iterator[threading.Event]:
    """The table answers only once the test is over."""
    free = threading.Event()
    stage.put = lambda *_: free.wait() and None
    yield free
    free.set()


def test_a_stop_sends_reason_and_this_boots_journals(stage: Stage) -> None:
    stage.shipper().ship(STOPPING, 123.0)
    (words,) = stage.words()
    assert (words.epoch, words.at, words.reason, words.by) == (9, 123.0, "no demand for 30m", "agent")
    assert (words.boot_id, words.late) == ("boot-1", False)
    assert words.journals["pilotlight-engine@m.service"].lines == ("pilotlight-engine@m.service said it",)
    assert stage.asked == [(UNITS, CLOCK - 1000, None)]


def test_a_retried_power_off_sends_nothing_again(stage: Stage) -> None:
    shipper = stage.shipper()
    for _ in range(3):
        shipper.ship(STOPPING, 123.0)
    assert len(stage.asked) == 1


@pytest.mark.parametrize("error", [StoreUnavailable("down"), OSError("disk")], ids=str)
def test_a_table_that_refuses_is_a_line_in_the_journal(
    stage: Stage, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def put(*_: object) -> None:
        raise error

    stage.put = put
    stage.shipper().ship(STOPPING, 123.0)
    assert f"shutdown report: not sent: {error}" in caplog.text


def test_a_stop_does_not_wait_for_a_table_that_hangs(
    stage: Stage, stuck: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    stage.shipper(within_s=0.01).ship(STOPPING, 123.0)
    assert not stuck.is_set()
    assert "not sent within" in caplog.text


def test_the_bound_holds_over_the_clients_own_retries() -> None:
    assert shutdown_report.SHIP_WITHIN_S <= 3.0
    assert shutdown_report.GATHER_S < shutdown_report.SHIP_WITHIN_S


# ---------------------------------------------------------------- the boot after
STARTING = Lease(UNIT, State.STARTING, 12, 100.0, "wanted by relay", "relay", instance_id="i-1", boot_id="boot-2")


def look_back(stage: Stage, boot: Boot) -> None:
    stage.shipper(boot).look_back(STARTING, 456.0).join()


def test_a_boot_that_ended_unannounced_is_told_of_by_the_next(stage: Stage) -> None:
    look_back(stage, Boot("boot-1", up_s=3000.0))
    assert stage.words() == []
    look_back(stage, Boot("boot-2", up_s=20.0))
    (words,) = stage.words()
    assert (words.boot_id, words.late, words.reason, words.epoch) == ("boot-1", True, UNANNOUNCED, 12)
    assert stage.asked == [(UNITS, CLOCK - 3000, CLOCK - 20)]


def test_a_boot_that_sent_its_shutdown_report_is_not_told_of_again(stage: Stage) -> None:
    look_back(stage, Boot("boot-1"))
    stage.shipper().ship(STOPPING, 123.0)
    look_back(stage, Boot("boot-2"))
    assert [words.boot_id for words in stage.words()] == ["boot-1"]
    assert stage.words()[0].late is False


def test_words_that_did_not_arrive_are_told_later(stage: Stage, stuck: threading.Event) -> None:
    look_back(stage, Boot("boot-1"))
    stage.shipper(within_s=0.01).ship(STOPPING, 123.0)
    stage.put = stage.store.put_report
    look_back(stage, Boot("boot-2"))
    assert [(words.boot_id, words.late) for words in stage.words()] == [("boot-1", True)]


def test_the_same_boot_again_tells_nothing(stage: Stage) -> None:
    look_back(stage, Boot("boot-1"))
    look_back(stage, Boot("boot-1"))
    assert stage.words() == []


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"boot_id": 1, "began": "noon", "arrived": false}'])
def test_a_file_that_cannot_be_read_stops_nothing(stage: Stage, text: str) -> None:
    stage.file.parent.mkdir()
    stage.file.write_text(text)
    look_back(stage, Boot("boot-2"))
    assert stage.words() == []
    look_back(stage, Boot("boot-3"))
    assert [words.boot_id for words in stage.words()] == ["boot-2"]


# ---------------------------------------------------------------- journalctl
def program(folder: Path, text: str) -> str:
    path = folder / "journalctl"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_journals_are_asked_by_time_and_unit(tmp_path: Path) -> None:
    found = read_journals(["a", "b"], 100.9, 200.9, command=program(tmp_path, 'echo "$@"'))
    asked = "--no-pager --quiet -o short-iso -n 300 --since=@100 --until=@200 -u"
    assert found == {"a": [f"{asked} a"], "b": [f"{asked} b"]}
    now = read_journals(["a"], 100.0, command=program(tmp_path, 'echo "$@"; printf "two\\377\\n"'))
    assert now == {"a": ["--no-pager --quiet -o short-iso -n 300 --since=@100 -u a", "two\ufffd"]}


def test_a_journal_that_hangs_or_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown_report, "GATHER_S", 0.05)
    hangs = program(tmp_path, "exec sleep 60")
    assert read_journals(["a"], 0.0, command=hangs) == {"a": ["(the journal did not answer within 0.05 s)"]}
    (line,) = read_journals(["a"], 0.0, command=str(tmp_path / "none"))["a"]
    assert line.startswith("(the journal cannot be read: ")


# ---------------------------------------------------------------- the agent speaks
class Speaker:
    """Writes into the host's diary what the agent asks of the shipper."""

    def __init__(self, world: World) -> None:
        self.diary = world.host.diary

    def ship(self, lease: Lease, now: float) -> None:
        self.diary.append(f"words: {lease.state} {lease.reason}")

    def look_back(self, lease: Lease, now: float) -> None:
        self.diary.append(f"look back: {lease.state}")


@pytest.fixture
def world() -> World:
    world = World()
    world.shutdown_report = Speaker(world)
    world.new_agent()
    return world


def test_its_own_stop_speaks_after_the_write_and_before_the_power_off(world: World) -> None:
    world.put(State.DRAINING, cordon_epoch=3)
    world.pass_time(3)
    assert world.host.diary[-3:] == ["close", "words: STOPPING because", "off now: because"]


def test_a_forced_stop_speaks_too(world: World) -> None:
    world.put(State.STOPPING, by="reaper", reason="maxLease")
    world.pass_time(1)
    assert world.host.diary[-2:] == ["words: STOPPING maxLease", "off: maxLease"]


def test_a_new_boot_looks_back_once(world: World) -> None:
    world.put(State.STARTING, boot_id="")
    world.engine.up = False
    world.pass_time(5)
    assert world.host.diary.count("look back: STARTING") == 1


def test_a_stop_of_another_boot_says_nothing(world: World) -> None:
    world.put(State.STOPPING, boot_id="boot-0")
    world.pass_time(5)
    assert not [entry for entry in world.host.diary if "words" in entry]
