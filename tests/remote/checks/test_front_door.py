"""The front door as it looks from outside: answers, DNS and certificates, as lines; and a real handshake."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from remote.checks import Verdict, front_door
from remote.checks.front_door import Certificate, Reply
from tests import certificates

URL = "http://gateway:8000/v1"
ASKS = '{"error": {"message": "Incorrect or missing API key.", "code": "invalid_api_key"}}'
NOW = 1_800_000_000.0
DAY = 86400.0


@pytest.mark.parametrize(
    ("reply", "verdict", "said"),
    [
        (Reply(401, ASKS), Verdict.PASS, "answers and asks for a key"),
        (Reply(0, problem="timed out"), Verdict.FAIL, "does not answer here: timed out"),
        (Reply(401, "Basic realm"), Verdict.FAIL, "answers 401 where"),
        (Reply(200, "<html>a router's page"), Verdict.FAIL, "answers 200 where 401 was expected: <html>a router's"),
        (Reply(503), Verdict.FAIL, "answers 503"),
    ],
)
def test_the_api(reply: Reply, verdict: Verdict, said: str) -> None:
    check = front_door.api(reply, URL, "demo")
    assert check.verdict is verdict
    assert said in check.said


@pytest.mark.parametrize(("status", "verdict"), [(200, "pass"), (302, "pass"), (502, "fail"), (0, "fail")])
def test_the_chat_page(status: int, verdict: str) -> None:
    assert front_door.chat(Reply(status), "http://gateway:3000", "demo").verdict == verdict


@pytest.mark.parametrize(
    ("found", "verdict", "said"),
    [
        (("203.0.113.9",), Verdict.PASS, "llm.example.org points to 203.0.113.9"),
        ((), Verdict.FAIL, "has no address yet"),
        (("198.51.100.1",), Verdict.FAIL, "points to 198.51.100.1, and the gateway is 203.0.113.9"),
    ],
)
def test_the_domain(found: tuple[str, ...], verdict: Verdict, said: str) -> None:
    check = front_door.domain("llm.example.org", "203.0.113.9", found)
    assert check.verdict is verdict
    assert said in check.said
    assert bool(check.fix) is (verdict is Verdict.FAIL)


@pytest.mark.parametrize(
    ("shown", "verdict", "said"),
    [
        (Certificate(NOW + 60 * DAY, "R3"), Verdict.PASS, "by R3, until 2027-03-16"),
        (Certificate(NOW + 20 * DAY, "R3"), Verdict.WARN, "was not renewed yet"),
        (Certificate(problem="self-signed certificate"), Verdict.FAIL, "self-signed certificate"),
    ],
)
def test_a_certificate(shown: Certificate, verdict: Verdict, said: str) -> None:
    (check,) = front_door.valid(shown, "llm.example.org", "demo", NOW)
    assert check.verdict is verdict
    assert said in check.said


class Refuses(BaseHTTPRequestHandler):
    """A gateway that asks for a key."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.end_headers()
        self.wfile.write(ASKS.encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Refuses)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_real_answer_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # nobody
    with serving() as port:
        reply = front_door.ask(f"http://127.0.0.1:{port}/v1/models")
    assert (reply.status, reply.text) == (401, ASKS)


def test_nobody_there_is_a_problem_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # nobody
    with serving() as port:
        pass
    reply = front_door.ask(f"http://127.0.0.1:{port}/v1/models")
    assert reply.status == 0
    assert "refused" in reply.problem


@pytest.mark.parametrize(("name", "problem"), [("localhost", ""), ("other.example", "mismatch")])
def test_a_real_handshake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, problem: str) -> None:
    maker = certificates.Maker(tmp_path)
    files = maker.files("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    monkeypatch.setenv("SSL_CERT_FILE", str(maker.root))
    with serving(context) as port:
        shown = front_door.certificate(name, "127.0.0.1", port)
    assert problem in shown.problem
    assert (shown.ends == files.leaf.not_valid_after_utc.timestamp()) is (problem == "")
