"""A shaped service `polish` at the relay's HTTP side, an engine that says what is wanted, and a Redis in memory."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web

from core.contract.documents import EngineAddress, Place, RelayUnit, ServiceRoute
from core.contract.shaping import ServiceShape
from core.lease import State
from tests.runtime.gateway.stage import MACHINE, UNIT, FakeEngine, Stage, until

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


class ScriptedEngine(FakeEngine):
    """`says`: contents of its next answers, the last one again and again; a pair is content and finish_reason."""

    def __init__(self, *says: Any) -> None:
        super().__init__()
        self.says = list(says) or ["Paris"]
        self.gate: asyncio.Event | None = None
        self.cut = 0  # characters of a stream's bytes that are written at once; 0: an event

    def _next(self) -> tuple[Any, str]:
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        return said if isinstance(said, tuple) else (said, "stop")

    async def _plain(self, request: web.Request, model: str) -> web.StreamResponse:
        if self.gate is not None:
            await self.gate.wait()
        content, reason = self._next()
        message = content if isinstance(content, dict) else {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": {"content": [content]}}
        head = {"id": "x", "object": "chat.completion", "created": 1, "model": "tiny"}
        return web.json_response(head | {"choices": [choice], "usage": USAGE})

    async def _stream(self, request: web.Request, model: str) -> web.StreamResponse:
        if self.gate is not None:
            await self.gate.wait()
        content, reason = self._next()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "tiny"}
        deltas = [({"role": "assistant", "content": ""}, None), *(({"content": c}, None) for c in content)]
        *first, (last, _) = deltas
        events = [
            head | {"choices": [{"index": 0, "delta": d, "finish_reason": r}], "usage": USAGE}
            for d, r in [*first, (last, reason)]
        ]
        events.append(head | {"choices": [], "usage": USAGE})
        raw = b"".join(f"data: {json.dumps(e)}\n\n".encode() for e in events)
        raw += b"" if self.breaks else b"data: [DONE]\n\n"
        for at in range(0, len(raw), self.cut or len(raw)):
            await response.write(raw[at : at + (self.cut or len(raw))])
        return response

    @property
    def prompts(self) -> list[Any]:
        return [s["asked"]["messages"] for s in self.seen]


class MemoryRedis:
    """`runtime.gateway.redis.Redis` without a server; `down` as where there is none."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.down, self.words = False, ""
        self.claims: set[str] = set()
        self.asked_for_claims = 0

    async def get(self, name: str) -> bytes | None:
        return None if self.down else self.kept.get(name)

    async def put(self, name: str, value: bytes, ttl_s: float) -> bool:
        self.kept[name] = value
        return True

    async def claim(self, name: str, ttl_s: float) -> bool:
        self.asked_for_claims += 1
        if self.down or name not in self.claims:
            self.claims.add(name)
            return True
        return False

    async def release(self, name: str) -> None:
        self.claims.discard(name)

    async def call(self, do: Callable[[Any], Awaitable[Any]]) -> Any:
        return await do(_Client(self.kept))


class _Client:
    def __init__(self, kept: dict[str, Any]) -> None:
        self._kept = kept

    async def get(self, name: str) -> Any:
        return self._kept.get(name)

    def pipeline(self, **_: Any) -> Any:
        return self

    def incrby(self, name: str, by: int) -> None:
        self._kept[name] = self._kept.get(name, 0) + by

    def expire(self, name: str, _: int) -> None: ...

    async def execute(self) -> None: ...


class Scene:
    """What a test works with."""

    def __init__(self, stage: Stage, engine: ScriptedEngine, url: str) -> None:
        self.stage, self.engine, self.url = stage, engine, url

    @property
    def redis(self) -> MemoryRedis:
        found: MemoryRedis = self.stage.redis
        return found

    async def post(
        self, text: Any = "hi", *, headers: dict[str, str] | None = None, path: str = "chat/completions", **options: Any
    ) -> tuple[int, Any, Any]:
        """Status, headers, and the JSON answer or the stream's text."""
        messages = text if isinstance(text, list) else [{"role": "user", "content": text}]
        body = {"model": "polish", "messages": messages} | options
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}v1/{path}", data=io.BytesIO(json.dumps(body).encode()), headers=headers) as answer,
        ):
            raw = await answer.text()
            return answer.status, answer.headers, json.loads(raw) if raw.startswith("{") else raw

    async def stream(self, text: Any = "hi", **options: Any) -> tuple[Any, list[Any]]:
        """Headers and the events of a stream that must end well."""
        status, headers, raw = await self.post(text, stream=True, **options)
        assert status == 200, raw
        return headers, events(raw)


def events(raw: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in raw.splitlines() if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def words(found: list[Any]) -> str:
    """The text of a stream that ended well."""
    assert found[-1] == "[DONE]", found
    return "".join(c["delta"].get("content") or "" for e in found[:-1] for c in e.get("choices", ()))


def play(
    shaping: ServiceShape,
    act: Callable[[Scene], Awaitable[None]],
    *says: Any,
    state: State = State.RUNNING,
    redis: MemoryRedis | None = None,
    limits: Any = None,
) -> None:
    """Act at a relay whose host is in `state`, with an engine that says `says`."""

    async def whole() -> None:
        engines = (EngineAddress("tiny", "10.0.0.1", 8100, context_tokens=400),)
        services = ServiceRoute("chat", "tiny"), ServiceRoute("polish", "tiny", shaping)
        unit = RelayUnit(UNIT, Place("made up"), MACHINE, engines, services, 300.0)
        stage, engine = Stage(units=(unit,)).bring_to(state), ScriptedEngine(*says)
        stage.redis, stage.limits = redis or MemoryRedis(), limits
        await stage.watch.look()
        async with asyncio.timeout(20), stage.serving(engine) as url:
            await act(Scene(stage, engine, url))

    asyncio.run(whole())


__all__ = ["MemoryRedis", "Scene", "ScriptedEngine", "events", "play", "until", "words"]
