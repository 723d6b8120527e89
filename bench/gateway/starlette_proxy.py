"""A proxy of Starlette and httpx under uvicorn, as SkyServe and dstack have one: `python starlette_proxy.py PORT TO`.

It runs in LiteLLM's environment (`programs.PACKAGES`), which has all three.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

PASSED = ("content-type", "authorization")
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=256)


async def forward(request: Request) -> StreamingResponse:
    """The body as it came, and the answer as it comes."""
    client: httpx.AsyncClient = request.app.state.client
    headers = {name: request.headers[name] for name in PASSED if name in request.headers}
    asked = client.build_request("POST", request.url.path, content=await request.body(), headers=headers)
    answer = await client.send(asked, stream=True)
    passed = {name: value for name, value in answer.headers.items() if name in ("content-type", "content-length")}
    closing = BackgroundTask(answer.aclose)
    return StreamingResponse(answer.aiter_raw(), status_code=answer.status_code, headers=passed, background=closing)


@asynccontextmanager
async def client(app: Starlette) -> AsyncIterator[None]:
    """One pool of connections for all."""
    async with httpx.AsyncClient(base_url=sys.argv[2], limits=LIMITS, timeout=None) as app.state.client:
        yield


if __name__ == "__main__":
    made = Starlette(routes=[Route("/v1/chat/completions", forward, methods=["POST"])], lifespan=client)
    uvicorn.run(made, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
