"""The lease's command line, over an in-memory store."""

from __future__ import annotations

import io
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from core import lease as protocol
from core.contract.documents import EngineAddress, HostConfig, Place, RelayConfig, RelayUnit
from core.contract.network import RELAY_HEALTHS
from core.contract.table import SK_LEASE
from core.errors import ContractError
from core.lease import Lease, State, to_item
from core.shutdown_report import Journal, ShutdownReport
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.backends.power import Machine, PowerRefused
from runtime.lease_client import NOT_MET, Cli, main, one_unit, read_config

CONFIG = HostConfig(1, "demo", "demo/host", Place("made up"), "i-1", (EngineAddress("m", "127.0.0.1", 8100),), 1800.0)


class FakePower:
    def __init__(self) -> None:
        self.orders: list[str] = []
        self.refuse: PowerRefused | None = None

    def describe(self, instance_id: str) -> Machine:
        return Machine(instance_id, "stopped")

    def start(self, instance_id: str) -> None:
        self.orders.append(instance_id)
        if self.refuse:
            raise self.refuse

    def stop(self, instance_id: str) -> None:
        raise AssertionError("the command line never stops from outside")


class World:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.now, self.capsys, self.power = 1000.0, capsys, FakePower()
        self.store = MemoryLeaseStore(lambda: self.now)
        self.cli = Cli(CONFIG, self.store, self.power)

    def run(self, *argv: str, code: int = 0) -> Any:
        assert main(list(argv), cli=self.cli) == code
        lines = [json.loads(line) for line in self.capsys.readouterr().out.splitlines()]
        return lines[0] if len(lines) == 1 else lines


@pytest.fixture
def world(capsys: pytest.CaptureFixture[str]) -> World:
    return World(capsys)


def test_create_once(world: World) -> None:
    assert world.run("show") == {"now": 1000.0, "state": None}
    assert world.run("create")["changed"] is True
    again = world.run("create")
    assert (again["changed"], again["state"], again["by"]) == (False, "NEW", "deploy")


def test_create_after_the_lease_was_deleted(world: World) -> None:
    world.run("create")
    del world.store._rows._rows["demo/host", SK_LEASE]
    again = world.run("create")
    assert (again["changed"], again["state"], again["epoch"]) == (True, "NEW", 2)


def test_create_after_the_machine_was_replaced(world: World) -> None:
    world.store.write(protocol.create("demo/host", "i-0", by="deploy", now=1.0, nonce="n"))
    after = world.run("create")
    assert (after["state"], after["instance_id"], after["epoch"]) == ("NEW", "i-1", 2)


def test_inhibit_renew_release(world: World) -> None:
    world.run("create")
    world.run("inhibit", "--who", "deploy", "--why", "fab deploy", "--for", "60")
    world.now += 30
    held = world.run("inhibit", "--who", "deploy", "--why", "fab deploy", "--for", "60")
    assert held["inhibitors"] == [{"who": "deploy", "why": "fab deploy", "until": 1090.0}]
    assert held["inhibited"] is True
    assert world.run("release", "--who", "deploy")["inhibitors"] == []
    assert world.run("release", "--who", "deploy")["changed"] is False


def stopped(world: World) -> None:
    lease = Lease("demo/host", State.STOPPED, 3, 1.0, "idle", "agent", instance_id="i-1")
    world.store.write(protocol.Write("demo/host", "n", (), to_item(lease)))


def test_wake_request_alone_and_with_a_start(world: World) -> None:
    stopped(world)
    assert world.run("request-wake", "--by", "ann")["wanted"] is True
    assert world.power.orders == []
    started = world.run("request-wake", "--by", "ann", "--start")
    assert (started["state"], world.power.orders) == ("STARTING", ["i-1"])


def test_a_start_that_is_refused_is_said_and_written(world: World) -> None:
    stopped(world)
    world.power.refuse = PowerRefused("InsufficientInstanceCapacity", "none")
    answer = world.run("request-wake", "--by", "ann", "--start")
    assert (answer["state"], answer["failure"]) == ("FAILED", "capacity")
    assert "InsufficientInstanceCapacity: none" in answer["note"]


def test_unwish(world: World) -> None:
    stopped(world)
    world.run("request-wake", "--by", "ann")
    assert world.run("drop-wake-request")["wanted"] is False


def test_force_stop_and_history(world: World) -> None:
    world.run("create")
    assert world.run("force-stop", "--reason", "fab stop --force", "--by", "ann")["state"] == "STOPPING"
    events = world.run("events")
    assert [(e["before"], e["after"], e["by"]) for e in events] == [("", "NEW", "deploy"), ("NEW", "STOPPING", "ann")]
    assert events[1]["facts"] == {"forced": True}


def test_drain_asks_only_a_running_host(world: World) -> None:
    world.run("create")
    answer = world.run("drain", "--reason", "fab stop")
    assert (answer["changed"], answer["note"]) == (False, "the lease is NEW, not RUNNING")


def test_wait(world: World) -> None:
    world.run("create")
    assert world.run("wait", "--until", "new", "running")["met"] is True
    assert world.run("wait", "--until", "RUNNING", "--timeout", "0", code=NOT_MET)["met"] is False


def test_show_with_the_machine(world: World) -> None:
    world.run("create")
    assert world.run("show", "--machine")["machine"]["state"] == "stopped"


def test_without_a_lease_the_next_command_is_named(world: World) -> None:
    assert world.run("inhibit", "--who", "a", "--why", "b", code=1) == {
        "error": "There is no lease yet. Run `fab deploy`."
    }


def test_a_lease_that_changes_meanwhile_is_decided_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run("create")
    write, failures = world.store.write, [1, 1]
    monkeypatch.setattr(world.store, "write", lambda w: None if failures and failures.pop() else write(w))
    assert world.run("inhibit", "--who", "a", "--why", "b")["changed"] is True
    monkeypatch.setattr(world.store, "write", lambda w: None)
    assert "changed 5 times" in world.run("inhibit", "--who", "a", "--why", "b", code=1)["error"]


def test_a_missing_config_names_the_file(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(tmp_path / "none.json"), "show"]) == 1
    assert "none.json" in json.loads(capsys.readouterr().out)["error"]


def test_either_document_will_do(tmp_path: Path) -> None:
    (tmp_path / "agent.json").write_text(CONFIG.to_json())
    assert read_config(str(tmp_path / "agent.json")) == CONFIG


def test_states_are_checked(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["wait", "--until", "up"], cli=world.cli)
    assert "RUNNING" in capsys.readouterr().err


def test_pin_and_unpin(world: World) -> None:
    world.run("create")
    pinned = world.run("pin", "--who", "ann", "--why", "demo", "--for", "7200")
    assert (pinned["changed"], pinned["pin_until"], pinned["pin_who"], pinned["pin_why"]) == (True, 8200, "ann", "demo")
    assert world.run("pin", "--who", "bob", "--until", "9000")["pin_until"] == 9000
    late = world.run("pin", "--who", "bob", "--until", "1000")
    assert (late["changed"], late["note"]) == (False, "the pin would be over already")
    assert world.run("unpin")["pin_until"] is None
    assert world.run("unpin")["note"] == "there is no pin"
    assert world.power.orders == []


def test_a_pin_may_start_a_host_that_is_off(world: World) -> None:
    stopped(world)
    started = world.run("pin", "--who", "ann", "--for", "7200", "--start")
    assert (started["state"], started["changed"], started["pin_until"]) == ("STARTING", True, 8200)
    assert (started["wake_by"], world.power.orders) == ("pin of ann", ["i-1"])


def test_a_stop_by_hand_ends_the_pin(world: World) -> None:
    world.run("create")
    world.run("pin", "--who", "ann", "--for", "7200")
    answer = world.run("drain", "--reason", "fab stop")
    assert (answer["unpinned"], answer["pin_until"]) == (True, None)
    world.run("pin", "--who", "ann", "--for", "7200")
    assert world.run("force-stop", "--reason", "fab stop --force")["pin_until"] is None


def test_history_counts_back_by_the_tables_clock(world: World) -> None:
    world.run("create")
    world.now += 3600
    world.run("force-stop", "--reason", "x")
    assert [e["after"] for e in world.run("history", "--for", "7200")] == ["NEW", "STOPPING"]
    assert world.run("history", "--for", "60")["after"] == "STOPPING"


def test_show_with_settings_and_history(world: World) -> None:
    world.run("create")
    assert world.run("show", "--settings", "--history", "60")["settings"] is None
    shown = world.run("show", "--history", "60")
    assert [e["after"] for e in shown["events"]] == ["NEW"]
    assert "settings" not in shown


def test_shutdown_report_the_newest_or_some_stops_back(world: World) -> None:
    assert world.run("shutdown-report") == {"kept": 0, "words": None}
    for epoch in (5, 10):
        journals = {"a.service": Journal((f"line {epoch}",), cut=1)}
        world.store.put_report("demo/host", ShutdownReport(epoch, 100.0 + epoch, "idle", "agent", "b", journals))
    last = world.run("shutdown-report")
    assert (last["kept"], last["words"]["epoch"], last["words"]["reason"]) == (2, 10, "idle")
    assert last["words"]["journals"] == {"a.service": {"lines": ["line 10"], "cut": 1}}
    assert world.run("shutdown-report", "--back", "1")["words"]["epoch"] == 5
    assert world.run("shutdown-report", "--back", "2")["words"] is None
    assert world.run("shutdown-report", "--back", "-1")["words"] is None


def test_the_unit_is_the_first_or_the_one_that_is_named() -> None:
    units = tuple(RelayUnit(f"demo/{name}", Place("made up"), f"i-{name}", (), (), 300.0) for name in ("a", "b"))
    relay = RelayConfig(1, "demo", units, 540.0, 100)
    assert (one_unit(relay).unit, one_unit(relay, "demo/b").instance_id) == ("demo/a", "i-b")
    assert one_unit(CONFIG, "demo/host") is one_unit(CONFIG) is CONFIG
    for config in (relay, CONFIG):
        with pytest.raises(ContractError, match="no unit 'demo/c', only demo/"):
            one_unit(config, "demo/c")


@pytest.mark.parametrize(
    ("health", "told"),
    [
        ([{"redis": "ok"}, {"redis": "ok"}], "ok"),
        ([{"redis": "ok"}, {"redis": "it does not answer"}], "it does not answer"),
        ([None, {"redis": "ok"}], "ok"),
        ([{}, None], ""),
        ([None, None], ""),
    ],
)
def test_what_the_relays_beside_it_say_of_their_redis(
    world: World, monkeypatch: pytest.MonkeyPatch, health: Any, told: str
) -> None:
    def answers(url: str, timeout: float) -> io.BytesIO:
        said = health[RELAY_HEALTHS.index(url)]
        if said is None:
            raise OSError("refused")
        return io.BytesIO(json.dumps(said).encode())

    monkeypatch.setattr(urllib.request, "urlopen", answers)
    assert world.run("show", "--gateway")["redis"] == told
    assert "redis" not in world.run("show")
