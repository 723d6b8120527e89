"""A lease store in this process's memory, for tests and simulations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from runtime.backends.leases.items import Item, ItemStore


class MemoryRows:
    """Rows in a dictionary."""

    def __init__(self) -> None:
        """Start empty."""
        self._rows: dict[tuple[str, str], Item] = {}

    def get(self, pk: str, sk: str) -> Item | None:
        """One item, or None."""
        return self._rows.get((pk, sk))

    def put(self, pk: str, sk: str, item: Item) -> None:
        """Write one item whole."""
        self._rows[pk, sk] = dict(item)

    def keys(self, sk: str) -> Sequence[str]:
        """The pk of every item with this sk."""
        return [p for p, s in self._rows if s == sk]

    def starting(self, pk: str, prefix: str) -> Sequence[Item]:
        """The items of one pk whose sk starts so, in the order of sk."""
        return [self._rows[key] for key in sorted(self._rows) if key[0] == pk and key[1].startswith(prefix)]

    def between(self, pk: str, first: str, last: str, limit: int | None) -> Sequence[Item]:
        """The first `limit` items of one pk whose sk lies between these two, in the order of sk."""
        return [self._rows[key] for key in sorted(self._rows) if key[0] == pk and first <= key[1] <= last][:limit]


class MemoryLeaseStore(ItemStore):
    """`LeaseStore` in memory; safe to share between threads. Its time is `clock` (s since 1970)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start empty."""
        super().__init__(clock)
        self._rows = MemoryRows()
        self._lock = threading.Lock()

    @contextmanager
    def _transaction(self) -> Iterator[MemoryRows]:
        with self._lock:
            yield self._rows
