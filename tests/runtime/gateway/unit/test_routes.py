"""Routes over HAProxy's admin socket, against a socket that answers as HAProxy 2.6 was seen to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from core.contract.documents import ServiceRoute
from core.contract.shaping import ServiceShape
from runtime.gateway.unit.routes import Routes, RoutesUnavailable

MAP = "/etc/pilotlight/routes.map"
SERVICES = (ServiceRoute("chat", "tiny"), ServiceRoute("support", "big"))


class FakeHaproxy:
    """Keeps one map; says what HAProxy says."""

    def __init__(self) -> None:
        self.routes = {"chat": "relay", "support": "relay"}
        self.commands: list[str] = []
        self.path = MAP

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for command in (await reader.readline()).decode().strip().split(";"):
            self.commands.append(command)
            writer.write(self._answer(command.split()).encode())
        await writer.drain()
        writer.close()

    def _answer(self, words: list[str]) -> str:
        verb, _, path, *rest = words
        if path != self.path:
            return "Unknown map identifier. Please use #<id> or <file>.\n\n"
        if verb == "show":
            return "".join(f"0x55 {k} {v}\n" for k, v in self.routes.items()) + "\n"
        name, backend = rest
        if verb == "set" and name not in self.routes:
            return "entry not found.\n\n"
        self.routes[name] = backend
        return "\n"


def with_haproxy(folder: Path, scene: Callable[[FakeHaproxy, Routes], Awaitable[None]]) -> None:
    async def whole() -> None:
        fake = FakeHaproxy()
        server = await asyncio.start_unix_server(fake.serve, folder / "admin.sock")
        async with server:
            await scene(fake, Routes(SERVICES, socket=str(folder / "admin.sock"), path=MAP))

    asyncio.run(whole())


def test_a_shaped_service_goes_by_way_of_the_relay_also_while_the_host_is_awake(tmp_path: Path) -> None:
    async def scene(fake: FakeHaproxy, _: Routes) -> None:
        services = ServiceRoute("chat", "tiny"), ServiceRoute("support", "tiny", ServiceShape(temperature=0))
        routes = Routes(services, socket=str(tmp_path / "admin.sock"), path=MAP)
        assert await routes.settle(awake=True)
        assert fake.routes == {"chat": "engine_tiny", "support": "relay"}

    with_haproxy(tmp_path, scene)


def test_opens_and_closes_every_route(tmp_path: Path) -> None:
    async def scene(fake: FakeHaproxy, routes: Routes) -> None:
        assert await routes.settle(awake=True)
        assert fake.routes == {"chat": "engine_tiny", "support": "engine_big"}
        assert await routes.settle(awake=False)
        assert fake.routes == {"chat": "relay", "support": "relay"}

    with_haproxy(tmp_path, scene)


def test_changes_only_the_difference(tmp_path: Path) -> None:
    async def scene(fake: FakeHaproxy, routes: Routes) -> None:
        assert not await routes.settle(awake=False)
        fake.routes["chat"] = "engine_tiny"
        assert await routes.settle(awake=True)
        assert [c for c in fake.commands if c.startswith("set")] == [f"set map {MAP} support engine_big"]

    with_haproxy(tmp_path, scene)


def test_mends_what_a_restarted_haproxy_forgot_and_adds_what_it_never_knew(tmp_path: Path) -> None:
    async def scene(fake: FakeHaproxy, routes: Routes) -> None:
        await routes.settle(awake=True)
        fake.routes = {"chat": "relay"}
        assert await routes.settle(awake=True)
        assert fake.routes == {"chat": "engine_tiny", "support": "engine_big"}

    with_haproxy(tmp_path, scene)


def test_unknown_map_is_said(tmp_path: Path) -> None:
    async def scene(fake: FakeHaproxy, routes: Routes) -> None:
        fake.path = "/elsewhere"
        with pytest.raises(RoutesUnavailable, match="does not know the map"):
            await routes.settle(awake=True)

    with_haproxy(tmp_path, scene)


def test_no_haproxy_is_said(tmp_path: Path) -> None:
    routes = Routes(SERVICES, socket=str(tmp_path / "none.sock"), path=MAP)
    with pytest.raises(RoutesUnavailable, match=r"none\.sock"):
        asyncio.run(routes.settle(awake=True))


def test_another_units_routes_in_the_same_map_are_left_alone(tmp_path: Path) -> None:
    async def scene(fake: FakeHaproxy, _: Routes) -> None:
        one, other = (Routes((s,), socket=str(tmp_path / "admin.sock"), path=MAP) for s in SERVICES)
        await one.settle(awake=True)
        assert fake.routes == {"chat": "engine_tiny", "support": "relay"}
        await other.settle(awake=True)
        await one.settle(awake=False)
        assert fake.routes == {"chat": "relay", "support": "engine_big"}

    with_haproxy(tmp_path, scene)
