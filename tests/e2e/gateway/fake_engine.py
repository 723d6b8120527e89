"""An engine that speaks every dialect of the gateway without a model: `python fake_engine.py PORT`. Commands by HTTP:

GET /seen → what it was sent; a prompt that starts with "die" ends the process in mid-request, "slow" streams slowly,
"think" says nothing for a minute, "pause" for 3 s, "redirect" names another place. What is no JSON is a 400; what has
another path is written down and answered, as vLLM answers on paths that no caller is to reach.
`Access-Control-Allow-Origin: *` as vLLM says it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys

from aiohttp import web

from core.contract.dialects import ENDPOINTS
from tests import dialect_answers

SEEN: list[dict[str, object]] = []


def note(request: web.Request) -> dict[str, object]:
    """Write the request down; its prompt is not read yet."""
    line = {"method": request.method, "path": request.path, "prompt": ""}
    SEEN.append(line | {"headers": dict(request.headers)})
    return SEEN[-1]


async def answer(request: web.Request) -> web.StreamResponse:
    body = await request.read()
    seen = note(request)
    seen["sha256"] = hashlib.sha256(body).hexdigest()
    try:
        asked = json.loads(body)
        prompt = str(asked["input"]) if "input" in asked else str(asked["messages"][-1]["content"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        return web.json_response(
            {"error": {"message": repr(error), "type": "BadRequestError", "code": 400}}, status=400
        )
    seen["prompt"] = prompt[:40]
    if prompt.startswith("redirect"):
        return web.Response(status=307, headers={"Location": "/elsewhere"})
    if prompt.startswith("die"):
        os._exit(1)
    if prompt.startswith("think"):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen["left"] = True
            raise
    if prompt.startswith("pause"):
        await asyncio.sleep(3)
    if not asked.get("stream"):
        return web.json_response(dialect_answers.plain(request.path, asked["model"]))
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    try:
        words = [f"w{i} " for i in range(50 if prompt.startswith("slow") else 3)]
        for event in dialect_answers.events(request.path, asked["model"], words):
            await response.write(event)
            await asyncio.sleep(0.1 if prompt.startswith("slow") else 0)
    except (asyncio.CancelledError, ConnectionResetError):
        seen["left"] = True
        raise
    return response


async def seen(_: web.Request) -> web.Response:
    return web.json_response(SEEN)


async def elsewhere(request: web.Request) -> web.Response:
    note(request)
    return web.json_response({})


async def any_page(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Access-Control-Allow-Origin"] = "*"


app = web.Application(client_max_size=2**26)
app.add_routes(
    [
        *(web.post(endpoint.path, answer) for endpoint in ENDPOINTS),
        web.get("/seen", seen),
        web.route("*", "/{path:.*}", elsewhere),
    ]
)
app.on_response_prepare.append(any_page)
web.run_app(
    app, host="127.0.0.1", port=int(sys.argv[1]), print=None, handler_cancellation=True, backlog=2048
)  # as uvicorn
