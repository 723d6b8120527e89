"""A lease store in one SQLite file, for machines of one's own (`host.kind: ssh`).

The file lies on a disk that all its users share (the host's own), never on a network file system. Its time is that
computer's clock.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from runtime.backends.leases import StoreUnavailable
from runtime.backends.leases.items import Item, ItemStore

BUSY_TIMEOUT_S = 5.0
TABLE = "CREATE TABLE IF NOT EXISTS items (pk TEXT, sk TEXT, body TEXT NOT NULL, PRIMARY KEY (pk, sk)) WITHOUT ROWID"


class SqliteRows:
    """Rows of one connection, inside its transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Keep the connection."""
        self._connection = connection

    def get(self, pk: str, sk: str) -> Item | None:
        """One item, or None."""
        found = self._connection.execute("SELECT body FROM items WHERE pk = ? AND sk = ?", (pk, sk)).fetchone()
        return None if found is None else json.loads(found[0])

    def put(self, pk: str, sk: str, item: Item) -> None:
        """Write one item whole."""
        body = json.dumps(dict(item), default=_plain)
        self._connection.execute("INSERT OR REPLACE INTO items (pk, sk, body) VALUES (?, ?, ?)", (pk, sk, body))

    def keys(self, sk: str) -> Sequence[str]:
        """The pk of every item with this sk."""
        return [row[0] for row in self._connection.execute("SELECT pk FROM items WHERE sk = ?", (sk,))]

    def starting(self, pk: str, prefix: str) -> Sequence[Item]:
        """The items of one pk whose sk starts so, in the order of sk."""
        query = "SELECT body FROM items WHERE pk = ? AND substr(sk, 1, ?) = ? ORDER BY sk"
        return [json.loads(row[0]) for row in self._connection.execute(query, (pk, len(prefix), prefix))]

    def between(self, pk: str, first: str, last: str, limit: int | None) -> Sequence[Item]:
        """The first `limit` items of one pk whose sk lies between these two, in the order of sk."""
        query = "SELECT body FROM items WHERE pk = ? AND sk BETWEEN ? AND ? ORDER BY sk LIMIT ?"
        found = self._connection.execute(query, (pk, first, last, -1 if limit is None else limit))
        return [json.loads(row[0]) for row in found]


class SqliteLeaseStore(ItemStore):
    """`LeaseStore` in the file `path` (made if missing); safe to share between threads and processes."""

    def __init__(self, path: str | Path, clock: Callable[[], float] = time.time) -> None:
        """Make the table where it is missing; StoreUnavailable where the file cannot be opened."""
        super().__init__(clock)
        self._path = str(path)
        with self._connect() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(TABLE)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                yield connection
        except sqlite3.Error as error:
            raise StoreUnavailable(f"The lease file {self._path} cannot be used: {error}.") from error

    @contextmanager
    def _transaction(self) -> Iterator[SqliteRows]:
        with self._connect() as connection, _immediate(connection):
            yield SqliteRows(connection)


@contextmanager
def _immediate(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that has the write lock from its start; left by an error, nothing of it remains."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"cannot keep {value!r} in a lease item")
