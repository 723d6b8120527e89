"""The waiting room of a unit: who waits for it, and the demand that outlives a caller who hung up. How many may wait is
the gateway's bound, over all of its units.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator

from runtime.gateway import errors


class Places:
    """So many callers may wait at this gateway, whichever unit they wait for."""

    def __init__(self, limit: int) -> None:
        self._limit, self._taken = limit, 0

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """A place; Refusal `queue_full` where all are taken."""
        if self._taken >= self._limit:
            raise errors.queue_full(self._taken)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


class Queue:
    """Counts those who wait. `demand` stays true until the lease knows that the host is wanted."""

    def __init__(self, places: Places) -> None:
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
        """Wait here; Refusal `queue_full` where the gateway has no place left."""
        self.ask(engine)
        with self._places.one():
            self.waiting += 1
            self._waiting[engine] += 1
            try:
                yield
            finally:
                self.waiting -= 1
                self._waiting -= Counter((engine,))
