"""The note of the budget: until when no start is paid for, so that the relay, which knows no money, refuses at once."""

from __future__ import annotations

from core.lease.guards import as_read, note
from core.lease.record import Lease
from core.lease.writes import Equals, Outcome


def spent(lease: Lease, *, until: float | None, nonce: str) -> Outcome:
    """The month's budget is spent until then (table time, s); None: it is not, or no longer. In any state."""
    return note(lease, nonce, (Equals("unit", lease.unit), *as_read(lease, "spent_until")), spent_until=until)
