"""The relay's listening socket: aiohttp with our limits, and with our words where aiohttp refuses by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from aiohttp.web_request import BaseRequest

from core.contract.network import HEADERS_BYTES_MAX, HEADERS_MAX, URL_BYTES_MAX
from runtime.gateway import errors

LINGER_S: Final = 10.0  # a body that was refused is read and thrown away for so long, so that its sender reads why
SHUTDOWN_S: Final = 8.0  # streams that go through the relay get this long when it is restarted; its unit gives 10 s
_EXTRA: Final = 100  # header lines that HAProxy adds, and room
# A little wider than HAProxy's, which refuses first; bodies are inflated in bodies.py, where they are counted
_LIMITS: Final[dict[str, Any]] = {
    "max_line_size": URL_BYTES_MAX + 1024,
    "max_field_size": HEADERS_BYTES_MAX + 1024,
    "max_headers": HEADERS_MAX + _EXTRA,
    "auto_decompress": False,
    "access_log": None,
}


class Protocol(web.RequestHandler):
    """One connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What aiohttp cannot read, in OpenAI's shape: no path is known. It logs the reason, and raises where an answer
        has begun.
        """
        super().handle_error(request, status, exc, message)
        response = web.json_response(errors.unreadable(status).body(), status=status)
        response.force_close()
        return response


@asynccontextmanager
async def listening(
    app: web.Application, port: int = 0, *, shutdown_s: float = SHUTDOWN_S, linger_s: float = LINGER_S
) -> AsyncIterator[int]:
    """Serve `app` on the loopback; the value is the port. At the end who is inside gets `shutdown_s`."""
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=shutdown_s)
    await runner.setup()
    loop = asyncio.get_running_loop()

    def protocol() -> Protocol:
        assert runner.server is not None
        return Protocol(runner.server, loop=loop, lingering_time=linger_s, **_LIMITS)

    try:
        listener = await loop.create_server(protocol, "127.0.0.1", port, backlog=1024)
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
    finally:
        await runner.cleanup()
