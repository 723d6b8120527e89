"""The demo's last lines: what is pasted asks the stack, in a shell and in Python, with the key from its file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from local.demo.next_steps import KEEP, Ending, lines
from local.folders import CHECKOUT
from local.setup.links import ACTIVATE

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


@pytest.fixture
def asked() -> Iterator[list[dict[str, Any]]]:
    """A gateway on a free port that remembers what it was asked; the port is in the first entry."""
    requests: list[dict[str, Any]] = []

    class Gateway(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append({"path": self.path, "key": self.headers["Authorization"], "body": body})
            choice = {"index": 0, "message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}
            answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
            said = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    requests.append({"port": server.server_port})
    yield requests
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def end(tmp_path: Path) -> Ending:
    key = tmp_path / "a key's file"
    key.write_text("sk-pl-secret\n")
    return Ending(
        stack="demo",
        api_url="http://10.64.0.2:8000/v1",
        chat_url="http://10.64.0.2:3000",
        model="smollm2",
        key_file=key,
        email="admin@pilotlight.local",
        password_file=tmp_path / "demo.password",
        stop_after_s=20.0,
        environment={},
    )


def block(said: list[str], first: str) -> str:
    """The lines from the one that begins with `first` to the next empty one."""
    begin = next(n for n, line in enumerate(said) if line.startswith(first))
    return "\n".join(said[begin : said.index("", begin)])


@pytest.mark.parametrize("first", ["printf ", ".venv/bin/python - "])
def test_what_is_pasted_asks_with_the_key_of_the_file(first: str, end: Ending, asked: list[dict[str, Any]]) -> None:
    there = replace(end, api_url=f"http://127.0.0.1:{asked[0]['port']}/v1")
    script = block(lines(there, stays=True), first).replace(".venv/bin/python", sys.executable)
    done = subprocess.run(["sh", "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert "Paris." in done.stdout, done.stderr
    [request] = asked[1:]
    assert (request["path"], request["key"]) == ("/v1/chat/completions", "Bearer sk-pl-secret")
    assert request["body"]["model"] == "smollm2"
    assert "capital of France" in request["body"]["messages"][0]["content"]


def test_the_key_itself_is_printed_nowhere(end: Ending) -> None:
    assert not [line for line in lines(end, stays=True) if "sk-pl-secret" in line]


@pytest.mark.parametrize("stays", [True, False])
def test_it_says_what_to_try_next_whether_the_stack_stays_or_not(stays: bool, end: Ending) -> None:
    said = "\n".join(lines(end, stays=stays))
    assert all(part in said for part in (ACTIVATE, "fab explain -s demo", "ask again", "pulumi up -s qwen7b", "curl"))
    assert (KEEP in said) is not stays


def test_a_proxy_of_this_computer_is_gone_around(end: Ending) -> None:
    said = lines(replace(end, environment={"http_proxy": "http://proxy:3128"}), stays=True)
    assert [line for line in said if line.startswith("export NO_PROXY=10.64.0.2 no_proxy=10.64.0.2")]
    assert not [line for line in lines(end, stays=True) if "NO_PROXY" in line]


def test_what_it_names_is_there() -> None:
    assert (CHECKOUT / "stacks/Pulumi.qwen7b.yaml").exists()
    assert "## On AWS for real" in (CHECKOUT / "README.md").read_text()
