"""What HAProxy refuses by itself, in OpenAI's shape; what browsers are told; what never reaches an engine."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import requests

from core.contract import network
from tests.e2e.gateway.front import KEY, Front, until
from tests.e2e.gateway.test_gateway import ask, engine_seen, in_background, stop_host

pytestmark = pytest.mark.e2e

PAGE, OTHER_PAGE = "https://app.example.com", "https://evil.example.com"
FRONT = {"cors": (PAGE, "http://localhost:5173")}
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}


def call(front: Front, method: str = "POST", path: str = "/v1/chat/completions", **options: Any) -> requests.Response:
    """One request with a key; `headers` are added to it."""
    headers = {"Authorization": f"Bearer {KEY}"} | options.pop("headers", {})
    url = f"http://127.0.0.1:{front.ports['api']}{path}"
    return requests.request(method, url, headers=headers, timeout=20, **options)


def error_of(answer: requests.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert answer.headers["content-type"].partition(";")[0] == "application/json"  # the relay names a charset too
    return answer.status_code, error["code"]


def say(front: Front, request: bytes) -> bytes:
    """Bytes as they are; everything that comes back until HAProxy closes."""
    with socket.create_connection(("127.0.0.1", front.ports["api"]), timeout=10) as door:
        door.sendall(request)
        return b"".join(iter(lambda: door.recv(65536), b""))


# ---------------------------------------------------------------- limits, the same awake and asleep
LIMITS = [
    ("headers together", {"headers": {"X-A": "a" * network.HEADERS_BYTES_MAX}}, 431, "headers_too_large"),
    ("how many headers", {"headers": {f"X-{n}": "a" for n in range(120)}}, 431, "headers_too_large"),
    ("url", {"path": "/v1/chat/completions?" + "a" * network.URL_BYTES_MAX}, 414, "url_too_long"),
    ("zstd", {"headers": {"Content-Encoding": "zstd"}}, 415, "unsupported_encoding"),
    ("br", {"headers": {"Content-Encoding": "br"}}, 415, "unsupported_encoding"),
    ("two encodings", {"headers": {"Content-Encoding": "gzip, br"}}, 415, "unsupported_encoding"),
]


@pytest.mark.parametrize("case", LIMITS, ids=lambda c: c[0])
@pytest.mark.parametrize("awake", [True, False], ids=["awake", "asleep"])
def test_one_set_of_limits_awake_and_asleep(front: Front, awake: bool, case: tuple[str, Any, int, str]) -> None:
    _, options, status, code = case
    if not awake:
        stop_host(front)
    assert error_of(call(front, json=CHAT, **options)) == (status, code)
    assert front.lease().wake_until is None


@pytest.mark.parametrize("awake", [True, False], ids=["awake", "asleep"])
def test_a_long_body_is_413_before_it_is_sent(front: Front, awake: bool) -> None:
    if not awake:
        stop_host(front)
    head = f"Host: a\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {network.BODY_BYTES_MAX + 1}\r\n\r\n"
    answer = say(front, f"POST /v1/chat/completions HTTP/1.1\r\nConnection: close\r\n{head}".encode())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"] == "request_too_large"


def test_long_cookies_are_let_in_and_go_no_further(front: Front) -> None:
    cookie = {"Cookie": "session=" + "c" * 8300}
    assert call(front, json=CHAT, headers=cookie).status_code == 200
    stop_host(front)
    thread, answers = in_background(lambda: call(front, json=CHAT, headers=cookie))
    until(lambda: front.machine() == "running", "it wakes the host as any other request")
    front.start_engine()
    front.agent_ready("boot-2")
    thread.join(20)
    assert answers[0].status_code == 200
    assert not [h for seen in engine_seen(front) for h in seen["headers"] if h.lower() == "cookie"]


@pytest.mark.parametrize("expects", ["100-continue", "nothing-we-know"])
def test_what_a_caller_expects_ends_at_the_front_door(front: Front, expects: str) -> None:
    """aiohttp answers an unknown expectation in plain text, below the relay's handlers."""
    for prompt in ("hi", "x" * 400_000):  # straight to the engine, and by way of the relay
        body = json.dumps({"messages": [{"role": "user", "content": prompt}], "model": "chat"})
        assert call(front, data=body, headers={"Expect": expects}).status_code == 200
    assert not [h for seen in engine_seen(front) for h in seen["headers"] if h.lower() == "expect"]


def test_the_same_stream_value_streams_awake_and_asleep(front: Front) -> None:
    """`"stream": 1` is true for vLLM; asleep it was queued silently."""
    stop_host(front)
    url, headers = f"http://127.0.0.1:{front.ports['api']}/v1/chat/completions", {"Authorization": f"Bearer {KEY}"}
    with requests.post(url, json=CHAT | {"stream": 1}, headers=headers, stream=True, timeout=10) as queued:
        lines = queued.iter_lines()
        assert next(lines).startswith(b": pilotlight")
        until(lambda: front.machine() == "running", "started")
        front.start_engine()
        front.agent_ready("boot-2")
        assert b"data: [DONE]" in list(lines)


@pytest.mark.parametrize("asleep", [False, True], ids=["awake", "asleep"])
def test_a_body_without_a_length_is_bounded_too(front: Front, asleep: bool) -> None:
    """Its begin names a model, so without the detour an engine that is awake would get all of it."""
    if asleep:
        stop_host(front)

    def pieces() -> Iterator[bytes]:
        yield b'{"model": "chat", "prompt": "'
        for _ in range(network.BODY_BYTES_MAX // 2**20 + 1):
            yield b"x" * 2**20

    assert error_of(call(front, data=pieces())) == (413, "request_too_large")


NOT_HTTP = [
    b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET /\r\n\r\n",
]


@pytest.mark.parametrize("request_", NOT_HTTP)
def test_what_is_not_http_is_400_and_goes_nowhere(front: Front, request_: bytes) -> None:
    """HAProxy's words for this are compiled into it (ADR 17); no HTTP client can send it."""
    before = len(engine_seen(front))
    assert say(front, request_).startswith(b"HTTP/1.1 400 ")
    assert (len(engine_seen(front)), front.relayed()) == (before, [])


def test_http_2_is_not_spoken_even_where_a_caller_begins_with_it(front: Front) -> None:
    """Its bodies without a length would pass all limits."""
    answer = say(front, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    assert answer.startswith(b"HTTP/1.1 400 ")


# ---------------------------------------------------------------- redirects
@pytest.mark.parametrize("prompt", ["redirect", "redirect" + "x" * 400_000], ids=["straight", "relayed"])
def test_an_engines_redirect_is_502_and_followed_by_nobody(front: Front, prompt: str) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        ask(front.client(max_retries=2), prompt)
    assert (caught.value.status_code, caught.value.code) == (502, "engine_redirected")
    assert "location" not in caught.value.response.headers
    assert "/elsewhere" not in [seen["path"] for seen in engine_seen(front)]


# ---------------------------------------------------------------- browsers
def preflight(front: Front, page: str) -> requests.Response:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    url = f"http://127.0.0.1:{front.ports['api']}/v1/chat/completions"
    return requests.options(url, headers={"Origin": page} | asks, timeout=10)


def test_a_preflight_needs_no_key(front: Front) -> None:
    answer = preflight(front, PAGE)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["vary"] == "Origin"


def test_another_pages_preflight_is_told_what_to_set(front: Front) -> None:
    answer = preflight(front, OTHER_PAGE)
    assert error_of(answer) == (403, "cors_not_allowed")
    assert "access.corsOrigins" in answer.json()["error"]["message"]
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"json": CHAT}, 200),
        ({"json": CHAT, "headers": {"Authorization": "Bearer wrong"}}, 401),
        ({"path": "/nowhere", "json": CHAT}, 404),
        ({"json": CHAT | {"model": "other"}}, 404),
        ({"method": "GET", "path": "/v1/models"}, 200),
        ({"json": CHAT, "headers": {"Content-Encoding": "br"}}, 415),
        ({"method": "GET", "path": "/health"}, 200),
    ],
    ids=lambda c: json.dumps(c)[:50],
)
def test_every_answer_says_whose_page_may_read_it(front: Front, options: dict[str, Any], status: int) -> None:
    for page, allowed in ((PAGE, PAGE), (OTHER_PAGE, None), ("", None)):
        headers = options.get("headers", {}) | ({"Origin": page} if page else {})
        answer = call(front, **options | {"headers": headers})
        assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (status, allowed)


def test_a_queued_stream_says_so_too(front: Front) -> None:
    stop_host(front)
    with requests.post(
        f"http://127.0.0.1:{front.ports['api']}/v1/chat/completions",
        json=CHAT | {"stream": True},
        headers={"Authorization": f"Bearer {KEY}", "Origin": PAGE},
        stream=True,
        timeout=10,
    ) as queued:
        assert (queued.status_code, queued.headers["access-control-allow-origin"]) == (200, PAGE)
