"""Power over the engines of a machine that stays on: what systemd says, and the socket that takes orders."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from core.contract.documents import EngineAddress, HostConfig, Place
from core.contract.tags import TAG_CONTROL, TAG_UNIT
from runtime.backends.power import FleetPower, Machine, PowerRefused, PowerUnanswered, Resizable
from runtime.backends.power.systemd import SystemdPower, run

UNIT = "mine/host"
CONFIG = HostConfig(
    1, "mine", UNIT, Place("ssh"), "box", (EngineAddress("a", "127.0.0.1", 8100),), 1800.0, stays_on=True
)


class Door:
    """The socket's other end: notes orders, and answers each with `answer`."""

    def __init__(self, path: Path) -> None:
        self.orders: list[str] = []
        self.answer = "ok\n"
        self._ear = socket.socket(socket.AF_UNIX)
        self._ear.bind(str(path))
        self._ear.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            line, _ = self._ear.accept()
            with line, line.makefile() as words:
                if not (order := words.readline().strip()):
                    return
                self.orders.append(order)
                line.sendall(self.answer.encode())

    def close(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(path))
        self._thread.join()
        self._ear.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "power.sock"


@pytest.fixture
def door(path: Path) -> Iterator[Door]:
    made = Door(path)
    yield made
    made.close(path)


def power(tmp_path: Path, path: Path, load: str = "loaded", state: str = "active") -> SystemdPower:
    config = tmp_path / "agent.json"
    config.write_text(CONFIG.to_json())

    def said(_: Sequence[str]) -> str:
        return f"LoadState={load}\nActiveState={state}\n"

    return SystemdPower(run=said, door=str(path), config=str(config))


@pytest.mark.parametrize(
    ("state", "expected"),
    [("active", "running"), ("activating", "running"), ("inactive", "stopped"), ("failed", "stopped")],
)
def test_the_targets_state_is_the_machines(tmp_path: Path, path: Path, state: str, expected: str) -> None:
    found = power(tmp_path, path, state=state).describe("box")
    assert found == Machine("box", expected, tags={TAG_UNIT: UNIT, TAG_CONTROL: UNIT})


def test_a_machine_that_was_not_deployed_is_missing(tmp_path: Path, path: Path) -> None:
    assert power(tmp_path, path, load="not-found").describe("box").state == "missing"
    assert power(tmp_path, path).describe("another").state == "missing"
    assert SystemdPower(door=str(path), config=str(tmp_path / "none.json")).describe("box").state == "missing"


def test_a_fleet_is_the_one_machine(tmp_path: Path, path: Path) -> None:
    fleet: FleetPower = power(tmp_path, path)
    assert set(fleet.describe_fleet({UNIT: "box"})) == {"box"}
    assert not isinstance(fleet, Resizable)


def test_orders_go_to_the_socket(tmp_path: Path, path: Path, door: Door) -> None:
    ours = power(tmp_path, path)
    ours.start("box")
    ours.stop("box")
    assert door.orders == ["start", "stop"]


def test_what_systemd_refuses_is_told_in_its_words(tmp_path: Path, path: Path, door: Door) -> None:
    door.answer = "Failed to start pilotlight-engines.target: Unit is masked.\n"
    with pytest.raises(PowerRefused, match="Unit is masked"):
        power(tmp_path, path).start("box")


def test_nothing_is_ordered_of_another_machine(tmp_path: Path, path: Path, door: Door) -> None:
    with pytest.raises(PowerRefused, match="this machine is not another"):
        power(tmp_path, path).stop("another")
    assert door.orders == []


def test_without_the_socket_an_order_is_unanswered(tmp_path: Path, path: Path) -> None:
    with pytest.raises(PowerUnanswered, match=r"power\.sock"):
        power(tmp_path, path).start("box")


def test_a_command_that_fails_or_is_not_there_says_nothing() -> None:
    with pytest.raises(PowerUnanswered, match="no such thing"):
        run(("sh", "-c", "echo no such thing >&2; exit 4"))
    with pytest.raises(PowerUnanswered, match="not-a-command"):
        run(("not-a-command",))
