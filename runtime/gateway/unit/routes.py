"""HAProxy's routes, opened and closed over its admin socket.

On disk every route says `relay`, so a fresh HAProxy sends everything to us; `settle` compares what HAProxy has with
what is wanted and changes only the difference, so it also mends the routes after somebody restarted HAProxy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence

from core.contract.documents import ServiceRoute
from core.contract.network import BACKEND_RELAY, backend_engine
from core.contract.paths import HAPROXY_SOCKET, ROUTES_MAP

log = logging.getLogger(__name__)

SOCKET_TIMEOUT_S = 2.0


class RoutesUnavailable(Exception):
    """HAProxy does not answer on its admin socket, or refuses a command; the message says which."""


class Routes:
    """The map from services to HAProxy's backends."""

    def __init__(self, services: Sequence[ServiceRoute], *, socket: str = HAPROXY_SOCKET, path: str = ROUTES_MAP):
        self._engines = {s.name: s.engine for s in services}
        self._shaped = frozenset(s.name for s in services if s.shaping is not None)
        self._socket = socket
        self._path = path

    async def settle(self, *, awake: bool, dead: Collection[str] = ()) -> bool:
        """Open every route but those to `dead` engines and of shaped services, or close every one. True where something
        changed; RoutesUnavailable where it cannot be.
        """
        wanted = {
            name: backend_engine(engine) if awake and engine not in dead and name not in self._shaped else BACKEND_RELAY
            for name, engine in self._engines.items()
        }
        have = await self.show()
        commands = [
            f"{'set' if name in have else 'add'} map {self._path} {name} {backend}"
            for name, backend in wanted.items()
            if have.get(name) != backend
        ]
        if not commands:
            return False
        answer = (await self._ask(";".join(commands))).strip()
        if answer:
            raise RoutesUnavailable(f"HAProxy refused a route: {answer}")
        log.info("routes", extra={"facts": {"open": awake, "changed": len(commands)}})
        return True

    async def show(self) -> dict[str, str]:
        """Service → backend, as HAProxy has it now."""
        lines = (await self._ask(f"show map {self._path}")).splitlines()
        rows = [line.split() for line in lines if line.strip()]
        if any(len(row) != 3 for row in rows):
            raise RoutesUnavailable(f"HAProxy does not know the map {self._path}: {' '.join(lines)}")
        return {name: backend for _, name, backend in rows}

    async def _ask(self, command: str) -> str:
        try:
            return await asyncio.wait_for(self._exchange(command), SOCKET_TIMEOUT_S)
        except (OSError, TimeoutError) as error:
            raise RoutesUnavailable(f"HAProxy's admin socket {self._socket}: {error or 'no answer'}") from error

    async def _exchange(self, command: str) -> str:
        reader, writer = await asyncio.open_unix_connection(self._socket)
        try:
            writer.write(command.encode() + b"\n")
            await writer.drain()
            return (await reader.read()).decode()
        finally:
            writer.close()
