"""The waiting room of a unit: who waits for it, and the demand that outlives a caller who hung up. How many may wait is
the gateway's bound, over all of its units.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from core.contract.network import WEBUI_KEY
from runtime.gateway import errors
from runtime.gateway.unit.line import Line, Turn


class Places:
    """So many callers may wait at this gateway. Where it has several `units`, the callers of one take half of the
    places at most (and one at least), so that the others' callers find some.

    One caller may take all that are free. Where none is, whoever has the most gives up the newest one to a caller that
    has at least two fewer.
    """

    def __init__(self, limit: int, *, units: int = 1) -> None:
        self._limit = limit
        self._share = limit if units == 1 else max(1, limit // 2)  # of one unit
        self._taken: dict[Turn, Queue] = {}  # in the order in which they came

    @contextlib.contextmanager
    def one(self, queue: Queue, turn: Turn) -> Iterator[None]:
        """A place for a caller of the queue's unit; Refusal `queue_full` where all are taken, or all of its share."""
        unit = [t for t, q in self._taken.items() if q is queue]
        if len(unit) >= self._share or len(self._taken) >= self._limit:
            self._displace_for(turn, unit if len(unit) >= self._share else list(self._taken))
        self._taken[turn] = queue
        try:
            yield
        finally:
            self._taken.pop(turn, None)

    def _displace_for(self, turn: Turn, taken: Sequence[Turn]) -> None:
        """Make room among the places that are taken; Refusal where the newcomer's caller has its share already."""
        has = Counter(each.caller for each in taken)
        most, places = has.most_common(1)[0] if has else (turn.caller, 0)
        newest = next((t for t in reversed(taken) if t.caller == most and t.waits), None)
        if newest is None or places < has[turn.caller] + 2:
            raise errors.queue_full(len(self._taken))
        del self._taken[newest]
        newest.refuse(errors.queue_share(places))


Wish = tuple[str, str]  # the engine that is asked for, and the name of the key, "" where it is not known


class Queue:
    """Counts those who wait. `demand` stays true until the lease knows that the host is wanted."""

    def __init__(self, places: Places) -> None:
        self.waiting = 0
        self.demand = False
        self.arrived = asyncio.Event()  # set: the watch should look now
        self._places = places
        self._lines: defaultdict[str, Line] = defaultdict(Line)
        self._waiting: Counter[Wish] = Counter()
        self._asked: dict[Wish, None] = {}  # who came since `settle`, in their order; some of them left

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
    def place(self, engine: str, key: str = "", user: str = "") -> Iterator[Turn]:
        """Wait here; Refusal `queue_full` where the gateway has no place left for this unit and this caller."""
        self.ask(engine, key)
        turn = self._lines[engine].join((key, user))
        try:
            with self._places.one(self, turn):
                self.waiting += 1
                self._waiting[engine, key] += 1
                try:
                    yield turn
                finally:
                    self.waiting -= 1
                    self._waiting -= Counter(((engine, key),))
        finally:
            turn.leave()

    def crowded(self, engine: str) -> bool:
        """Somebody waits for this engine."""
        return bool(self._lines[engine])

    def _callers(self) -> list[Wish]:
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
