"""The plainest proxy in aiohttp, to compare with: `python aiohttp_proxy.py PORT UPSTREAM`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp import web

UPSTREAM: Final = sys.argv[2]
SESSION: Final = web.AppKey("session", aiohttp.ClientSession)
PASSED: Final = ("Content-Type", "Authorization")


async def forward(request: web.Request) -> web.StreamResponse:
    """The body as it came, and the answer as it comes."""
    headers = {name: request.headers[name] for name in PASSED if name in request.headers}
    async with request.app[SESSION].post(UPSTREAM + request.path, data=await request.read(), headers=headers) as answer:
        response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]})
        response.content_length = answer.content_length
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
        return response


async def session(app: web.Application) -> AsyncIterator[None]:
    """One pool of connections for all."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as app[SESSION]:
        yield


if __name__ == "__main__":
    made = web.Application()
    made.cleanup_ctx.append(session)
    made.router.add_post("/v1/chat/completions", forward)
    web.run_app(made, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
