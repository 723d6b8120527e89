"""A caller's wait for an engine (`Wait`), and what a streamed caller reads meanwhile (`Waiting`): comments, which every
client of the API passes over, and for the chat page lines that it shows to the person above the answer.

Open WebUI (0.12.4, `utils/middleware.py`) hands an event `{"event": {"type": "status", …}}` of its backend's stream on
to the page; no other client is sent one.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from core.contract.dialects import Dialect
from runtime.gateway import errors
from runtime.gateway.errors import Refusal
from runtime.gateway.target import Target, Turn

SSE_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}
SSE_COMMENT_S: Final = 5.0  # a queued stream gets a comment this often
# A time left is said in steps of so many seconds, so that a page is not told something new every few seconds
STEP_S: Final = 5
STEP_LONG_S: Final = 15
LONG_S: Final = 60
Tell = Callable[[str], Awaitable[None]]


class Wait:
    """One caller's wait for its turn at an engine, until `deadline` (event loop's time).

    `tell` is given the words for the caller at once and every SSE_COMMENT_S.
    """

    def __init__(self, target: Target, engine: str, turn: Turn, deadline: float, tell: Tell | None) -> None:
        self._target, self._engine, self._turn, self._deadline, self._tell = target, engine, turn, deadline, tell
        self._clock = asyncio.get_running_loop().time
        self._next_word = self._clock()

    async def until_its_turn(self) -> None:
        """Return when the request may go to the engine. Refusal where waiting is in vain, or at the deadline."""
        while not (self._target.ready(self._engine) and self._turn.go()):
            await self._wait(self._deadline)

    async def pause(self, seconds: float) -> None:
        """Wait a moment before the next try on an engine that took no connection."""
        until = self._clock() + seconds
        while self._clock() < until:
            await self._wait(until)

    async def _wait(self, until: float) -> None:
        if self._turn.refused is not None:
            raise self._turn.refused
        self._target.refuse_if_hopeless(self._engine)
        ready = self._target.ready(self._engine)
        if self._clock() >= self._deadline:
            raise errors.engine_busy(self._turn.ahead) if ready else self._target.not_yet(self._engine)
        if self._tell is not None and self._clock() >= self._next_word:
            words = f"the host is running; {self._turn.ahead} before you" if ready else self._target.words(self._engine)
            await self._tell(words)
            self._next_word = self._clock() + SSE_COMMENT_S
        ends = (until, self._deadline, self._next_word) if self._tell else (until, self._deadline)
        await self._turn.changed(min(ends) - self._clock())


def sentence(left_s: float | None) -> str:
    """What a person reads. `left_s`: seconds until the host is expected to be awake, None where nothing is known."""
    if left_s is None:
        return "The machine is being started. How long it takes is not known yet."
    left = rounded(left_s)
    return f"The machine is being started: about {left} s" if left else "The machine is being started: any moment now"


def rounded(left_s: float) -> int:
    """A time left in steps, s: up, so that nobody is promised too much."""
    step = STEP_S if left_s <= LONG_S else STEP_LONG_S
    return math.ceil(left_s / step) * step


class Waiting:
    """A stream that begins with the first words. `target` is given where a person is to be shown how long it takes."""

    def __init__(
        self, request: web.Request, target: Target | None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.response = web.StreamResponse(headers=SSE_HEADERS)
        self._request = request
        self._target = target
        self._monotonic = monotonic
        self._since = monotonic()
        self._shown = ""

    @property
    def begun(self) -> bool:
        """The caller was given a 200: what follows can only be events."""
        return self.response.prepared

    async def tell(self, words: str) -> None:
        """A comment for whoever reads along, and a line for a person where it says something new."""
        await self.comment(words)
        if self._target is not None:
            await self._show(sentence(self._target.eta_s()), done=False)

    async def comment(self, words: str) -> None:
        """One line without an empty one after it: openai-go up to v3.41 reads that as an event without data."""
        if not self.begun:
            await self.response.prepare(self._request)
        await self.response.write(f": pilotlight: {words}\n".encode())

    async def remark(self, text: str) -> None:
        """A line for a person, above the answer; for nobody else. The stream has begun."""
        if self._target is not None:
            await self._show(text, done=True)

    async def over(self) -> None:
        """The host is awake; the answer follows."""
        if self._shown:
            await self._show(f"The machine was started ({self._monotonic() - self._since:.0f} s)", done=True)

    async def refuse(self, refusal: Refusal, dialect: Dialect, model: str) -> web.StreamResponse:
        """End the stream with a refusal, in the caller's dialect."""
        if self._shown:
            await self._show("The machine was not started", done=True)
        await self.response.write(refusal.events(dialect, model=model))
        await self.response.write_eof()
        return self.response

    async def _show(self, text: str, *, done: bool) -> None:
        if text == self._shown:
            return
        self._shown = text
        event = {"event": {"type": "status", "data": {"description": text, "done": done}}}
        await self.response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
