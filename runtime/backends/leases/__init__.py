"""Where leases live. `LeaseStore` is the protocol; one file a store; `tests/runtime/backends/leases/` is one suite for
all.

`dynamodb.py` is AWS's; `sqlite.py` is for `host.kind: ssh`; `memory.py` is for tests and simulations. To add a store:
a class with these methods (or `items.ItemStore` over your own rows), and a line in the conformance test's list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from core import lease as protocol
from core.contract.documents import UnitSettings
from core.errors import ContractError, LeaseError
from core.lease import Event, Lease, Write
from core.past import Past
from core.shutdown_report import ShutdownReport


@dataclass(frozen=True)
class Reading:
    """A consistent read: the lease, or None where there is none, and the table's own time (s since 1970)."""

    lease: Lease | None
    now: float


class StoreUnavailable(Exception):
    """The store did not answer (network, throttling, refused credentials). The caller tries again later.

    A write that raised this may have been applied all the same: read before deciding again.
    """


class LeaseStore(Protocol):
    """Leases, settings and events. Methods block; raise StoreUnavailable, or core.errors.LeaseError for a bad item."""

    def read(self, unit: str) -> Reading:
        """One consistent read."""
        ...

    def read_many(self, units: Sequence[str]) -> Mapping[str, Reading | LeaseError]:
        """Consistent reads of many units, in batches; a bad item is its unit's LeaseError, not everybody's."""
        ...

    def write(self, write: Write) -> Lease | None:
        """Apply one conditional write (with its event, in one transaction). None where a clause did not hold.

        A write whose answer was lost is retried inside; where its own nonce is found (in the item, or in the event of
        its epoch) it counts as done. The lease that is returned is the latest, so others' notes may be in it.
        """
        ...

    def units(self) -> Sequence[str]:
        """Every unit that has settings, sorted."""
        ...

    def all_settings(self) -> Mapping[str, UnitSettings | ContractError]:
        """Every unit's settings, sorted by unit; what cannot be read is its unit's error."""
        ...

    def settings(self, unit: str) -> UnitSettings | None:
        """What `pulumi up` wrote for the unit; core.errors.ContractError where it cannot be read."""
        ...

    def listed(self, unit: str) -> UnitSettings | None:
        """The same from the directory, which no machine of the unit's may write: what the reaper goes by."""
        ...

    def events(
        self, unit: str, *, since: float = 0.0, epochs: range | None = None, limit: int | None = None
    ) -> Sequence[Event]:
        """The history, oldest first, from `since` (table time, s); the first `limit` of `epochs`.

        Only what is asked for is read: `since` reads from the end backwards until an event is older.
        """
        ...

    def pasts(self, units: Sequence[str]) -> Mapping[str, Past]:
        """What was counted of units' histories, in batches; a unit of which nothing readable is kept is left out."""
        ...

    def put_past(self, unit: str, past: Past) -> None:
        """Keep what was counted of a unit's history."""
        ...

    def last_epoch(self, unit: str) -> int:
        """The epoch of the history's last event, by a consistent read of that one alone; 0 where there is none."""
        ...

    def put_report(self, unit: str, words: ShutdownReport) -> None:
        """Keep a stop's shutdown report, in the place of the oldest where there are
        core.contract.table.REPORTS_KEPT.
        """
        ...

    def reports(self, unit: str) -> Sequence[ShutdownReport]:
        """The shutdown report that are kept, the newest first."""
        ...


def create(store: LeaseStore, unit: str, instance_id: str, *, by: str, now: float, nonce: str) -> Lease | None:
    """Make the lease of a unit that has none, after the last event of its history. None: somebody else was first.

    LeaseError where it was refused and there is still no lease, for then nothing bounds the machine.
    """
    last = store.last_epoch(unit)
    made = store.write(protocol.create(unit, instance_id, by=by, now=now, nonce=nonce, last=last))
    if made is None and store.read(unit).lease is None:
        raise LeaseError(
            f"The lease of {unit} could not be made after its event {last}, so nothing bounds its machine. "
            "Look at the table's items of this unit (`fab history`)."
        )
    return made
