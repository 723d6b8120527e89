"""512 callers wait for one wake: each is answered, none sees an error, and they go in their order.

A relay's own order is exact (tests/runtime/gateway/unit/test_line.py); the two go on side by side, and between their
sockets and the engine's process a busy computer mixes neighbours.
"""

from __future__ import annotations

import asyncio
import bisect
import threading
from typing import Any

import aiohttp
import pytest

from core.contract.network import RELEASED_MAX
from tests.e2e.gateway.front import KEY, Front, until
from tests.e2e.gateway.test_gateway import engine_seen, stop_host, waiting

pytestmark = pytest.mark.e2e

CALLERS = 512
FRONT = {"queue_max": CALLERS}


class Callers:
    """Half of them streamed, one after the other, and between them the other half."""

    def __init__(self, front: Front) -> None:
        self._url = f"http://127.0.0.1:{front.ports['api']}/v1/chat/completions"
        self.answers: list[tuple[int, bytes]] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join(120)
        assert not self._thread.is_alive()

    async def _all(self) -> None:
        connector, headers = aiohttp.TCPConnector(limit=0), {"Authorization": f"Bearer {KEY}"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session, asyncio.TaskGroup() as group:
            for number in range(CALLERS // 2):
                group.create_task(self._plain(session))
                queued = asyncio.Event()
                group.create_task(self._streamed(session, number, queued))
                await queued.wait()

    async def _plain(self, session: aiohttp.ClientSession) -> None:
        async with session.post(self._url, json=body("plain")) as answer:
            self.answers.append((answer.status, await answer.read()))

    async def _streamed(self, session: aiohttp.ClientSession, number: int, queued: asyncio.Event) -> None:
        async with session.post(self._url, json=body(str(number)) | {"stream": True}) as answer:
            await answer.content.readline()
            queued.set()
            self.answers.append((answer.status, await answer.read()))


def body(prompt: str) -> dict[str, Any]:
    return {"model": "chat", "messages": [{"role": "user", "content": prompt}]}


def rising(numbers: list[int]) -> int:
    """The length of the longest part of it, gaps allowed, that only rises (patience sorting)."""
    piles: list[int] = []
    for number in numbers:
        at = bisect.bisect_left(piles, number)
        piles[at : at + 1] = [number]
    return len(piles)


def test_all_are_answered_and_in_their_order(front: Front) -> None:
    assert CALLERS > RELEASED_MAX
    stop_host(front)
    callers = Callers(front)
    callers.start()
    until(lambda: waiting(front) == CALLERS, "all wait", limit_s=60)
    until(lambda: front.machine() == "running", "started")
    front.start_engine()
    front.agent_ready("boot-2")
    callers.join()
    assert {status for status, _ in callers.answers} == {200}
    assert len(callers.answers) == CALLERS
    assert all(b"Paris" in said or said.endswith(b"data: [DONE]\n\n") for _, said in callers.answers)
    came = [int(seen["prompt"]) for seen in engine_seen(front) if seen["prompt"].isdigit()]
    assert sorted(came) == list(range(CALLERS // 2))
    assert rising(came) >= len(came) / 4, came  # of two mixed orders half; by chance twice the root, an eighth
    assert waiting(front) == 0
