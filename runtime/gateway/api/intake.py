"""Whether this relay takes new requests. HAProxy asks before each half second; a relay that ends says no, and goes on
with those that it has.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from aiohttp import web

from core.contract.network import RELAY_READY_FALL

ASKED_S: Final = 3.0  # HAProxy asks within this, or it does not run
SETTLED_S: Final = 0.5  # after an answer HAProxy has acted on it, and what was on its way has arrived


class Intake:
    """Open from the start, closed for good by `close`. Counts the requests that are in the relay."""

    def __init__(self) -> None:
        self._open = True
        self._inside = 0
        self._asked = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    async def ready(self, _: web.Request) -> web.Response:
        """GET /ready, for HAProxy: 200, or 503 where it is to send no new requests."""
        self._asked.set()
        return web.Response(status=200 if self._open else 503)

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """A request is inside."""
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    async def known(self, answers: int = 1) -> None:
        """Return when HAProxy has had so many answers and has acted on them, or does not ask within ASKED_S."""
        with contextlib.suppress(TimeoutError):
            for _ in range(answers):
                self._asked.clear()
                await asyncio.wait_for(self._asked.wait(), ASKED_S)
            await asyncio.sleep(SETTLED_S)

    async def close(self, limit_s: float) -> int:
        """Take nothing more; return when nobody is inside, or after `limit_s`. The value: how many still are."""
        self._open = False
        await self.known(RELAY_READY_FALL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), limit_s)
        return self._inside
