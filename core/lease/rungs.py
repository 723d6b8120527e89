"""The notes of the capacity ladder: a rung is claimed before the type is changed, so that two reapers never both do."""

from __future__ import annotations

from core.lease.guards import as_read, must, note
from core.lease.record import Lease, State
from core.lease.writes import Equals, Outcome, Refused


def climb(lease: Lease, *, rung: str, tried: str, now: float, nonce: str) -> Outcome:
    """The reaper claims the next rung of this STARTING: `rung` is the type that it sets ("" the preferred one).

    A start order follows; the claim counts as its time, so that no other reaper repeats the order meanwhile.
    """
    if wrong := must(lease, State.STARTING):
        return wrong
    if lease.boot_id:
        return Refused("the machine is up: its agent has claimed the lease")
    here = (
        Equals("state", State.STARTING.value),
        Equals("epoch", lease.epoch),
        *as_read(lease, "order_at", "rung", "tried", "boot_id"),
    )
    return note(lease, nonce, here, order_at=now, rung=rung or None, tried=tried or None, type_at=None)


def restore(lease: Lease, *, now: float, nonce: str) -> Outcome:
    """The reaper claims to set the type back while the host is off; `restored` follows where EC2 took it."""
    if wrong := must(lease, State.STOPPED, State.FAILED):
        return wrong
    if not lease.rung:
        return Refused("the ladder has not changed the type")
    if lease.order_alive(now) or lease.start_alive(now):
        return Refused("an order may still land")
    here = (
        Equals("state", lease.state.value),
        Equals("epoch", lease.epoch),
        *as_read(lease, "rung", "type_at"),
    )
    return note(lease, nonce, here, type_at=now)


def restored(lease: Lease, *, nonce: str) -> Outcome:
    """The type is back, whatever the state is by now; a climb that came between is left alone."""
    if not lease.rung or lease.type_at is None:
        return Refused("nobody sets the type back")
    return note(lease, nonce, as_read(lease, "rung", "type_at"), rung=None, tried=None, type_at=None)
