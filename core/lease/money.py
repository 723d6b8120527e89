"""The notes of the budget: until when no start is paid for, so that the relay, which knows no money, refuses at once;
and until when somebody pays all the same.
"""

from __future__ import annotations

from core.lease.guards import as_read, note
from core.lease.record import Lease
from core.lease.writes import Equals, Outcome, Refused


def spent(lease: Lease, *, until: float | None, nonce: str) -> Outcome:
    """The budget is spent until then (table time, s); None: it is not, or no longer. In any state."""
    return note(lease, nonce, (Equals("unit", lease.unit), *as_read(lease, "spent_until")), spent_until=until)


def override_budget(lease: Lease, *, who: str, why: str, now: float, until: float, nonce: str) -> Outcome:
    """Somebody pays over the budget until then (table time, s), in any state: what says that it is spent goes, and the
    policy writes no new one meanwhile. It replaces an older override, as it was read.
    """
    if until <= now:
        return Refused("the override would be over already")
    here = (Equals("epoch", lease.epoch), *as_read(lease, "spent_until", "paid_until"))
    return note(lease, nonce, here, spent_until=None, paid_until=until, paid_who=who, paid_why=why or None)


def end_override(lease: Lease, *, nonce: str) -> Outcome:
    """The override that was read is over; the reaper says within a minute whether the budget is spent."""
    if lease.paid_until is None:
        return Refused("there is no override")
    here = (Equals("epoch", lease.epoch), *as_read(lease, "paid_until"))
    return note(lease, nonce, here, paid_until=None, paid_who=None, paid_why=None)
