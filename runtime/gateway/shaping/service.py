"""One shaped service: its stages in their order, for streamed and plain requests.

A stream goes on to the caller as it comes, unless a stage may change the answer: then it is held until it is whole,
with comments meanwhile, and the engine is asked for it in one piece.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Protocol

import aiohttp
from aiohttp import web

from core.contract import dialects
from core.contract.documents import ServiceRoute
from core.contract.network import CACHE_HEADER
from core.contract.shaping import ServiceShape
from runtime.gateway import errors
from runtime.gateway.api import forward
from runtime.gateway.api.bodies import Body, Share
from runtime.gateway.api.call import Call
from runtime.gateway.api.waiting import Tell
from runtime.gateway.errors import Refusal
from runtime.gateway.shaping import asked as requests
from runtime.gateway.shaping.cache import Cache, Flight, Flights, Store, canonical, to_keep
from runtime.gateway.shaping.defaults import Defaults, Template
from runtime.gateway.shaping.filters import InputFilter, OutputCheck
from runtime.gateway.shaping.live import OPTIONS, Live
from runtime.gateway.shaping.long_input import Summarize
from runtime.gateway.shaping.output import JsonOutput
from runtime.gateway.shaping.reply import EngineSaid, Reply
from runtime.gateway.shaping.session import Counts, SessionLimit, spent
from runtime.gateway.shaping.stream import CHUNK, DONE, BadStream, encoded
from runtime.gateway.shaping.truncation import Truncation
from runtime.gateway.shaping.visit import NOTES, Json, Stage, Visit, choices
from runtime.gateway.target import Target

PATH: Final = dialects.CHAT
ANSWER_BYTES_MAX: Final = 8 * 2**20
OF_THIS_CALL: Final = frozenset({"session_tokens_left", "cache", "age_s"})  # notes that an equal request is not told


class Reached(NamedTuple):
    """An engine's answer, and its bytes as they are counted. `shortened`: it may be no longer than what the caller's
    key has left.
    """

    answer: aiohttp.ClientResponse
    chunks: AsyncIterator[bytes]
    shortened: bool


class Upstream(Protocol):
    """The relay's way to an engine, with its queue."""

    def target(self, call: Call) -> Target:
        """The unit whose engine answers."""

    def longest_s(self, call: Call) -> float:
        """How long a caller waits at most."""

    def reach(
        self, call: Call, share: Share, longest_s: float, tell: Tell | None
    ) -> AbstractAsyncContextManager[Reached]:
        """The engine's answer, after a wait where the host is off. Refusal."""


@dataclass(frozen=True)
class Kept:
    """What outlives a request: answers and counts."""

    store: Store
    counts: Counts


def stages(service: str, shape: ServiceShape, context_tokens: int, counts: Counts) -> list[Stage]:
    """In the order of `before`; `after` goes the other way. `context_tokens` are the engine's."""
    found: list[Stage | None] = [
        InputFilter(shape.input_filter) if shape.input_filter else None,
        SessionLimit(shape.session_tokens, counts) if shape.session_tokens else None,
        OutputCheck(shape.output_check) if shape.output_check else None,
        None if shape.json_output else Truncation(),
        Template(shape.template) if shape.template else None,
        Defaults(shape),
        JsonOutput(service, shape) if shape.json_output else None,
        Summarize(context_tokens) if shape.summarize else None,
    ]
    return [stage for stage in found if stage is not None]


class ShapedService:
    """Answers the requests of one service."""

    def __init__(self, route: ServiceRoute, context_tokens: int, upstream: Upstream, kept: Kept) -> None:
        assert route.shaping is not None
        self._shape, self._upstream = route.shaping, upstream
        self._stages = stages(route.name, route.shaping, context_tokens, kept.counts)
        self._holds = any(stage.holds for stage in self._stages)
        self._marks = any(isinstance(stage, Truncation) for stage in self._stages)
        self._session = next((s for s in self._stages if isinstance(s, SessionLimit)), None)
        self._cache = Cache(kept.store, route.shaping.cache_s) if route.shaping.cache_s else None
        self._flights = Flights()

    async def answer(self, call: Call, request: web.Request, share: Share, parsed: Share) -> web.StreamResponse:
        """One request. `share` is that of its bytes, `parsed` is for what they become."""
        if request.path != PATH:
            raise errors.shaped_chat_only(call.model)
        reply = Reply(call, request, self._upstream.target(call))
        visit = self._visit(call, request, share, parsed, reply)
        try:
            return await self._answer(_Request(call, visit, reply, share))
        except Refusal as refusal:
            return await reply.refuse(refusal)
        except EngineSaid as said:
            return await reply.engine_said(said)

    def _visit(self, call: Call, request: web.Request, share: Share, parsed: Share, reply: Reply) -> Visit:
        asked = requests.read(call.body, parsed)
        call.body.drop()
        share.release()
        tell = reply.tell if call.stream else None

        async def ask(body: Json) -> Json:
            plain = {name: value for name, value in body.items() if name != "stream_options"}
            async with self._sent(call, plain | {"stream": False}, share, tell) as reached:
                answer = await _whole(reached.chunks)
                visit.own |= _cut_by_own(visit, body, answer, reached)
                return answer

        caller = "\0".join((call.key, call.user))
        body = {**asked, "model": call.model, "messages": [dict(m) for m in asked["messages"]]}
        named = requests.session(request.headers, asked)
        visit = Visit(call.model, asked, body, caller, named, ask, background=call.background)
        return visit

    async def _answer(self, this: _Request) -> web.StreamResponse:
        """From what is kept, with an equal request, or by the engine."""
        if self._cache is None:
            return await self._fresh(this, None)
        name = canonical(this.visit.asked, PATH, self._shape, background=this.visit.background)
        ends = asyncio.get_running_loop().time() + self._upstream.longest_s(this.call)
        while True:
            if found := await self._cache.get(name):
                return await this.given(found[0], "hit", found[1])
            if flight := self._flights.lead(name):
                with flight:
                    return await self._led(this, self._cache, flight, name, ends)
            if answer := await this.reply.during(self._flights.follow(name, ends)):
                return await this.given(answer, "shared", 0)
            if asyncio.get_running_loop().time() >= ends:
                raise self._upstream.target(this.call).not_yet(this.call.engine)

    async def _led(self, this: _Request, cache: Cache, flight: Flight, name: str, ends: float) -> web.StreamResponse:
        """First of the equal requests in this relay; perhaps the other relay has one that was earlier."""
        if found := await this.reply.during(cache.claimed(name, ends)):
            flight.brought(found[0])
            return await this.given(found[0], "shared", found[1])
        try:
            this.reply.says({CACHE_HEADER: "miss"})
            return await self._fresh(this, flight, name)
        finally:
            await cache.release(name)

    async def _fresh(self, this: _Request, flight: Flight | None, name: str = "") -> web.StreamResponse:
        """By the stages, and by the engine where none of them answers. Its tokens count, whatever comes of them."""
        try:
            answer = await this.reply.during(self._before(this.visit))
            if answer is None and this.call.stream and not self._holds:
                return await self._live(this, flight, name)
            whole = answer if answer is not None else await this.reply.during(self._asked(this.visit))
            await self._keep(this.visit, whole, flight, name)
            return await this.reply.whole(whole, usage=requests.wants_usage(this.visit.asked))
        finally:
            if self._session is not None:
                await self._session.charge(this.visit)

    async def _before(self, visit: Visit) -> Json | None:
        for stage in self._stages:
            if (answer := await stage.before(visit)) is not None:
                return answer
        return None

    async def _asked(self, visit: Visit) -> Json:
        return _noted(visit, await self._after(visit, await visit.ask(visit.body)))

    async def _after(self, visit: Visit, answer: Json) -> Json:
        for stage in reversed(self._stages):
            answer = await stage.after(visit, answer)
        return answer

    async def _live(self, this: _Request, flight: Flight | None, name: str) -> web.StreamResponse:
        """As it comes."""
        visit, reply = this.visit, this.reply
        body = visit.body | {"stream": True, "stream_options": OPTIONS}
        visit.calls += 1
        async with self._sent(this.call, body, this.share, reply.tell) as reached:
            if not forward.is_stream(reached.answer):
                raise await _refused(reached.answer, this.call)
            await reply.begin(visit.notes)
            live = Live(visit, reply, marks=self._marks)
            try:
                await live.run(reached.chunks)
            except aiohttp.ClientConnectionResetError:
                raise  # a write to the caller, who has left; the engine is read, not written to
            except (aiohttp.ClientError, TimeoutError, BadStream, ValueError) as error:
                raise errors.engine_crashed("the stream broke off") from error
            finally:
                visit.charge(live.seen.usage)
            visit.own |= _cut_by_own(visit, body, live.seen.answer, reached)
        return await self._end(this, live, flight, name)

    async def _end(self, this: _Request, live: Live, flight: Flight | None, name: str) -> web.StreamResponse:
        """The stream's end; a stream that broke has none."""
        if live.seen.failed:
            return await this.reply.end()
        if live.seen.broken:
            raise errors.engine_crashed("the stream ended too early")
        whole = _noted(this.visit, await self._after(this.visit, live.seen.answer))
        await self._keep(this.visit, whole, flight, name)
        if requests.wants_usage(this.visit.asked) and "usage" in whole:
            head = {n: whole[n] for n in ("id", "created", "model") if n in whole}
            await this.reply.write(encoded(head | {"object": CHUNK, "choices": [], "usage": whole["usage"]}))
        await this.reply.write(b"data: " + DONE + b"\n\n")
        return await this.reply.end()

    async def _keep(self, visit: Visit, answer: Json, flight: Flight | None, name: str) -> None:
        """For equal requests that wait, and for later ones; not what this caller's own limits cut."""
        if flight is None or self._cache is None or visit.own:
            return
        notes = {n: v for n, v in visit.notes.items() if n not in OF_THIS_CALL}
        others = {n: v for n, v in answer.items() if n != NOTES} | ({NOTES: notes} if notes else {})
        flight.brought(others)
        if to_keep(answer, visit.notes):
            await self._cache.put(name, others)

    def _sent(self, call: Call, body: Json, share: Share, tell: Tell | None) -> AbstractAsyncContextManager[Reached]:
        """One request to the engine, closed at the end."""
        headers = {n: v for n, v in call.headers.items() if n.lower() != "content-type"}
        headers["Content-Type"] = "application/json"
        made = Body.made(json.dumps(body).encode())
        sent = replace(call, body=made, stream=bool(body["stream"]), headers=headers)

        @asynccontextmanager
        async def opened() -> AsyncIterator[Reached]:
            async with self._upstream.reach(sent, share, self._upstream.longest_s(call), tell) as reached:
                if reached.answer.status != 200:
                    raise await _refused(reached.answer, call)
                yield reached

        return opened()


@dataclass(frozen=True)
class _Request:
    """What belongs together while one request is answered."""

    call: Call
    visit: Visit
    reply: Reply
    share: Share

    async def given(self, answer: Mapping[str, Any], how: str, age_s: int) -> web.StreamResponse:
        """An answer that the engine was not asked for."""
        self.reply.says({CACHE_HEADER: how} | ({"Age": str(age_s)} if how == "hit" else {}))
        notes = {**answer.get(NOTES, {}), "cache": how, "age_s": age_s}
        return await self.reply.whole({**answer, NOTES: notes}, usage=requests.wants_usage(self.visit.asked))


def _noted(visit: Visit, answer: Json) -> Json:
    """The answer in the service's name, with what was done on the way, and the tokens of all requests that it took."""
    if visit.calls > 1:
        visit.note(engine_calls=visit.calls)
    usage = {"usage": {**answer.get("usage", {}), **visit.usage}} if visit.usage else {}
    return {**answer, "model": visit.service, **usage, **({NOTES: visit.notes} if visit.notes else {})}


def _cut_by_own(visit: Visit, body: Json, answer: Json, reached: Reached) -> bool:
    """The answer was cut where its caller's tokens end. What the request, the service or the model's length cuts would
    be cut for every equal request.
    """
    cut = any(choice.get("finish_reason") == "length" for choice in choices(answer))
    return cut and (reached.shortened or spent(visit, body, answer))


async def _whole(chunks: AsyncIterator[bytes]) -> Json:
    """An answer's JSON. Refusal `engine_crashed` where it breaks off, or is none."""
    raw = bytearray()
    try:
        async for chunk in chunks:
            raw += chunk
            if len(raw) > ANSWER_BYTES_MAX:
                raise errors.engine_crashed(f"an answer longer than {ANSWER_BYTES_MAX // 2**20} MiB")
        found = json.loads(raw)
    except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
        raise errors.engine_crashed(type(error).__name__) from error
    if not isinstance(found, dict):
        raise errors.engine_crashed("an answer that is no object")
    return found


async def _refused(answer: aiohttp.ClientResponse, call: Call) -> EngineSaid:
    """The engine's own error."""
    event = await forward.error_events(answer, call)
    return EngineSaid(answer.status if answer.status != 200 else 502, event.removeprefix(b"data: ").strip())
