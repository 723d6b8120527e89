"""What only a file does: it is shared by processes, kept, and sometimes cannot be used."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from core import lease as protocol
from core.lease import Lease, Write
from runtime.backends.leases import StoreUnavailable
from runtime.backends.leases.sqlite import SqliteLeaseStore

UNIT = "demo/host"


def test_a_lease_outlives_the_program(tmp_path: Path) -> None:
    path = tmp_path / "leases.sqlite"
    wrote = SqliteLeaseStore(path).write(protocol.create(UNIT, "i-1", by="deploy", now=1.0, nonce="n"))
    assert SqliteLeaseStore(path).read(UNIT).lease == wrote


def test_a_file_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere"):
        SqliteLeaseStore(tmp_path / "nowhere" / "leases.sqlite")


def test_an_error_inside_a_transaction_leaves_nothing(tmp_path: Path) -> None:
    store = SqliteLeaseStore(tmp_path / "leases.sqlite")
    write = protocol.create(UNIT, "i-1", by="deploy", now=1.0, nonce="n")
    broken = Write(UNIT, "n", write.clauses, {**write.sets, "alerted": object()}, write.event)  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        store.write(broken)
    assert store.read(UNIT).lease is None
    assert store.events(UNIT) == []


def test_of_many_writers_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "leases.sqlite"
    stores = [SqliteLeaseStore(path) for _ in range(8)]
    won: list[Lease] = []

    def create(number: int) -> None:
        write = protocol.create(UNIT, f"i-{number}", by="deploy", now=1.0, nonce=f"n-{number}")
        if (lease := stores[number].write(write)) is not None:
            won.append(lease)

    threads = [threading.Thread(target=create, args=(i,)) for i in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [stores[0].read(UNIT).lease]
