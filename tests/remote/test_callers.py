"""Callers of a service: what they make of a stream, and a real load on a server that answers like an engine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from core.errors import DeployError
from remote import callers
from remote.callers import Caller, Failed, Load, Question, Seen


def events(*found: Any, done: bool = True) -> list[bytes]:
    """A stream's lines."""
    lines = [b"data: " + json.dumps(each).encode() + b"\n" for each in found]
    return [line for each in lines for line in (each, b"\n")] + ([b"data: [DONE]\n"] if done else [])


def token(text: str) -> dict[str, Any]:
    return {"choices": [{"text": text}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


def read(lines: list[bytes]) -> Seen:
    """A stream whose pieces come a second after each other."""
    times = iter(range(1, 100))
    return callers.answer(iter(lines), 0.0, lambda: float(next(times)))


def test_a_completions_stream() -> None:
    said = [b": waiting\n", *events(token("a"), token("b"), token("c"), USAGE)]
    assert read(said) == Seen(1.0, (1.0, 1.0), 7, 3)


def test_a_chats_stream_counts_from_its_first_word() -> None:
    first = {"choices": [{"delta": {"role": "assistant", "content": ""}}]}
    thought = {"choices": [{"delta": {"reasoning_content": "hm"}}]}
    assert read(events(first, thought, {"choices": [{"delta": {"content": "a"}}]})) == Seen(1.0, (1.0,), 0, 2)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (events(token("a"), done=False), "the stream ended before it was whole"),
        (
            events(token("a"), {"error": {"message": "the engine crashed", "code": "engine_crashed"}}),
            "the engine crashed",
        ),
        (events(USAGE), "the answer has no token"),
    ],
)
def test_a_stream_that_is_no_answer(lines: list[bytes], said: str) -> None:
    with pytest.raises(Failed, match=said):
        read(lines)


@pytest.mark.parametrize(("part", "value"), [(0.5, 2.0), (0.95, 4.0), (0.99, 4.0), (0.25, 1.0)])
def test_a_percentile_is_one_of_the_values(part: float, value: float) -> None:
    assert callers.percentile([3.0, 1.0, 4.0, 2.0], part) == value


def test_figures_of_a_load() -> None:
    load = Load(2, 2.0, (Seen(0.1, (0.01, 0.03), 5, 3), Seen(0.3, (0.02,), 7, 2)), ())
    assert (load.tokens_s, load.mean("tokens_in")) == (2.5, 6.0)
    assert (load.first_ms(0.5), load.first_ms(0.95)) == (100.0, 300.0)
    assert (load.gap_ms(0.5), load.gap_ms(0.99)) == (20.0, 30.0)
    empty = Load(1, 0.0, (), ("no",))
    assert (empty.tokens_s, empty.first_ms(0.5), empty.mean("tokens_in")) == (0.0, None, 0.0)


class Engine(BaseHTTPRequestHandler):
    """Answers three tokens, or refuses; keeps what it was asked."""

    protocol_version = "HTTP/1.1"
    bodies: list[dict[str, Any]]
    connections: set[Any]
    refuses_from: int

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.bodies.append(body)
        self.connections.add(self.client_address)
        assert self.headers["Authorization"] == "Bearer sk-secret"
        if len(self.bodies) >= self.refuses_from:
            self._send(429, b'{"error": {"code": "queue_full"}}')
        else:
            self._send(200, b"".join(events(token("a"), token("b"), token("c"), USAGE)))

    def _send(self, status: int, text: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def engine(refuses_from: int = 10**9) -> Iterator[tuple[Question, type[Engine]]]:
    made = type("Made", (Engine,), {"bodies": [], "connections": set(), "refuses_from": refuses_from})
    server = ThreadingHTTPServer(("127.0.0.1", 0), made)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        yield Question(url, "/v1/completions", {"model": "m", "max_tokens": 3}, "sk-secret", prompt_words=4), made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_load_of_several_callers() -> None:
    with engine() as (question, made):
        load = callers.run(question, 3, 9, 600.0)
    assert (len(load.seen), load.failures) == (9, ())
    assert {each.tokens_out for each in load.seen} == {3}
    assert len({body["prompt"] for body in made.bodies}) == 9, "no two are the same"
    assert len({body["prompt"].split()[0] for body in made.bodies}) == 9, "nor begin so"
    assert 1 <= len(made.connections) <= 3, "a connection a caller"
    assert all(body["stream_options"] == {"include_usage": True} for body in made.bodies)


def test_a_chat_is_asked_as_a_chat() -> None:
    question = Question("http://h:1/v1", "/v1/chat/completions", {"model": "m"}, "k", 2, chat=True)
    (message,) = json.loads(question.whole(5))["messages"]
    assert message["role"] == "user"
    assert message["content"].startswith("5 ")


def test_the_first_failure_ends_the_load() -> None:
    with engine(refuses_from=3) as (question, made):
        load = callers.run(question, 1, 9, 600.0)
    assert len(load.seen) == 2
    assert load.failures == ('429: {"error": {"code": "queue_full"}}',)
    assert len(made.bodies) == 3


def test_no_request_begins_after_the_time_is_over() -> None:
    with engine() as (question, made):
        load = callers.run(question, 2, 9, 0.0)
    assert (load.seen, load.failures, made.bodies) == ((), (), [])


def test_who_is_not_there_is_one_message() -> None:
    with engine() as (question, _):
        pass
    with pytest.raises(DeployError, match=r"does not answer at http://127.*refused"):
        callers.warm(question)


def test_the_key_is_in_no_repr() -> None:
    assert "sk-" not in repr(Question("http://h:1/v1", "/", {}, "sk-secret", 1))


def test_tls_is_verified() -> None:
    with Caller(Question("https://h:1/v1", "/", {}, "k", 1)) as caller:
        assert caller._door._context.check_hostname  # type: ignore[attr-defined]
