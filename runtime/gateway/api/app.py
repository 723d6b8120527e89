"""The relay's HTTP side (aiohttp, loopback only): the design's section 8's table, row by row.

HAProxy has checked the key and the path already. A handler raises a `Refusal`; the middleware turns it into the shape
of the path's dialect. To add a path for generations: a line in core/contract/dialects.py.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Middleware

from core.contract import dialects
from core.contract.documents import RelayConfig
from core.contract.network import RELAY_READY
from runtime.gateway import errors
from runtime.gateway.api import bodies, forward
from runtime.gateway.api import call as calls
from runtime.gateway.api.bodies import Budget, Share
from runtime.gateway.api.call import Call, Passage
from runtime.gateway.api.forward import Answer, Engines, NotSent
from runtime.gateway.api.intake import Intake
from runtime.gateway.api.marks import Marks
from runtime.gateway.api.waiting import Tell, Wait, Waiting
from runtime.gateway.errors import Refusal
from runtime.gateway.metrics import Metrics
from runtime.gateway.redis import Redis
from runtime.gateway.shaping.service import Kept, Reached, ShapedService
from runtime.gateway.shaping.session import SessionCounts
from runtime.gateway.target import Target, Turn
from runtime.gateway.usage.limits import Limits

log = logging.getLogger(__name__)

PASSAGE: Final = web.RequestKey("passage", Passage)  # what counts the request, for the log
RETRY_PAUSE_S: Final = 0.2  # between two tries on an engine that does not accept connections
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Relay:
    """The handlers, over the gateway's units (`targets`, by the unit's name), the way to their engines, Redis, and
    the limits of keys."""

    def __init__(
        self,
        config: RelayConfig,
        *,
        targets: Mapping[str, Target],
        engines: Engines,
        redis: Redis,
        limits: Limits,
        marks: Marks,
    ) -> None:
        self._config = config
        self._redis, self._limits = redis, limits
        self._targets = dict(targets)
        self._by_engine = {e.name: targets[unit.unit] for unit in config.units for e in unit.engines}
        self._engines, self._marks = engines, marks
        self.intake = Intake()
        self._budget = Budget()
        self._services = {s.name: s for s in config.services}
        self._unit_of = {e.name: unit.unit for unit in config.units for e in unit.engines}
        self.metrics = Metrics(self._seen)
        kept = Kept(redis, SessionCounts(redis))
        context = {engine.name: engine.context_tokens for engine in config.engines}
        shaped = (s for s in config.services if s.shaping is not None)
        self._shaped = {s.name: ShapedService(s, context[s.engine], self, kept) for s in shaped}

    @property
    def body_bytes(self) -> int:
        """Bytes of bodies that are queued or about to come."""
        return self._budget.reserved

    # ------------------------------------------------------------ answered by the relay itself
    async def health(self, _: web.Request) -> web.Response:
        """GET /health: the relay lives; what it sees, for people and scripts on the gateway."""
        units = {name: target.health() for name, target in self._targets.items()}
        return web.json_response({"status": "ok", **_together(units), **self._own(), "units": units})

    def _own(self) -> dict[str, Any]:
        return {"redis": self._redis.words or "ok", "body_bytes": self.body_bytes}

    def _seen(self) -> dict[str, Any]:
        return self._own() | {"units": {name: target.health() for name, target in self._targets.items()}}

    async def models(self, _: web.Request) -> web.Response:
        """GET /v1/models: from the configuration, whatever the host does."""
        return web.json_response({"object": "list", "data": [self._model(name) for name in self._services]})

    async def model(self, request: web.Request) -> web.Response:
        """GET /v1/models/NAME."""
        name = request.match_info["name"]
        if name not in self._services:
            raise errors.unknown_model(name, sorted(self._services))
        return web.json_response(self._model(name))

    def _model(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": 0, "owned_by": "pilotlight", "state": self._state(name)}

    def _state(self, service: str) -> str:
        """The host's state; of a host that is awake, whether the service's engine answers."""
        engine = self._services[service].engine
        target = self._by_engine[engine]
        return target.state if target.silent_s(engine) is None else "engine not answering"

    # ------------------------------------------------------------ generations
    async def generate(self, request: web.Request) -> web.StreamResponse:
        """POST: straight on where the host is awake; else queued until it is, or refused."""
        headers = request.headers
        with (
            self.intake.one(),
            self._marks.request(headers) as mark,
            self._budget.share(calls.key_name(headers)) as share,
        ):
            body = await bodies.receive(request, share)
            call = dataclasses.replace(calls.read(request.path, body, headers, self._services), mark=mark)
            if (service := self._shaped.get(call.model)) is not None:
                with self._budget.share(call.key) as parsed:
                    return await service.answer(call, request, share, parsed)
            async with self._limits.one(call) as counted:
                if counted.passage:
                    request[PASSAGE] = counted.passage
                return await self._generate(counted, request, share)

    async def _generate(self, call: Call, request: web.Request, share: Share) -> web.StreamResponse:
        target = self._by_engine[call.engine]
        if self._goes_straight(call):
            try:
                return await self._straight(call, request, share)
            except NotSent:
                target.note_refused(call.engine)
        self._refuse_at_once(call)
        queued = self._queued_stream if call.stream else self._queued
        return await queued(call, request, share)

    def _goes_straight(self, call: Call) -> bool:
        """The engine takes requests, and nobody waits for it whom this call would overtake."""
        target = self._by_engine[call.engine]
        return target.ready(call.engine) and (call.quiet or not target.crowded(call.engine))

    def _refuse_at_once(self, call: Call) -> None:
        """Refusal where nobody is to wait; what people want is noted all the same."""
        target = self._by_engine[call.engine]
        if call.quiet:
            raise _not_for_quiet(target, call)
        try:
            target.refuse_if_hopeless(call.engine)
        except Refusal:
            target.ask(call.engine, call.key)
            raise

    # ------------------------------------------------------------ as shaped services see it (`Upstream`)
    def target(self, call: Call) -> Target:
        """The unit whose engine answers."""
        return self._by_engine[call.engine]

    def longest_s(self, call: Call) -> float:
        """How long a caller waits at most, s."""
        longest = self._config.queue_timeout_s
        return max(longest, self.target(call).start_timeout_s) if call.stream else longest

    @asynccontextmanager
    async def reach(self, call: Call, share: Share, longest_s: float, tell: Tell | None) -> AsyncIterator[Reached]:
        """The engine's answer and its bytes; where the host is off, after a wait in the queue. `tell` is given words
        meanwhile. Each request to an engine comes by here, so this is where they count.
        """
        async with (
            self._limits.one(call) as counted,
            await self._reached(counted, share, longest_s, tell) as answer,
        ):
            shortened = counted.passage is not None and counted.passage.shortened
            yield Reached(answer, forward.chunks(answer, counted), shortened)

    async def _reached(self, call: Call, share: Share, longest_s: float, tell: Tell | None) -> aiohttp.ClientResponse:
        target = self.target(call)
        if self._goes_straight(call):
            try:
                return await self._sent(call, share)
            except NotSent:
                target.note_refused(call.engine)
        self._refuse_at_once(call)
        return await self._when_awake(call, share, longest_s, tell)

    # ------------------------------------------------------------ straight through
    async def _straight(self, call: Call, request: web.Request, share: Share) -> web.StreamResponse:
        async with await self._sent(call, share) as answer:
            return await forward.pass_on(answer, request, call)

    async def _sent(self, call: Call, share: Share, turn: Turn | None = None) -> Answer:
        """The engine's answer; it has the body, so we keep it no longer. `turn` ends with the answer."""
        answer = await self._engines.send(call, turn)
        self._by_engine[call.engine].note_answered(call.engine)
        call.body.drop()
        share.release()
        return answer

    async def _queued(self, call: Call, request: web.Request, share: Share) -> web.StreamResponse:
        """Silently, for at most queue_timeout_s."""
        async with await self._when_awake(call, share, self._config.queue_timeout_s, None) as answer:
            return await forward.pass_on(answer, request, call)

    async def _queued_stream(self, call: Call, request: web.Request, share: Share) -> web.StreamResponse:
        """200 at once, comments while the host starts, then the engine's own stream."""
        target = self._by_engine[call.engine]
        waiting = Waiting(request, target if call.page else None)
        try:
            answer = await self._when_awake(call, share, self.longest_s(call), waiting.tell)
        except Refusal as refusal:
            if not waiting.begun:
                raise
            self.metrics.refused(refusal.code)
            log.info("refused in the stream", extra={"facts": {"code": refusal.code}})
            return await waiting.refuse(refusal, call.endpoint.dialect, call.model)
        async with answer:
            await waiting.over()
            return await self._finish(answer, request, waiting.response, call)

    async def _finish(
        self, answer: aiohttp.ClientResponse, request: web.Request, response: web.StreamResponse, call: Call
    ) -> web.StreamResponse:
        if not response.prepared:
            return await forward.pass_on(answer, request, call)
        if forward.is_stream(answer):
            await forward.pour(answer, response, call)
        else:
            await response.write(await forward.error_events(answer, call))
            await response.write_eof()
        return response

    async def _when_awake(
        self, call: Call, share: Share, longest_s: float, tell: Tell | None
    ) -> aiohttp.ClientResponse:
        """Wait in the queue until the host is awake and it is the call's turn at its engine."""
        clock = asyncio.get_running_loop().time
        came, target = clock(), self._by_engine[call.engine]
        told_s = target.eta_s()
        with target.place(call.engine, call.key, call.user) as turn:
            wait = Wait(target, call.engine, turn, came + longest_s, tell)
            while True:
                await wait.until_its_turn()
                try:
                    answer = await self._sent(call, share, turn)
                except NotSent:
                    turn.back()
                    target.note_refused(call.engine)
                    await wait.pause(RETRY_PAUSE_S)
                else:
                    self.metrics.waited(self._unit_of[call.engine], clock() - came, told_s)
                    return answer


def _not_for_quiet(target: Target, call: Call) -> Refusal:
    if (silent := target.silent_s(call.engine)) is not None:
        return errors.engine_dead(call.engine, silent)
    asks = "neither background calls nor quiet keys" if call.endpoint.wakes else "counting tokens does not"
    return errors.asleep(f"The host is asleep, and {asks} wake it.")


def _together(units: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The units' health in the fields of one: sums, and what is not the same everywhere as "mixed"."""
    states = {str(u["state"]) for u in units.values()}
    down = [f"{name}: {u['store']}" for name, u in units.items() if u["store"] != "ok"]
    if len(units) == 1:
        down = [words.split(": ", 1)[1] for words in down]
    return {
        "state": states.pop() if len(states) == 1 else "mixed",
        "waiting": sum(u["waiting"] for u in units.values()),
        "wanted": any(u["wanted"] for u in units.values()),
        "store": "; ".join(down) or "ok",
    }


def _shaped(metrics: Metrics) -> Middleware:
    """Every refusal and every error in the path's shape; one log line a request, and its count."""

    @web.middleware
    async def shaped(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = asyncio.get_running_loop().time()
        status = 0
        try:
            response = await _answer(request, handler, metrics)
            status = response.status
            return response
        finally:
            ms = round(1000 * (asyncio.get_running_loop().time() - started))
            if request.path != RELAY_READY:  # HAProxy asks twice a second
                log.info("request", extra={"facts": _facts(request, status) | {"ms": ms}})
                known = request.match_info.route.resource
                metrics.answered(known.canonical if known else "unknown", status)

    return shaped


def _facts(request: web.Request, status: int) -> dict[str, Any]:
    """One request for the log: no prompt, no key; tokens where they are counted."""
    key, user = calls.key_name(request.headers), calls.user_name(request.headers)
    facts = {"method": request.method, "path": request.path, "key": key, "status": status or "caller left"}
    facts |= {"user": user} if user else {}
    if (passage := request.get(PASSAGE)) is not None:
        prompt, answer = passage.tokens
        facts |= {"prompt_tokens": prompt, "answer_tokens": answer}
    return facts


async def _answer(request: web.Request, handler: Handler, metrics: Metrics) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as refusal:
        metrics.refused(refusal.code)
        return _refused(refusal, request)
    except web.HTTPMethodNotAllowed as error:
        return _refused(errors.method_not_allowed(str(error)), request)
    except web.HTTPNotFound:
        return _refused(errors.unknown_path(request.path), request)
    except ConnectionResetError:
        return web.Response(status=499)  # nobody reads it; a clean end for aiohttp
    except Exception:
        log.exception("request failed", extra={"facts": {"path": request.path}})
        return _refused(errors.internal(), request)


def _refused(refusal: Refusal, request: web.Request) -> web.Response:
    body = refusal.body(dialects.of(request.path))
    return web.json_response(body, status=refusal.status, headers=refusal.headers())


def make_app(relay: Relay) -> web.Application:
    """The application; HAProxy's allow-list is made of the same paths."""
    app = web.Application(middlewares=[_shaped(relay.metrics)])
    app.router.add_get("/health", relay.health)
    app.router.add_get("/metrics", relay.metrics.show)
    app.router.add_get(RELAY_READY, relay.intake.ready)
    app.router.add_get("/v1/models", relay.models)
    app.router.add_get("/v1/models/{name:.+}", relay.model)
    for endpoint in dialects.ENDPOINTS:
        app.router.add_post(endpoint.path, relay.generate, expect_handler=_expects_nothing)
    return app


async def _expects_nothing(_: web.Request) -> None:
    """HAProxy has said `100 Continue`; an expectation that nobody knows is no reason to refuse, nor in plain text."""
