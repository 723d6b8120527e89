"""The histories that budgets are reckoned from (`core/money/ledger.py`). Asked only where a budget is set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from core.lease import Event, Lease
from runtime.lease_store import LeaseStore

READS_A_PASS: Final = 200


class HasEvents(Protocol):
    """What `spending` needs of a store."""

    def events(self, unit: str) -> Sequence[Event]: ...


class Histories:
    """Histories as read, by unit. A history grows only with its lease's epoch: a read serves all passes until then."""

    def __init__(self, store: LeaseStore) -> None:
        self._store = store
        self._read: dict[str, tuple[int, Sequence[Event]]] = {}
        self._left = READS_A_PASS

    def next_pass(self) -> None:
        """A pass begins: it may read so many histories anew that a cold Lambda ends in time, in a fleet too."""
        self._left = READS_A_PASS

    def can_wait(self, lease: Lease, now: float) -> bool:
        """Not known, this pass has read its share, and nobody waits for a start: a later pass reads it."""
        known = self._read.get(lease.unit)
        return self._left <= 0 and not lease.wanted(now) and (known is None or known[0] != lease.epoch)

    def until(self, lease: Lease) -> HasEvents:
        """The history of a lease as it was read, asked for when it is needed."""
        return _Until(self, lease.epoch)

    def at(self, unit: str, epoch: int) -> Sequence[Event]:
        """The events of a unit up to an epoch, from the store where they are not known yet."""
        known = self._read.get(unit)
        if known is None or known[0] != epoch:
            self._left -= 1
            known = self._read[unit] = (epoch, self._store.events(unit))
        return known[1]


@dataclass(frozen=True)
class _Until:
    histories: Histories
    epoch: int

    def events(self, unit: str) -> Sequence[Event]:
        return self.histories.at(unit, self.epoch)
