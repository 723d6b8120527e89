"""A queued stream as unmodified clients read it: comments, then the engine's events. All of them wait for one wake."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from tests.e2e.gateway import clients
from tests.e2e.gateway.clients import CLIENTS
from tests.e2e.gateway.front import KEY, Front, until
from tests.e2e.gateway.test_gateway import stop_host, waiting

pytestmark = pytest.mark.e2e

FRONT = {"queue_max": len(CLIENTS) + 1}
TOOLS = {name: shutil.which(client.needs) for name, client in CLIENTS.items()}


@pytest.fixture(scope="module")
def said(whole_front: Front, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """By client: exit code, what it read, and its complaint."""
    whole_front.recover()
    stop_host(whole_front)
    folder = tmp_path_factory.mktemp("clients")
    there = {name: clients.made(name) for name, tool in TOOLS.items() if tool}
    running = {name: _start(name, place, folder, whole_front) for name, place in there.items()}
    try:
        _two_comments(whole_front, list(running.values()))
        whole_front.start_engine()
        whole_front.agent_ready("boot-2")
        codes = {name: process.wait(60) for name, process in running.items()}
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    return {
        n: (code, (folder / f"{n}.out").read_text(), (folder / f"{n}.err").read_text()) for n, code in codes.items()
    }


def _start(name: str, place: Path, folder: Path, front: Front) -> subprocess.Popen[bytes]:
    environment = os.environ | {"BASE_URL": f"http://127.0.0.1:{front.ports['api']}/v1", "KEY": KEY}
    with (folder / f"{name}.out").open("wb") as out, (folder / f"{name}.err").open("wb") as err:
        return subprocess.Popen(CLIENTS[name].command(place), cwd=place, env=environment, stdout=out, stderr=err)


def _two_comments(front: Front, callers: list[subprocess.Popen[bytes]]) -> None:
    """Everybody waits, or has failed already; then one more caller reads two comments: so have the others."""
    until(lambda: 0 < waiting(front) == sum(c.poll() is None for c in callers), "all wait", limit_s=60)
    until(lambda: front.machine() == "running", "started")
    url, headers = f"http://127.0.0.1:{front.ports['api']}/v1/chat/completions", {"Authorization": f"Bearer {KEY}"}
    body = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    with requests.post(url, json=body, headers=headers, stream=True, timeout=20) as probe:
        lines = (line for line in probe.iter_lines() if line)
        assert [next(lines)[:1] for _ in range(2)] == [b":", b":"]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_queued_stream_is_read(said: dict[str, tuple[int, str, str]], name: str) -> None:
    if not TOOLS[name]:
        pytest.skip(f"{CLIENTS[name].needs} is not on this computer")
    code, words, complaint = said[name]
    assert (code, words) == (0, "w0 w1 w2 "), complaint
