"""One caller's wait for an engine, until it is ready, hopeless, or too late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from runtime.gateway.target import Target

SSE_COMMENT_S: Final = 5.0  # a queued stream gets a comment this often
Tell = Callable[[str], Awaitable[None]]


class Wait:
    """One caller's wait for an engine, until `deadline` (event loop's time).

    `tell` is given the words for the caller at once and every SSE_COMMENT_S.
    """

    def __init__(self, target: Target, engine: str, deadline: float, tell: Tell | None) -> None:
        self._target, self._engine, self._deadline, self._tell = target, engine, deadline, tell
        self._clock = asyncio.get_running_loop().time
        self._next_word = self._clock()

    async def until_ready(self) -> None:
        """Return when requests may go to the engine. Refusal where waiting is in vain, or at the deadline."""
        while not self._target.ready(self._engine):
            await self._wait(self._deadline)

    async def pause(self, seconds: float) -> None:
        """Wait a moment, or for a change, before the next try on an engine that took no connection."""
        await self._wait(self._clock() + seconds)

    async def _wait(self, until: float) -> None:
        self._target.refuse_if_hopeless(self._engine)
        if self._clock() >= self._deadline:
            raise self._target.not_yet(self._engine)
        if self._tell is not None and self._clock() >= self._next_word:
            await self._tell(self._target.words(self._engine))
            self._next_word = self._clock() + SSE_COMMENT_S
        ends = (until, self._deadline, self._next_word) if self._tell else (until, self._deadline)
        await self._target.changed(min(ends) - self._clock())
