"""From the relay to an engine: always by way of HAProxy's inner frontend, so that the cordon counts it, never back
here.

A request whose body reached an engine is never sent again, and no redirect is followed: it would carry the prompt to
whatever server the engine names. `NotSent` is the only failure after which a caller of
`Engines.send` may try again: HAProxy says by a header of its own that the engine's port refused.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import aiohttp
from aiohttp import web

from core.codes import ErrorCode
from core.contract.network import ENGINE_HEADER, INNER_PORT, NOT_SENT_HEADER, SILENCE_MAX_S
from runtime.gateway import errors, shapes
from runtime.gateway.api.call import Call
from runtime.gateway.target import Turn

log = logging.getLogger(__name__)

TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=SILENCE_MAX_S)
ERROR_BYTES_MAX: Final = 64 * 2**10
DROPPED: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "date", "server", "content-length"})


class NotSent(Exception):
    """No byte of the request reached an engine."""


class Answer(aiohttp.ClientResponse):
    """An engine's answer, read within `async with`. `turn` is the caller's at this engine, where it had to wait."""

    turn: Turn | None = None

    async def __aexit__(self, *exc: Any) -> None:
        """The next caller's turn may come."""
        try:
            await super().__aexit__(*exc)
        finally:
            if self.turn is not None:
                self.turn.end()


class Engines:
    """The way to the engines. Use `open` once in a running event loop, `close` at the end."""

    def __init__(self, inner_url: str = f"http://127.0.0.1:{INNER_PORT}") -> None:
        self._inner = inner_url
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=TIMEOUT,
            auto_decompress=False,
            skip_auto_headers=("User-Agent",),
            response_class=Answer,
        )

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()

    async def send(self, call: Call, turn: Turn | None = None) -> Answer:
        """Send the call; the caller closes the answer. NotSent, or Refusal `engine_crashed` where it was sent.

        It is marked before (`marks.py`), so that it is not sent again where this relay is killed.
        """
        first = call.mark.make()
        try:
            return await self._send(call, turn)
        except NotSent:
            if first:
                call.mark.take_back()
            raise

    async def _send(self, call: Call, turn: Turn | None) -> Answer:
        ours = {ENGINE_HEADER: call.engine, "Accept-Encoding": "identity", "Content-Length": str(call.body.size)}
        headers = {**call.headers, **ours}
        if call.passage:
            call.passage.sent()
        try:
            return _judged(await self._post(call, headers, turn), call, turn)
        except NotSent:
            if call.passage:
                call.passage.not_sent()
            raise
        except errors.Refusal:
            _broken(call)
            raise

    async def _post(self, call: Call, headers: Mapping[str, str], turn: Turn | None) -> aiohttp.ClientResponse:
        try:
            return await self._session.post(
                self._inner + call.path, data=_pieces(call, turn), headers=headers, allow_redirects=False
            )
        except aiohttp.ClientConnectorError as error:
            raise NotSent(str(error)) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise errors.engine_crashed(type(error).__name__) from error


def _judged(answer: aiohttp.ClientResponse, call: Call, turn: Turn | None) -> Answer:
    """The answer, if it is an engine's."""
    if answer.status == 503 and NOT_SENT_HEADER in answer.headers:
        answer.close()
        raise NotSent(call.engine)
    if call.passage:
        call.passage.answered(answer.status)
    if 300 <= answer.status < 400:
        answer.close()
        raise errors.engine_redirected(answer.status)
    assert isinstance(answer, Answer)
    if turn is not None:
        answer.turn = turn
        turn.answered()
    return answer


def _broken(call: Call) -> None:
    """The engine gave no answer, which is nothing that its caller used."""
    if call.passage:
        call.passage.answered(502)


def chunks(answer: aiohttp.ClientResponse, call: Call) -> AsyncIterator[bytes]:
    """The answer's bytes, as they come."""
    return call.passage.through(answer) if call.passage else answer.content.iter_any()


async def _pieces(call: Call, turn: Turn | None) -> AsyncIterator[bytes]:
    async for piece in call.body.stream():
        yield piece
    if turn is not None:
        turn.sent()


async def pass_on(answer: aiohttp.ClientResponse, request: web.Request, call: Call) -> web.StreamResponse:
    """The engine's answer as it is: status, headers, bytes."""
    response = web.StreamResponse(status=answer.status)
    for name, value in answer.headers.items():
        if name.lower() not in DROPPED:
            response.headers.add(name, value)
    if answer.content_length is not None:
        response.content_length = answer.content_length
    await response.prepare(request)
    if is_stream(answer):
        await pour(answer, response, call)
    else:
        await _copy(answer, request, response, call)
    return response


async def _copy(answer: aiohttp.ClientResponse, request: web.Request, response: web.StreamResponse, call: Call) -> None:
    """A plain body. Where the engine breaks off, the caller's connection is cut: a truncation must not look whole."""
    try:
        async for chunk in chunks(answer, call):
            await response.write(chunk)
    except aiohttp.ClientPayloadError as error:
        log.warning("truncated", extra={"facts": {"error": str(error)}})
        _broken(call)
        if request.transport is not None:
            request.transport.abort()
        return
    await response.write_eof()


async def pour(answer: aiohttp.ClientResponse, response: web.StreamResponse, call: Call) -> None:
    """An event stream's bytes into a response that has begun; a broken one ends with an error and no `[DONE]`."""
    end, sent = b"\n\n", 0
    try:
        async for chunk in chunks(answer, call):
            await response.write(chunk)
            sent += (end[-1:] + chunk).count(b"\n\n")
            end = (end + chunk)[-2:]
    except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, TimeoutError) as error:
        log.warning("stream broken", extra={"facts": {"error": str(error)}})
        gap = b"\n" * (2 - len(end) + len(end.rstrip(b"\n")))  # an empty event more would hide the error from openai-go
        refusal = errors.engine_crashed("the stream broke off")
        await response.write(gap + refusal.events(call.endpoint.dialect, model=call.model, sent=sent))
    await response.write_eof()


def is_stream(answer: aiohttp.ClientResponse) -> bool:
    """The engine answers with events."""
    return answer.content_type == "text/event-stream"


async def error_events(answer: aiohttp.ClientResponse, call: Call) -> bytes:
    """The engine's refusal as events, for a caller who was given a 200 already."""
    said = shapes.read(await answer.content.read(ERROR_BYTES_MAX), answer.status, ErrorCode.ENGINE_ERROR)
    return shapes.events(said, answer.status, call.endpoint.dialect, model=call.model)
