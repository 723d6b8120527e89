"""The waiting room of a unit: who waits for it, and the demand that outlives a caller who hung up. How many may wait is
the gateway's bound, over all of its units.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence

from core.contract.network import WEBUI_KEY
from runtime.gateway import errors


class Places:
    """So many callers may wait at this gateway. Where it has several `units`, the callers of one take half of the
    places at most (and one at least), so that the others' callers find some.
    """

    def __init__(self, limit: int, *, units: int = 1) -> None:
        self._limit, self._taken = limit, 0
        self._share = limit if units == 1 else max(1, limit // 2)  # of one unit

    @contextlib.contextmanager
    def one(self, *, taken: int) -> Iterator[None]:
        """A place for a unit that has `taken` already; Refusal `queue_full` where all are, or all of its share."""
        if self._taken >= self._limit or taken >= self._share:
            raise errors.queue_full(self._taken)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


Caller = tuple[str, str]  # the engine that is asked for, and the name of the key, "" where it is not known


class Queue:
    """Counts those who wait. `demand` stays true until the lease knows that the host is wanted."""

    def __init__(self, places: Places) -> None:
        self.waiting = 0
        self.demand = False
        self.arrived = asyncio.Event()  # set: the watch should look now
        self._places = places
        self._waiting: Counter[Caller] = Counter()
        self._asked: dict[Caller, None] = {}  # who came since `settle`, in their order; some of them left

    @property
    def wanted(self) -> bool:
        """Somebody waits, or came and left before that was written down."""
        return self.demand or self.waiting > 0

    @property
    def engines(self) -> frozenset[str]:
        """The engines that those who are counted by `wanted` ask for."""
        return frozenset(engine for engine, _ in self._callers())

    @property
    def who(self) -> str:
        """Whose demand it is, for the lease and for people: "key ann and 2 others"; "relay" where no key is known."""
        return _words(list(dict.fromkeys(key for _, key in self._callers() if key)))

    def ask(self, engine: str, key: str = "") -> None:
        """Somebody wants this engine's host; said even by those who are then refused. `key`: the name of their key."""
        if not self.wanted:
            self.arrived.set()
        self.demand = True
        self._asked.setdefault((engine, key))

    def settle(self) -> None:
        """The demand of those who left is served, or written down."""
        self.demand = False
        self._asked.clear()

    @contextlib.contextmanager
    def place(self, engine: str, key: str = "") -> Iterator[None]:
        """Wait here; Refusal `queue_full` where the gateway has no place left for this unit."""
        self.ask(engine, key)
        with self._places.one(taken=self.waiting):
            self.waiting += 1
            self._waiting[engine, key] += 1
            try:
                yield
            finally:
                self.waiting -= 1
                self._waiting -= Counter(((engine, key),))

    def _callers(self) -> list[Caller]:
        """Who waits or asked, in the order in which they came."""
        return [*(c for c in self._waiting if c not in self._asked), *self._asked]


def _words(keys: Sequence[str]) -> str:
    if not keys:
        return "relay"
    first, others = keys[0], len(keys) - 1
    if first == WEBUI_KEY:
        first = "the chat page"
    elif not first.startswith("key"):  # "key-1" says what it is
        first = f"key {first}"
    return first + (f" and {others} other{'s' * (others > 1)}" if others else "")
