"""What `fab deploy` asks each service, against a front door that answers as the relay does."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import DeployError
from remote.progress import Progress
from remote.scripts import ask
from remote.verbs import proof
from remote.verbs.proof import Proof

UNKNOWN = 400, '{"error": {"code": "unsupported"}}'


class Front:
    """HAProxy's socket and API: `answers` by (path, service); what is not there is 400, as a shaped service's is."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], tuple[int, str]] = {}
        self.asked: list[tuple[str, Any]] = []
        front = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                front.asked.append((self.path, dict(self.headers)))
                status, text = front.answers.get((self.path, body["model"]), UNKNOWN)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.port = self._server.server_port

    def must(self, command: str, **_: Any) -> str:
        """The script's work, in this process: `command` ends with its last argument, the requests."""
        found = {}
        for path, body, headers in json.loads(shlex.split(command)[-1]):
            found[body["model"]] = ask.ask(self.port, "sk", path, body, headers)
        return json.dumps(found)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def front() -> Iterator[Front]:
    made = Front()
    yield made
    made.close()


def proved(front: Front, monkeypatch: pytest.MonkeyPatch, **services: bool) -> None:
    host = SimpleNamespace(facts=lambda _: SimpleNamespace(units={}))
    monkeypatch.setattr(proof, "WATCH_S", 0.0)
    Proof(host, front, None, (), services, 60.0, Progress(quiet=True)).answers()  # type: ignore[arg-type]


def test_a_shaped_service_is_asked_as_a_background_chat(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    front.answers = {
        ("/v1/completions", "plain"): (200, '{"choices": []}'),
        ("/v1/chat/completions", "tables"): (200, '{"choices": []}'),
    }
    proved(front, monkeypatch, plain=False, tables=True)
    assert [(path, "X-OWUI-Task" in headers) for path, headers in front.asked] == [
        ("/v1/completions", False),
        ("/v1/chat/completions", True),
    ]


def test_what_refuses_the_question_itself_is_told_at_once(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeployError, match="plain: 400"):
        proved(front, monkeypatch, plain=False)
    assert len(front.asked) == 1


def test_an_input_filter_that_refuses_the_word_is_an_answer(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    front.answers = {("/v1/chat/completions", "strict"): (400, '{"error": {"code": "input_refused"}}')}
    proved(front, monkeypatch, strict=True)


def test_who_is_not_there_yet_is_asked_again(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    front.answers = {("/v1/completions", "late"): (503, "{}")}
    asked = front.must

    def must(command: str, **options: Any) -> str:
        said = asked(command, **options)
        front.answers = {("/v1/completions", "late"): (200, '{"choices": []}')}
        return said

    monkeypatch.setattr(front, "must", must)
    proved(front, monkeypatch, late=False)
    assert len(front.asked) == 2
