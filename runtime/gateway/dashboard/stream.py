"""An open page kept up to date by server-sent events: `part`, one that changed; `reload`, where the session has ended.

A page is looked at every TICK_S; only what differs from what this page was sent goes out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final

from aiohttp import web

from runtime.gateway.dashboard.pages import Parts

TICK_S: Final = 1.0
QUIET_S: Final = 15.0  # then a comment, so that a page that was closed is noticed
PAGES_MAX: Final = 64  # open ones
VISITORS_MAX: Final = 32  # of these, so that strangers leave room for operators
_HEADERS: Final = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
Look = Callable[[], Awaitable[Parts | None]]  # the page's parts now; None: load it anew


class Streams:
    """All open pages of this relay. `tick_s` is for tests."""

    def __init__(self, *, tick_s: float = TICK_S) -> None:
        self._tick_s = tick_s
        self._closing = asyncio.Event()
        self._open: Counter[str] = Counter()

    def full(self, *, visitor: bool) -> bool:
        """No further page is kept up to date."""
        return self._open.total() >= PAGES_MAX or (visitor and self._open["visitor"] >= VISITORS_MAX)

    def close(self) -> None:
        """The relay ends: pages connect again, to the next one."""
        self._closing.set()

    async def serve(
        self, request: web.Request, look: Look, *, visitor: bool, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """Send what changes until the page is closed, or must be loaded anew."""
        response = web.StreamResponse(headers={**headers, **_HEADERS})
        await response.prepare(request)
        with self._counted("visitor" if visitor else "operator"), contextlib.suppress(ConnectionResetError):
            await self._send(response, look)
        return response

    async def _send(self, response: web.StreamResponse, look: Look) -> None:
        sent: dict[str, str] = {}
        clock = asyncio.get_running_loop().time
        said_at = clock()
        while not self._closing.is_set():
            parts = await look()
            if parts is None:
                await response.write(_event("reload", {}))
                return
            for name, html in parts.items():
                if sent.get(name) != html:
                    sent[name], said_at = html, clock()
                    await response.write(_event("part", {"name": name, "html": html}))
            if clock() - said_at >= QUIET_S:
                said_at = clock()
                await response.write(b": still here\n\n")
            await self._pause()

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), self._tick_s)

    @contextlib.contextmanager
    def _counted(self, who: str) -> Iterator[None]:
        self._open[who] += 1
        try:
            yield
        finally:
            self._open[who] -= 1


def _event(name: str, data: Mapping[str, str]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
