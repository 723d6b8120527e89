"""The relay on a stage: lease in memory, a clock that the test moves, a power that refuses on demand, a fake engine."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from core import lease as protocol
from core.contract import documents
from core.contract.documents import EngineAddress, Place, RelayConfig, RelayUnit, ServiceRoute
from core.contract.network import ENGINE_HEADER, NOT_SENT_HEADER
from core.lease import Lease, State, Write
from runtime.backends.leases import StoreUnavailable
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.backends.power import Machine, PowerRefused, PowerUnanswered, refusal
from runtime.gateway.api.app import Relay, make_app
from runtime.gateway.api.forward import Engines
from runtime.gateway.api.marks import Marks
from runtime.gateway.api.serving import listening
from runtime.gateway.redis import Redis
from runtime.gateway.unit import Unit
from runtime.gateway.unit.queue import Places
from runtime.gateway.unit.routes import RoutesUnavailable
from runtime.gateway.usage.keys import Keys
from runtime.gateway.usage.limits import Limits
from tests import dialect_answers

UNIT, MACHINE = "lab/host", "i-1"


def config(*, start_timeout_s: float = 300.0, **changes: Any) -> RelayConfig:
    engines = (EngineAddress("tiny", "10.0.0.1", 8100),)
    services = ServiceRoute("chat", "tiny"), ServiceRoute("support", "tiny")
    unit = RelayUnit(UNIT, Place("made up"), MACHINE, engines, services, start_timeout_s)
    settings: dict[str, Any] = {
        "schema_version": documents.SCHEMA_VERSION, "stack": "lab", "units": (unit,), "queue_timeout_s": 540.0,
        "queue_max": 2,
    }  # fmt: skip
    return RelayConfig(**settings | changes)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class FakePower:
    """EC2 as the test wants it: `refusals` are raised one after the other."""

    def __init__(self) -> None:
        self.state = "stopped"
        self.starts = 0
        self.described = 0
        self.refusals: list[Exception] = []

    def describe(self, instance_id: str) -> Machine:
        self.described += 1
        return Machine(instance_id, self.state)

    def start(self, instance_id: str) -> None:
        self.starts += 1
        if self.refusals:
            raise self.refusals.pop(0)
        self.state = "running"

    def stop(self, instance_id: str) -> None:
        raise AssertionError("the relay never stops a machine")


class FakeRoutes:
    def __init__(self) -> None:
        self.open: bool | None = None
        self.unavailable = False
        self.dead: frozenset[str] = frozenset()

    async def settle(self, *, awake: bool, dead: Collection[str] = ()) -> bool:
        if self.unavailable:
            raise RoutesUnavailable("no socket")
        self.dead = frozenset(dead)
        changed = self.open is not awake
        self.open = awake
        return changed


class FakeActing:
    """Acts from the first look; `other` stands for another relay that has the lease."""

    def __init__(self) -> None:
        self.held = False
        self.other = False

    def take(self) -> bool:
        self.held = self.held or not self.other
        return self.held

    def release(self) -> None:
        self.held = False


class FlakyStore(MemoryLeaseStore):
    """Down while `down`; `lose` answers are lost after the write was applied."""

    down = False
    lose = 0
    writes = 0
    intrude: Callable[[], None] | None = None  # runs once between the next read and its write

    def read(self, unit: str) -> Any:
        if self.down:
            raise StoreUnavailable("throttled")
        return super().read(unit)

    def write(self, write: Write) -> Lease | None:
        if self.down:
            raise StoreUnavailable("throttled")
        if self.intrude is not None:
            intrude, self.intrude = self.intrude, None
            intrude()
        after = super().write(write)
        self.writes += 1
        if self.lose and write.event is not None:
            self.lose -= 1
            raise StoreUnavailable("the answer was lost")
        return after


class Stage:
    """One unit. `of` is the gateway's configuration where it has several, and `places` are those that they share."""

    def __init__(
        self, unit: str = UNIT, *, of: RelayConfig | None = None, places: Places | None = None, **changes: Any
    ) -> None:
        self.config = of or config(**changes)
        self.name = unit
        self.clock = Clock()
        self.store = FlakyStore(self.clock)
        self.power = FakePower()
        self.routes = FakeRoutes()
        self.redis: Any = Redis("/nowhere/redis.sock", "/nowhere")
        self.acting = FakeActing()
        self.invoked = 0
        self.limits: Limits | None = None  # None: no key has any
        self.unit = Unit(
            self.config,
            self.config.one(unit),
            store=self.store,
            power=self.power,
            routes=self.routes,  # type: ignore[arg-type]
            acting=self.acting,
            places=places or Places(self.config.queue_max),
            invoke_reaper=self._invoked,
            monotonic=self.clock,
        )
        self.view, self.queue, self.waker = self.unit.view, self.unit.queue, self.unit.waker
        self.watch = self.unit.watch

    def _invoked(self) -> None:
        self.invoked += 1

    # ------------------------------------------------------------ the lease, as others write it
    @property
    def lease(self) -> Lease:
        found = self.store.read(self.name).lease
        assert found is not None
        return found

    def act(self, transition: Callable[..., Any], **arguments: Any) -> Lease:
        outcome = transition(self.lease, now=self.clock(), nonce=secrets.token_hex(4), **arguments)
        assert isinstance(outcome, Write), outcome
        after = MemoryLeaseStore.write(self.store, outcome)
        assert after is not None
        return after

    def bring_to(self, state: State, *, failure: str = "start-timeout") -> Stage:
        """The lease in `state`, by the way that leads there; the machine as it would be."""
        MemoryLeaseStore.write(
            self.store, protocol.create(self.name, MACHINE, by="deploy", now=self.clock(), nonce="n")
        )
        way = [State.NEW, State.RUNNING, State.DRAINING, State.STOPPING, State.STOPPED, State.STARTING, State.FAILED]
        for step in way[1 : way.index(state) + 1]:
            self._step(step, failure)
        up = {State.NEW, State.STARTING, State.RUNNING, State.DRAINING}
        self.power.state = "running" if state in up else "stopping" if state is State.STOPPING else "stopped"
        return self

    def _step(self, to: State, failure: str) -> None:
        match to:
            case State.RUNNING:
                self.agent_ready("boot-1")
            case State.DRAINING:
                self.act(protocol.drain, reason="idle")
            case State.STOPPING:
                self.act(protocol.stop, boot_id="boot-1")
            case State.STOPPED:
                self.act(protocol.stopped, by="reaper")
            case State.STARTING:
                self.act(protocol.request_wake, by="test", until=self.clock() + 30)
                self.act(protocol.start, by="reaper")
                self.clock.now += 31
            case State.FAILED:
                self.act(protocol.fail, by="reaper", reason="EC2's words", failure=failure, order=False)

    def agent_ready(self, boot: str) -> None:
        self.act(protocol.claim_boot, instance_id=MACHINE, boot_id=boot)
        self.act(protocol.ready, boot_id=boot)

    def look(self, *, later_s: float = 0.0) -> bool:
        """One round of the watch, from synchronous tests."""
        self.clock.now += later_s
        return asyncio.run(self.watch.look())

    def history(self) -> list[str]:
        return [f"{e.before}→{e.after} {e.by}" for e in self.store.events(self.name)]

    # ------------------------------------------------------------ with HTTP
    @asynccontextmanager
    async def serving(self, engine: FakeEngine | None = None, *others: Stage) -> AsyncIterator[str]:
        """The relay's URL; `engine` stands behind HAProxy's inner frontend. `others`: the gateway's further units."""
        inner = TestServer(engine.app) if engine else None
        if inner:
            await inner.start_server(max_field_size=2**17, max_headers=300)
        engines = Engines(str(inner.make_url("")).rstrip("/") if inner else "http://127.0.0.1:1")
        folder = tempfile.TemporaryDirectory()
        self.marks = Path(folder.name)
        targets = {s.name: s.unit for s in (self, *others)}
        limits = self.limits or Limits(Keys("/nowhere/keys.json"), self.redis, {})
        self.relay = Relay(
            self.config, targets=targets, engines=engines, redis=self.redis, limits=limits, marks=Marks(self.marks)
        )
        app = make_app(self.relay)
        try:
            async with listening(app, shutdown_s=0.1, linger_s=0.5) as port:
                yield f"http://127.0.0.1:{port}/"
        finally:
            folder.cleanup()
            await engines.close()
            if inner:
                await inner.close()

    async def waiting(self, count: int = 1) -> None:
        await until(lambda: self.queue.waiting == count)


async def until(true: Callable[[], Any]) -> None:
    """Yield to the loop until it is so."""
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0)


class FakeEngine:
    """What stands behind HAProxy's inner frontend; `refuse` counts down the connections that its port refuses."""

    def __init__(self) -> None:
        self.refuse = 0
        self.seen: list[dict[str, Any]] = []
        self.left = 0
        self.breaks = False
        self.endless = False
        self.status = 200
        self.redirect = 0  # status; the place it names counts who came
        self.followed = 0
        self.app = web.Application(client_max_size=2**26)
        self.app.router.add_post("/v1/{rest:.+}", self._answer)
        self.app.router.add_route("*", "/elsewhere", self._elsewhere)

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        self.followed += 1
        return web.json_response({"you": "followed"})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.refuse:
            self.refuse -= 1
            return web.json_response({"error": {}}, status=503, headers={NOT_SENT_HEADER: "1"})
        if self.redirect:
            return web.Response(status=self.redirect, headers={"Location": "/elsewhere"})
        asked = await request.json()
        self.seen.append({"engine": request.headers[ENGINE_HEADER], "asked": asked, "headers": dict(request.headers)})
        if self.status != 200:
            return web.json_response({"error": {"message": "no", "code": "engine_says_no"}}, status=self.status)
        answer = self._stream if asked.get("stream") else self._plain
        return await answer(request, asked["model"])

    async def _plain(self, request: web.Request, model: str) -> web.StreamResponse:
        if self.breaks:
            request.transport.abort()  # type: ignore[union-attr]
        return web.json_response(dialect_answers.plain(request.path, model))

    async def _stream(self, request: web.Request, model: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8", "X-Engine": "yes"})
        await response.prepare(request)
        events = list(dialect_answers.events(request.path, model, ("Pa", "ris")))
        for event in events[:-1]:
            await response.write(event)
        if self.breaks:
            request.transport.abort()  # type: ignore[union-attr]
            return response
        if self.endless:
            try:
                await asyncio.Event().wait()
            finally:
                self.left += 1
        await response.write(events[-1])
        return response


def refused(code: str) -> PowerRefused | PowerUnanswered:
    return refusal(code, "EC2's words")
