"""The program that empties an engine before its restart, over a machine that is played."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from http.client import IncompleteRead
from typing import Any

import pytest

from remote.items.units import HELD_TABLE, OnlyEngines, Unit
from remote.machines.facts import Facts
from remote.scripts import drain_engine

UNIT = "pilotlight-engine@a.service"
LISTENS = 'LISTEN 0 2048 0.0.0.0:8100 0.0.0.0:* users:(("vllm",pid=7,fd=20))\n'
METRICS = 'vllm:num_requests_running{{model="a"}} {}\nvllm:num_requests_waiting{{model="a"}} 0.0\n'


CUT = -2.0  # of `running`: the engine ends in the middle of its page


class Host:
    """A host with an engine: `connections` and `running` are what each look finds, the last one for ever."""

    def __init__(self, connections: list[int], running: list[float], pid: str = "7", listens: str = LISTENS) -> None:
        self.connections, self.running, self.pid, self.listens = connections, running, pid, listens
        self.rules: list[str] = []
        self.time = 0.0

    def said(self, *command: str, stdin: str = "") -> str:
        match command:
            case ("systemctl", *_):
                return f"{self.pid}\n"
            case ("ss", "-Hltnp"):
                return self.listens
            case ("ss", *_):
                return "ESTAB 0 0 10.0.0.1:8100 10.0.0.2:5\n" * self._next(self.connections)
        self.rules.append(stdin)
        return ""

    @staticmethod
    def _next(values: list[Any]) -> Any:
        return values.pop(0) if len(values) > 1 else values[0]

    def open(self, url: str, timeout: float) -> Any:
        assert url == "http://127.0.0.1:8100/metrics"
        if (count := self._next(self.running)) < 0:
            raise IncompleteRead(b"vllm:") if count == CUT else ConnectionRefusedError
        return closing(io.BytesIO(METRICS.format(count).encode()))

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    @property
    def closed(self) -> bool:
        """The port takes no new connections, by the last ruleset."""
        return "@held" in self.rules[-1]


@pytest.fixture
def drain(monkeypatch: pytest.MonkeyPatch) -> Callable[[Host, float], int]:
    def run(host: Host, limit_s: float) -> int:
        monkeypatch.setattr(drain_engine, "said", host.said)
        monkeypatch.setattr(drain_engine.urllib.request, "build_opener", lambda _: host)
        monkeypatch.setattr(drain_engine.time, "monotonic", lambda: host.time)
        monkeypatch.setattr(drain_engine.time, "sleep", host.sleep)
        return drain_engine.main(UNIT, str(limit_s), HELD_TABLE)

    return run


def test_an_idle_engine_is_closed_and_ready_at_once(drain: Callable[[Host, float], int]) -> None:
    host = Host([0], [0.0])
    assert drain(host, 900) == 0
    assert host.closed
    assert host.time == drain_engine.QUIET_LOOKS * drain_engine.LOOK_S


def test_requests_are_waited_for_by_connection_and_by_counter(drain: Callable[[Host, float], int]) -> None:
    host = Host([2, 1, 0], [1.0, 1.0, 0.0])
    assert drain(host, 900) == 0
    assert host.closed
    assert len(host.rules) == 2 + 2 + drain_engine.QUIET_LOOKS  # connections, counters, and twice nothing


def test_one_quiet_look_is_not_enough(drain: Callable[[Host, float], int]) -> None:
    host = Host([0, 1, 0], [0.0])
    assert drain(host, 900) == 0
    assert len(host.rules) == 4


def test_requests_that_do_not_end_keep_the_engine_and_open_the_port(
    drain: Callable[[Host, float], int], capsys: pytest.CaptureFixture[str]
) -> None:
    host = Host([3], [0.0])
    assert drain(host, 2) == 1
    assert not host.closed
    assert capsys.readouterr().out == (
        f"3 connections still in {UNIT} after 2 s; nothing was restarted, and it takes new requests again\n"
    )


@pytest.mark.parametrize(("pid", "listens"), [("0", LISTENS), ("7", ""), ("77", LISTENS)])
def test_an_engine_that_is_off_or_loads_is_not_waited_for(
    drain: Callable[[Host, float], int], pid: str, listens: str
) -> None:
    host = Host([9], [9.0], pid, listens)
    assert drain(host, 900) == 0
    assert host.rules == []


def test_an_engine_whose_page_cannot_be_read_is_judged_by_its_connections(drain: Callable[[Host, float], int]) -> None:
    assert drain(Host([0], [-1.0]), 900) == 0
    assert drain(Host([0], [CUT]), 900) == 0


def test_the_port_opens_by_itself_where_the_deployment_is_lost() -> None:
    assert re.findall(r"elements = \{ (.*) \} \}", drain_engine.closed(HELD_TABLE, ["8100", "8101"])) == [
        f"8100 timeout {drain_engine.HELD_S}s, 8101 timeout {drain_engine.HELD_S}s"
    ]


def test_an_engines_restart_and_removal_begin_with_it() -> None:
    first, start = Unit(UNIT, "digest", requests_end_s=900).orders(Facts())
    assert first.script == f"python3 - {UNIT} 900 '{HELD_TABLE}'"
    assert first.timeout_s > 900
    assert "systemctl $verb" in start.script
    assert start.script.startswith(f"trap 'nft delete table {HELD_TABLE}")
    left = Facts(listings={"/etc/engines": ("a.yaml", "b.yaml")})
    orders = OnlyEngines((), "/etc/engines", "e@{name}.service", 900).orders(left)
    assert ["drain" if "python3" in o.script else "remove" for o in orders] == ["drain", "remove"] * 2


def test_a_failing_command_is_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match=r"^ls: .*nowhere"):
        drain_engine.said("ls", "/nowhere")
    monkeypatch.setattr(drain_engine, "TOOL_S", 0)
    with pytest.raises(OSError, match=r"^sleep did not end within 0 s"):
        drain_engine.said("sleep", "60")
    done = subprocess.run(
        ["python3", drain_engine.__file__, UNIT, "1", HELD_TABLE],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
        executable=sys.executable,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("nothing was restarted: ")
