"""The dashboard over a unit on a stage: keys in a file, a clock that the test moves, a browser's cookies."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from core.contract.documents import SCHEMA_VERSION, ApiKey, ApiKeys, RelayUnit, Shape
from core.lease import State
from runtime.gateway.api.serving import listening
from runtime.gateway.dashboard.app import Dashboard
from runtime.gateway.dashboard.look import LeaseUnit
from runtime.gateway.dashboard.operators import Operators
from runtime.gateway.dashboard.sessions import Sessions
from runtime.gateway.dashboard.stream import Streams
from runtime.gateway.dashboard.unit import DashboardUnit
from runtime.gateway.dashboard.usage import UsageReader
from runtime.gateway.redis import RedisDown
from runtime.gateway.unit.threads import Threads
from runtime.gateway.usage.ledger import Hour
from tests.runtime.gateway.stage import Stage

SECRET, OPERATOR, PLAIN = b"s" * 32, "sk-pl-operator", "sk-pl-plain"
SHAPE = Shape("us-east-1", "g6.xlarge", 120, 500, "t4g.small", 20)
Scene = Callable[["Board"], Awaitable[None]]


def key(name: str, secret: str, **fields: Any) -> ApiKey:
    return ApiKey(name, hashlib.sha256(secret.encode()).hexdigest().upper(), created=1.0, **fields)


def write_keys(path: Path, *keys: ApiKey) -> None:
    """As whoever changes the file does: a new file takes its place."""
    new = path.with_name("new")
    new.write_text(ApiKeys(SCHEMA_VERSION, keys).to_json())
    new.replace(path)


class Board:
    """A stage whose relay also has the dashboard; `get` and `post` are one browser's."""

    def __init__(self, folder: Path, stage: Stage) -> None:
        self.stage, self.keys = stage, folder / "keys.json"
        write_keys(self.keys, key("ann", OPERATOR, operator=True), key("bob", PLAIN))
        operators = Operators(str(self.keys), clock=stage.clock)
        unit: RelayUnit = replace(stage.config.one(stage.name), shape=SHAPE)
        seen = LeaseUnit(stage.unit, unit, again_s=0.01)
        self.streams = Streams(tick_s=0.01)
        self.counted: list[Hour] | RedisDown = []
        self.board = Dashboard(
            replace(stage.config, chat_url="http://chat.example:3000"),
            [DashboardUnit(unit, seen, store=stage.store, power=stage.power, threads=Threads("dashboard"))],
            Sessions(SECRET, operators, clock=stage.clock),
            usage=UsageReader(self, clock=stage.clock),
            streams=self.streams,
        )
        self.url, self.writes = "", stage.store.writes  # before anybody came
        self.browser: aiohttp.ClientSession

    async def hours(self, since: float, until: float) -> list[Hour]:
        """The ledger's `hours`."""
        if isinstance(self.counted, RedisDown):
            raise self.counted
        return [hour for hour in self.counted if since <= hour.at <= until]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        self.board.add_to(app)
        jar = aiohttp.CookieJar(unsafe=True)  # of 127.0.0.1
        async with listening(app, shutdown_s=0.1) as port, aiohttp.ClientSession(cookie_jar=jar) as self.browser:
            self.url = f"http://127.0.0.1:{port}"
            try:
                yield
            finally:
                self.board.close()

    async def get(self, path: str = "/", **options: Any) -> tuple[int, str]:
        async with self.browser.get(self.url + path, **options) as answer:
            return answer.status, await answer.text()

    async def post(self, path: str, form: dict[str, str], **options: Any) -> tuple[int, str]:
        async with self.browser.post(self.url + path, data=form, **options) as answer:
            return answer.status, await answer.text()

    async def log_in(self, secret: str = OPERATOR) -> str:
        """The page after it."""
        return (await self.post("/dashboard/log-in", {"key": secret}))[1]

    async def press(self, button: str, **fields: str) -> str:
        """Press a button of the page as it is; the page after it."""
        form = {"csrf": token((await self.get())[1]), "unit": self.stage.name, "button": button}
        return (await self.post("/dashboard/do", form | fields))[1]


def token(page: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert found, page
    return found[1]


def said(page: str) -> str:
    found = re.search(r'<p class="said" role="status">(.*?)</p>', page)
    return found[1] if found else ""


def play(folder: Path, scene: Scene, state: State = State.STOPPED, *, later_s: float = 0.0) -> None:
    """A scene with the unit in `state`, read once, `later_s` after it came there."""

    async def whole() -> None:
        stage = Stage().bring_to(state)
        stage.clock.now += later_s
        await stage.watch.look()
        board = Board(folder, stage)
        async with asyncio.timeout(20), board.serving():
            await scene(board)

    asyncio.run(whole())
