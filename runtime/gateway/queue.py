"""The waiting room: who waits for the host, how many may, and the demand that outlives a caller who hung up."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from runtime.gateway import errors
from runtime.gateway.view import View

SSE_COMMENT_S: Final = 5.0  # a queued stream gets a comment this often


Tell = Callable[[str], Awaitable[None]]


class Queue:
    """Counts those who wait. `demand` stays true until the lease knows that the host is wanted."""

    def __init__(self, places: int) -> None:
        self.waiting = 0
        self.demand = False
        self.arrived = asyncio.Event()  # set: the watch should look now
        self._places = places
        self._waiting: Counter[str] = Counter()  # by engine
        self._asked: set[str] = set()  # engines whose callers came and left

    @property
    def wanted(self) -> bool:
        """Somebody waits, or came and left before that was written down."""
        return self.demand or self.waiting > 0

    @property
    def engines(self) -> frozenset[str]:
        """The engines that those who are counted by `wanted` ask for."""
        return frozenset(self._waiting) | self._asked

    def ask(self, engine: str) -> None:
        """Somebody wants this engine's host; said even by those who are then refused."""
        if not self.wanted:
            self.arrived.set()
        self.demand = True
        self._asked.add(engine)

    def settle(self) -> None:
        """The demand of those who left is served, or written down."""
        self.demand = False
        self._asked.clear()

    @contextlib.contextmanager
    def place(self, engine: str) -> Iterator[None]:
        """Wait here; Refusal `queue_full` where the room is full."""
        self.ask(engine)
        if self.waiting >= self._places:
            raise errors.queue_full(self.waiting)
        self.waiting += 1
        self._waiting[engine] += 1
        try:
            yield
        finally:
            self.waiting -= 1
            self._waiting -= Counter((engine,))


class Wait:
    """One caller's wait for an engine, until `deadline` (event loop's time).

    `tell` is given the words for the caller at once and every SSE_COMMENT_S.
    """

    def __init__(self, view: View, engine: str, deadline: float, tell: Tell | None, *, wakes: bool = True) -> None:
        self._view, self._engine, self._deadline, self._tell, self._wakes = view, engine, deadline, tell, wakes
        self._clock = asyncio.get_running_loop().time
        self._next_word = self._clock()

    async def until_ready(self) -> None:
        """Return when requests may go to the engine. Refusal where waiting is in vain, or at the deadline."""
        while not self._view.ready(self._engine):
            await self._wait(self._deadline)

    async def pause(self, seconds: float) -> None:
        """Wait a moment, or for a change, before the next try on an engine that took no connection."""
        await self._wait(self._clock() + seconds)

    async def _wait(self, until: float) -> None:
        self._view.refuse_if_hopeless(self._engine, wakes=self._wakes)
        if self._clock() >= self._deadline:
            raise self._view.not_yet(self._engine)
        if self._tell is not None and self._clock() >= self._next_word:
            await self._tell(self._view.words(self._engine))
            self._next_word = self._clock() + SSE_COMMENT_S
        ends = (until, self._deadline, self._next_word) if self._tell else (until, self._deadline)
        await self._view.changed(min(ends) - self._clock())
