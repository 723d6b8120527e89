"""Bodies at the relay: reserved before they are read, bounded in size and time, in OpenAI's shape where refused."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from typing import Any

import aiohttp
import pytest

from core.lease import State
from runtime.gateway.api import app as app_module
from runtime.gateway.api import bodies
from runtime.gateway.api.bodies import Budget
from runtime.gateway.errors import Refusal
from tests.runtime.gateway.api.test_app import BODY, ask, play, raw, wake
from tests.runtime.gateway.stage import FakeEngine, Stage, until

MIB = 2**20


def error_of(text: bytes) -> str:
    error = json.loads(text)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return str(error["code"])


async def http(url: str, request: bytes) -> tuple[int, bytes]:
    """Bytes as they are, the answer until the connection ends; status and body."""
    port = int(url.rstrip("/").rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    head, _, text = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), text


async def upload(url: str, length: int, key: str = "ann") -> asyncio.StreamWriter:
    """A request that says how long it is, sends its first bytes, and no more."""
    port = int(url.rstrip("/").rsplit(":", 1)[1])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nX-Pilotlight-Key: {key}\r\nContent-Length: {length}\r\n\r\n"
    )
    writer.write(head.encode() + b'{"model"')
    return writer


# ---------------------------------------------------------------- the budget
def test_a_budget_is_shared_and_a_key_has_half() -> None:
    budget = Budget(100)
    with budget.share("ann") as ann, budget.share("bob") as bob:
        ann.reach(50)
        with pytest.raises(Refusal) as caught, budget.share("ann") as more:
            more.reach(1)
        assert (caught.value.status, caught.value.code, caught.value.retry_after_s) == (429, "bodies_full", 5)
        bob.reach(20)
        bob.reach(10)
        assert budget.reserved == 70
        ann.release()
        ann.release()
        assert budget.reserved == 20
    assert budget.reserved == 0


def test_bytes_are_reserved_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unfinished uploads: the third of this key is refused while nothing has arrived of the first two."""
    monkeypatch.setattr(app_module, "Budget", lambda: Budget(100 * MIB))

    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        writers = [await upload(url, 25 * MIB) for _ in range(2)]
        await until(lambda: stage.relay.body_bytes == 50 * MIB)
        status, headers, text = await raw(url, BODY, {"x-pilotlight-key": "ann"})
        assert (status, headers["Retry-After"], error_of(text)) == (429, "5", "bodies_full")
        assert (await raw(url, BODY, {"x-pilotlight-key": "bob"}))[0] == 200
        for writer in writers:
            writer.close()
        await until(lambda: stage.relay.body_bytes == 0)
        assert (await raw(url, BODY, {"x-pilotlight-key": "ann"}))[0] == 200

    play(scene, State.RUNNING)


def test_queued_bodies_count_and_answered_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        engine.endless = True
        task = asyncio.create_task(raw(url, BODY | {"stream": True}))
        await stage.waiting()
        assert stage.relay.body_bytes == len(json.dumps(BODY | {"stream": True}))
        await wake(stage)
        await until(lambda: engine.seen)
        await until(lambda: stage.relay.body_bytes == 0)
        task.cancel()

    play(scene, State.STOPPED)


def test_bodies_without_a_length_are_counted_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "Budget", lambda: Budget(2 * MIB))

    async def pieces() -> Any:
        yield b'{"model": "chat", "prompt": "'
        for _ in range(40):
            yield b"x" * 50_000

    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        async with aiohttp.ClientSession() as session:
            answer = await session.post(f"{url}v1/chat/completions", data=pieces())
            assert (answer.status, error_of(await answer.read())) == (429, "bodies_full")
        assert stage.relay.body_bytes == 0

    play(scene, State.STOPPED)


# ---------------------------------------------------------------- size, time, encoding
@pytest.mark.parametrize("with_length", [True, False])
def test_too_large_is_413(with_length: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_BYTES_MAX", MIB)

    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        text = b'{"model": "chat", "prompt": "' + b"x" * MIB
        head = b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        length = b"Content-Length: %d\r\n\r\n" % len(text)
        chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(text)
        status, said = await http(url, head + (length if with_length else chunked) + text)
        assert (status, error_of(said)) == (413, "request_too_large")

    play(scene, State.STOPPED)


def test_an_upload_that_stops_ends_with_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "UPLOAD_S", 0.01)

    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{"
        status, text = await http(url, head)
        assert (status, error_of(text)) == (408, "request_timeout")
        assert stage.relay.body_bytes == 0

    play(scene, State.STOPPED)


def raw_deflate(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)],
)
def test_packed_bodies_reach_the_engine_unpacked(encoding: str, pack: Any) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        asked = BODY | {"filler": "x" * 300_000}
        status, _, _ = await raw(url, pack(json.dumps(asked).encode()), {"Content-Encoding": encoding})
        assert (status, engine.seen[0]["asked"]) == (200, asked)
        assert "content-encoding" not in {h.lower() for h in engine.seen[0]["headers"]}

    play(scene, State.RUNNING)


def test_a_packed_body_is_bounded_by_what_it_unpacks_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_BYTES_MAX", MIB)

    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        bomb = gzip.compress(b'{"model": "chat", "prompt": "' + b"x" * 50 * MIB)
        status, _, text = await raw(url, bomb, {"Content-Encoding": "gzip"})
        assert (status, error_of(text)) == (413, "request_too_large")

    play(scene, State.STOPPED)


@pytest.mark.parametrize(
    ("encoding", "body", "status", "code"),
    [
        ("zstd", b"\x28\xb5\x2f\xfd", 415, "unsupported_encoding"),
        ("br", b"\x0b\x02\x80", 415, "unsupported_encoding"),
        ("gzip, br", b"\x1f\x8b", 415, "unsupported_encoding"),
        ("gzip", b"{}", 400, "invalid_body"),
        ("gzip", gzip.compress(b'{"model": "chat"}', mtime=0)[:-12], 400, "invalid_json"),
    ],
    ids=["zstd", "br", "two encodings", "no gzip", "an end too early"],
)
def test_what_cannot_be_unpacked(encoding: str, body: bytes, status: int, code: str) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        answered, _, text = await raw(url, body, {"Content-Encoding": encoding})
        assert (answered, error_of(text)) == (status, code)
        assert not stage.queue.wanted

    play(scene, State.STOPPED)


# ---------------------------------------------------------------- refused by aiohttp, below our handlers
@pytest.mark.parametrize(
    "request_",
    [
        b"GET /v1/models HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 500 + b"\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        b"G(T / HTTP/1.1\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    ],
    ids=["long header", "many headers", "long url", "a zero byte", "no method", "no length"],
)
def test_what_aiohttp_refuses_has_openais_shape(request_: bytes) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        status, text = await http(url, request_)
        assert (status, error_of(text)) == (400, "bad_request")

    play(scene, State.STOPPED)


def test_an_unknown_expectation_is_no_reason_to_refuse() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        assert (await raw(url, BODY, {"Expect": "nothing-we-know"}))[0] == 200

    play(scene, State.RUNNING)


def test_headers_as_long_as_the_front_door_allows() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        assert (await ask(url, extra_headers={"x-long": "a" * 60_000})).choices
        assert (await ask(url, extra_headers={f"x-{n}": "a" for n in range(90)})).choices

    play(scene, State.RUNNING)
