"""The front door under whatever bytes a caller may send: what it answers, what reaches an engine, what it costs.

No 5xx that is not the gateway's own, in the shape of an API's errors; an engine sees only what a key may send it;
HAProxy and relays stay within bounds. What is sent is written out or drawn from a seed, so it is the same in each run.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.contract import dialects
from tests.e2e.gateway.front import KEY, RELAYS, Front, until
from tests.e2e.gateway.raw_http import Answer, Line, everything
from tests.e2e.gateway.test_gateway import engine_seen, stop_host

pytestmark = pytest.mark.e2e

SEED = 20261125
PATHS = 10_000
WAIT_S = 4
FRONT = {"HEADERS_WAIT_S": WAIT_S, "BODY_WAIT_S": WAIT_S}
ROOM_KIB = 96 * 1024  # that HAProxy and both relays may grow by together: bodies, and what malloc does not give back
KEYED = f"Host: a\r\nAuthorization: Bearer {KEY}\r\n".encode()
POST = b"POST /v1/chat/completions HTTP/1.1\r\n" + KEYED
GENERATIONS = [endpoint.path for endpoint in dialects.ENDPOINTS]


def chat(prompt: str) -> bytes:
    return json.dumps({"model": "chat", "messages": [{"role": "user", "content": prompt}]}).encode()


def sized(body: bytes, head: bytes = POST, extra: bytes = b"") -> bytes:
    return head + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body


def ours(answer: Answer) -> bool:
    """An answer that tells a program what is wrong, or HAProxy's for what is not HTTP at all (ADR 17)."""
    if answer.status < 400 or "content-security-policy" in answer.headers:
        return answer.status < 500  # the dashboard's, which are for people
    if answer.status in (400, 422) and answer.body.startswith(b"<html>"):
        return b"<h1>4" in answer.body
    error = answer.json["error"] if isinstance(answer.json, dict) else {}
    known = isinstance(error.get("message"), str) and bool(error.get("code") or error.get("type"))
    return known and (answer.status < 500 or "code" in error)


# ---------------------------------------------------------------- bounds
@pytest.fixture
def bounded(front: Front) -> Iterator[None]:
    """The memory of HAProxy and relays grows by no more than ROOM_KIB, at its highest."""
    processes = [front.processes[name].pid for name in ("haproxy", *RELAYS)]
    for pid in processes:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = sum(_memory_kib(pid, "VmRSS:") for pid in processes)
    yield
    grown = sum(_memory_kib(pid, "VmHWM:") for pid in processes) - before
    assert grown < ROOM_KIB, f"{grown >> 10} MiB"


def _memory_kib(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def reached(front: Front, since: int) -> list[tuple[str, str, str]]:
    """What the engine was sent since then: method, path, prompt."""
    return [(seen["method"], seen["path"], seen["prompt"]) for seen in engine_seen(front)[since:]]


# ---------------------------------------------------------------- paths
BASES = [
    *GENERATIONS,
    *("/", "/health", "/v1/models", "/v1/models/chat", "/dashboard", "/dashboard/log-in", "/dashboard/static/x.css"),
    # what vLLM, HAProxy and the relay answer on, and no caller is to reach
    *("/metrics", "/ready", "/tokenize", "/detokenize", "/pooling", "/score", "/rerank", "/invocations", "/version"),
    *("/v1/embeddings", "/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/server_info", "/docs", "/openapi.json"),
    *("/sleep", "/wake_up", "/reset_prefix_cache", "/collective_rpc", "/v1/responses/x", "/v1/audio/transcriptions"),
    *("/.well-known/acme-challenge/x", "/admin", "/v1", "/v1/", "//", "/..", "*", "http://a/v1/models", "a:80"),
]
METHODS = ["GET", "POST", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "X-ODD"]
PIECES = ["/", "//", "/..", "/../", "/./", "%2e%2e/", "%2f", "%252f", "%00", "%c0%af", "%ff", ";", "?", "?a=/../", "#"]
PIECES += [
    "\\",
    "..;/",
    "%0d%0a",
    "%u002f",
    "~",
    "@",
    ":",
    "[",
    "]",
    "{",
    "}",
    "|",
    "'",
    '"',
    "$",
    "&",
    "+",
    ",",
    "=",
    "*",
]


def draw(dice: random.Random) -> bytes:
    """One request with a random method on a random path, most of them near one that there is."""
    path = dice.choice(BASES)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3, 8))):
        at = dice.randrange(len(path) + 1)
        match dice.randrange(6):
            case 0:
                path = path[:at] + dice.choice(PIECES) + path[at:]
            case 1:
                path = path[:at] + path[at + 1 :] or "/"
            case 2:
                path = path[:at] + path[at : at + 1].swapcase() + path[at + 1 :]
            case 3:
                path = path[:at] + "".join(f"%{ord(c):02x}" for c in path[at : at + 1]) + path[at + 1 :]
            case 4:
                path = path[:at] + chr(dice.randrange(0x21, 0x7F)) + path[at:]
            case _:
                path = path + dice.choice(BASES)
    head = f"{dice.choice(METHODS)} {path} HTTP/1.1\r\n".encode() + (KEYED if dice.random() < 0.98 else b"Host: a\r\n")
    return sized(chat("drawn"), head) if dice.random() < 0.5 else head + b"\r\n"


def test_ten_thousand_random_paths(front: Front, bounded: None) -> None:
    dice, before, answered = random.Random(SEED), len(engine_seen(front)), 0
    with Line(front.ports["api"]) as line:
        for _ in range(PATHS):
            request = draw(dice)
            answer = line.ask(request)
            assert answer is not None, request
            assert answer.status < 500, (request, answer)
            assert ours(answer) or request.startswith(b"HEAD "), (request, answer)
            answered += answer.status < 300
        assert line.connections < PATHS / 4, "most requests share a connection"
    found = reached(front, before)
    assert {(method, prompt) for method, _, prompt in found} <= {("POST", "drawn"), ("POST", "")}
    assert {path for _, path, _ in found} <= set(GENERATIONS)
    assert found, "some drawn paths are those of generations"
    assert answered > len(found), "and some are answered without an engine"


# ---------------------------------------------------------------- where one request ends and the next one begins
OUTER = chat("outer")
N = len(OUTER)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
# Without a key: as a request of its own it is refused. The last one ends the connection, wherever it is read
INSIDE = sized(chat("inside"), b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n")
LAST = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def chunks(body: bytes = OUTER, size: bytes = b"", end: bytes = b"\r\n") -> bytes:
    return (size or b"%x" % len(body)) + end + body + end + b"0" + end + end


FRAMES: dict[str, bytes] = {
    "length and chunks": POST + CHUNKED + b"Content-Length: %d\r\n\r\n" % (len(chunks()) + len(INSIDE)) + chunks(),
    "chunks and no length": POST + b"Content-Length: 0\r\n" + CHUNKED + b"\r\n" + chunks(),
    "chunks twice": POST + CHUNKED + CHUNKED + b"\r\n" + chunks(),
    "two lengths": sized(OUTER, POST + b"Content-Length: %d\r\n" % (N + len(INSIDE))),
    "the same length twice": sized(OUTER, POST + b"Content-Length: %d\r\n" % N),
    "two lengths in a list": POST + b"Content-Length: %d, %d\r\n\r\n" % (N, N + len(INSIDE)) + OUTER,
    "an underscore": sized(OUTER, POST + b"Content_Length: %d\r\n" % (N + len(INSIDE))),
    "a folded header": sized(OUTER, POST + b"X-A: b\r\n Content-Length: 5\r\n"),
    "folded chunks": sized(OUTER, POST + b"Transfer-Encoding:\r\n chunked\r\n"),
    "a space before the colon": sized(OUTER, POST + b"Transfer-Encoding : chunked\r\n"),
    "a header without a name": sized(OUTER, POST + b": chunked\r\n"),
    "bare LF": sized(OUTER).replace(b"\r\n", b"\n"),
    "bare LF in a value": sized(OUTER, POST + b"X-A: b\n" + CHUNKED),
    "bare CR in a value": sized(OUTER, POST + b"X-A: b\r" + CHUNKED),
    "bare LF around chunks": POST + CHUNKED + b"\r\n" + chunks(end=b"\n"),
    "a chunk's extension": POST + CHUNKED + b"\r\n" + chunks(size=b"%x;a=b" % N),
    "LF in a chunk's extension": POST + CHUNKED + b"\r\n" + chunks(size=b"%x;a\nb" % N),
    "a chunk shorter than it is": POST + CHUNKED + b"\r\n" + chunks(size=b"5"),
    "trailers": POST + CHUNKED + b"\r\n" + chunks()[:-2] + b"X-Pilotlight-Key: eve\r\n\r\n",
    "chunks in HTTP/1.0": POST.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n" + chunks(),
    "HTTP/0.9": b"POST /v1/chat/completions\r\n",
    "HTTP/2.0 in the old manner": sized(OUTER, POST.replace(b"1.1", b"2.0")),
    "two hosts": sized(OUTER, POST + b"Host: b\r\n"),
    "no host": sized(OUTER, POST.replace(b"Host: a\r\n", b"")),
    "NUL in a value": sized(OUTER, POST + b"X-A: b\x00c\r\n"),
    "ESC in a value": sized(OUTER, POST + b"X-A: \x1b[2J\r\n"),
    "headers that end here": sized(OUTER, POST + b"Connection: content-length, authorization, x-pilotlight-key\r\n"),
    "HTTP/2 by an upgrade": sized(OUTER, POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
    "a websocket": sized(OUTER, POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
    "two keys": sized(OUTER, POST + b"Authorization: Bearer wrong\r\n"),
    "a body for a GET": sized(INSIDE, b"GET /v1/models HTTP/1.1\r\n" + KEYED),
    "CONNECT": b"CONNECT 127.0.0.1:80 HTTP/1.1\r\n" + KEYED + b"\r\n",
    "empty lines first": b"\r\n\r\n" + sized(OUTER),
    **{
        f"Transfer-Encoding: {value!r}": sized(OUTER, POST + b"Transfer-Encoding: " + value + b"\r\n")
        for value in (
            b"xchunked",
            b"identity",
            b"chunked, identity",
            b"gzip, chunked",
            b"\x0bchunked",
            b"",
            b"chunked;q=1",
        )
    },
    **{
        f"Content-Length: {value!r}": POST + b"Content-Length: " + value + b"\r\n\r\n" + OUTER
        for value in (b"+%d" % N, b"-1", b"0x%x" % N, b"%d 0" % N, b"1_0", b"", b"9" * 20, b"000%d" % N, b"%d.0" % N)
    },
    **{
        f"a chunk of {size!r} bytes": POST + CHUNKED + b"\r\n" + chunks(size=size)
        for size in (b"f" * 16 + b"1", b"-1", b"0x%x" % N, b"", b" %x" % N, b"z")
    },
}
# HAProxy's versions differ in what else they forgive
NEVER = {"two lengths", "two lengths in a list", "bare CR in a value", "bare LF in a value", "two keys"}
NEVER |= {"NUL in a value", "ESC in a value", "no host", "a chunk shorter than it is", "a space before the colon"}


def test_no_request_hides_in_another(front: Front, bounded: None) -> None:
    taken = set()
    for name, request in FRAMES.items():
        before = len(engine_seen(front))
        answers = everything(front.ports["api"], request + INSIDE + LAST)
        assert all(ours(answer) and answer.status < 500 for answer in answers), (name, answers)
        found = engine_seen(front)[before:]
        assert [seen["prompt"] for seen in found] in ([], ["outer"]), (name, found)
        if found:
            taken.add(name)
            headers = {header.lower(): value for header, value in found[0]["headers"].items()}
            assert headers["x-pilotlight-key"] == "tester", name
            assert ("content-length" in headers) != ("transfer-encoding" in headers), name
            assert not {"upgrade", "authorization"} & headers.keys(), (name, headers)
    assert "empty lines first" in taken, "what is only odd is answered"
    assert not taken & NEVER


# ---------------------------------------------------------------- bodies
READABLE = chat("hi")
UNREADABLE: dict[str, tuple[bytes, bytes]] = {
    **{repr(body): (body, b"") for body in (b"", b"null", b"[]", b'"chat"', b"7", b"hi", b"{", b"{}", b"{]", b"\x00")},
    "NUL behind it": (READABLE + b"\x00", b""),
    "NUL inside": (READABLE.replace(b"hi", b"h\x00i"), b""),
    "a line's end inside": (READABLE.replace(b"hi", b"h\ni"), b""),
    "twice": (READABLE * 2, b""),
    "a comma too many": (READABLE[:-1] + b",}", b""),
    "single quotes": (READABLE.replace(b'"', b"'"), b""),
    "UTF-16": (READABLE.decode().encode("utf-16"), b""),
    "UTF-16 without a mark": (READABLE.decode().encode("utf-16-le"), b""),
    "UTF-32": (READABLE.decode().encode("utf-32"), b""),
    "UTF-16, and it says so": (
        READABLE.decode().encode("utf-16"),
        b"Content-Type: application/json; charset=utf-16\r\n",
    ),
    "Latin-1": (READABLE.replace(b"hi", b"na\xefve"), b""),
    "half a character": (READABLE.replace(b"hi", b"\xe2\x82"), b""),
    "overlong UTF-8": (READABLE.replace(b"hi", b"\xc0\xaf"), b""),
    "deep": (READABLE[:-1] + b',"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}", b""),
    "a number of 5000 digits": (READABLE[:-1] + b',"n":' + b"9" * 5000 + b"}", b""),
    "gzip that ends too early": (gzip.compress(READABLE)[:-12], b"Content-Encoding: gzip\r\n"),
    "gzip that is none": (READABLE, b"Content-Encoding: gzip\r\n"),
    "gzip in gzip": (gzip.compress(gzip.compress(READABLE)), b"Content-Encoding: gzip\r\n"),
    "gzip that nothing says": (gzip.compress(READABLE), b""),
    "deflate that is none": (b"\xff" * 40, b"Content-Encoding: deflate\r\n"),
    "gzip of too much": (gzip.compress(b'{"x":"' + b"a" * 2**26), b"Content-Encoding: gzip\r\n"),
}
READABLE_TOO = [
    (gzip.compress(READABLE), b"Content-Encoding: gzip\r\n"),
    (zlib.compress(READABLE), b"Content-Encoding: Deflate\r\n"),
    (READABLE, b"Content-Encoding: identity\r\n"),
    (b"\xef\xbb\xbf" + READABLE, b""),  # a mark that Windows writes before UTF-8
]
ODD: list[dict[str, Any]] = [
    *({"model": model} for model in (7, None, [], {}, "", "other", "../chat", "engine_tiny", "relay", "chat\r\nX: y")),
    *({"model": model} for model in ("\ud800", "chat\x00", "ch\u0430t", '"', "%", "x" * 200_000, "CHAT")),
    *({"messages": messages} for messages in (None, 7, "hi", [], [7], [None], [{}], {"role": "user"})),
    *(
        {name: value}
        for name in ("stream", "max_tokens", "n", "temperature")
        for value in ("x", [], {}, 1e308, -(10**30))
    ),
    {"\ud800": "\udfff", "": None, "x" * 100_000: 1, "stream_options": 7, "user": {"$ne": 1}, "tools": "rm"},
]


def posted(path: str, body: bytes, extra: bytes = b"") -> bytes:
    return sized(body, POST.replace(GENERATIONS[0].encode(), path.encode()), extra)


def test_no_body_ends_in_an_error_of_the_server(front: Front, bounded: None) -> None:
    """Awake: what cannot be read is refused here or by the engine, on every path; a readable one is answered."""
    odd = [json.dumps(json.loads(READABLE) | changes).encode() for changes in ODD]
    doubled = READABLE[:-1] + b',"model":"other"}'
    with Line(front.ports["api"]) as line:
        for path in GENERATIONS:
            for body, extra in [*UNREADABLE.values(), *((body, b"") for body in (*odd, doubled))]:
                answer = line.ask(posted(path, body, extra))
                assert answer is not None, (path, body[:80])
                assert answer.status < 500, (path, body[:80], answer)
                assert ours(answer), (path, body[:80], answer)
        for body in UNREADABLE.values():
            answer = line.ask(posted(GENERATIONS[0], *body))
            assert answer is not None, body[:80]
            assert 400 <= answer.status < 500, (body[0][:80], answer)
        for body, extra in READABLE_TOO:
            answer = line.ask(posted(GENERATIONS[0], body, extra))
            assert answer is not None
            assert (answer.status, "Paris" in answer.body.decode()) == (200, True), (extra, answer)


def test_what_cannot_be_read_wakes_nothing(front: Front, bounded: None) -> None:
    stop_host(front)
    with Line(front.ports["api"]) as line:
        for name, body in UNREADABLE.items():
            answer = line.ask(posted(GENERATIONS[0], *body))
            assert answer is not None, name
            assert 400 <= answer.status < 500, (name, answer)
            assert ours(answer), (name, answer)
    assert front.lease().wake_until is None


# ---------------------------------------------------------------- more than fits, and slower than anybody waits
def test_headers_without_end_are_cut_off(front: Front, bounded: None) -> None:
    """Beside those of test_front_door, which are refused in words: these are longer than HAProxy's buffer."""
    line = b"X-A: " + b"a" * 8000 + b"\r\n"
    for flood in (line * 400, b"X-A: " + b"a" * 2**21, b"X: y\r\n" * 50_000):
        answers = everything(front.ports["api"], POST + flood + b"\r\n" + LAST)
        assert all(400 <= answer.status < 500 for answer in answers), answers
    for start in (b"G" * 2**20, b"GET /" + b"a" * 2**20):
        answers = everything(front.ports["api"], start)
        assert all(400 <= answer.status < 500 for answer in answers), answers


SLOW = {
    "silent": b"",
    "half a line": b"POST /v1/ch",
    "half of the headers": POST,
    "no body": POST + b"Content-Length: 100\r\n\r\n",
    "half a body": POST + b"Content-Length: 100\r\n\r\n" + READABLE[:20],
    "half a chunk": POST + CHUNKED + b"\r\n40\r\n{",
}


def test_who_is_slow_is_sent_away_and_keeps_nobody_waiting(front: Front, bounded: None) -> None:
    """A byte now and then does not help: the time is that of the whole."""
    before = len(engine_seen(front))
    with contextlib.ExitStack() as stack:
        doors = []
        for start in list(SLOW.values()) * 25:
            door = stack.enter_context(socket.create_connection(("127.0.0.1", front.ports["api"]), timeout=60))
            door.sendall(start)
            doors.append(door)
        with Line(front.ports["api"]) as line:
            answer = line.ask(sized(READABLE))
        assert answer is not None
        assert answer.status == 200, "a caller is answered meanwhile"
        until(lambda: all(_gone(door) for door in doors), "all are sent away", limit_s=60.0)
    assert len(engine_seen(front)) == before + 1


def _gone(door: socket.socket) -> bool:
    """The other side has closed. One more byte is sent where it has not, as a slow caller does."""
    door.setblocking(False)
    try:
        while door.recv(65536):
            pass
        return True
    except BlockingIOError:
        with contextlib.suppress(OSError):
            door.send(b"a")
        return False
    except ConnectionError:
        return True
