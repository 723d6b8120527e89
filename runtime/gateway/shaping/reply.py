"""What the caller of a shaped service reads, and when: JSON at the end, or a stream that begins with comments."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar

from aiohttp import web

from core.contract.network import CACHE_HEADER
from runtime.gateway.api.call import Call
from runtime.gateway.api.waiting import SSE_COMMENT_S, Waiting
from runtime.gateway.errors import Refusal
from runtime.gateway.shaping.stream import as_events
from runtime.gateway.shaping.visit import NOTES, Json
from runtime.gateway.target import Target

log = logging.getLogger(__name__)
T = TypeVar("T")
WORDS: Final = "the answer is on its way"


class EngineSaid(Exception):
    """The engine refused; `raw` is its error in JSON, which the caller gets as it is."""

    def __init__(self, status: int, raw: bytes) -> None:
        super().__init__(f"the engine answered {status}")
        self.status, self.raw = status, raw


class Reply:
    """One caller's answer. `target` is told to people who wait at the chat page."""

    def __init__(self, call: Call, request: web.Request, target: Target) -> None:
        self._call, self._stream, self._request = call, call.stream, request
        self._waiting = Waiting(request, target if call.page else None)
        self._writing = asyncio.Lock()

    @property
    def begun(self) -> bool:
        """The caller was given a 200: what follows can only be events."""
        return self._waiting.begun

    def says(self, headers: Mapping[str, str]) -> None:
        """Headers of the answer; too late where it has begun."""
        self._waiting.response.headers.update(headers)

    async def tell(self, words: str) -> None:
        """What the host does, while the caller waits for it."""
        async with self._writing:
            await self._waiting.tell(words)

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """The work's result; a stream is sent comments meanwhile. The work ends with the caller."""
        task = asyncio.create_task(work)
        try:
            while True:
                done, _ = await asyncio.wait({task}, timeout=SSE_COMMENT_S if self._stream else None)
                if done:
                    return task.result()
                async with self._writing:
                    await self._waiting.comment(WORDS)
        finally:
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def whole(self, answer: Json, *, usage: bool) -> web.StreamResponse:
        """A whole answer: as it is, or as a stream's events. `usage`: a stream's caller asked for it."""
        if not self._stream:
            return web.json_response(answer, headers=_ours(self._waiting.response))
        await self.begin(answer.get(NOTES, {}))
        for event in as_events(answer, usage=usage):
            await self.write(event)
        return await self.end()

    async def begin(self, notes: Mapping[str, Any]) -> None:
        """The stream's own events follow."""
        if not self.begun:
            await self._waiting.response.prepare(self._request)
        await self._waiting.over()
        if message := notes.get("message"):
            await self._waiting.remark(str(message))

    async def write(self, event: bytes) -> None:
        """Bytes of the stream."""
        await self._waiting.response.write(event)

    async def end(self) -> web.StreamResponse:
        """That was all."""
        await self._waiting.response.write_eof()
        return self._waiting.response

    async def refuse(self, refusal: Refusal) -> web.StreamResponse:
        """Instead of an answer; where nothing was sent, the refusal is raised again."""
        if not self.begun:
            raise refusal
        log.info("refused in the stream", extra={"facts": {"code": refusal.code}})
        return await self._waiting.refuse(refusal, self._call.endpoint.dialect, self._call.model)

    async def engine_said(self, said: EngineSaid) -> web.StreamResponse:
        """The engine's refusal, as it is."""
        if not self.begun:
            return web.Response(status=said.status, body=said.raw, content_type="application/json")
        await self.write(b"data: " + said.raw + b"\n\n")
        return await self.end()


def _ours(response: web.StreamResponse) -> dict[str, str]:
    """The headers that `says` added."""
    return {name: value for name, value in response.headers.items() if name.lower() in (CACHE_HEADER, "age")}
