"""The lease: which state a host is in, who may change it, and how it stops without losing a request.

One item a unit. A *transition* is one conditional write on (state, epoch); it raises the epoch and writes an event
in the same transaction. A *note* (heartbeat, wake request, inhibitor, cordon, order) is a conditional write that leaves
both alone. Every function here is pure: it takes the lease as read and the table's `now`, and returns the `Write` to
send, or a `Refused` that says in words why there is nothing to send. What the function sees is checked again by the
write's condition, in the table, so that whatever changed between reading and writing makes the write fail, not lie.

To add a transition: a row in the design's section 6, a function in `transitions.py`, a line in
`tests/core/lease/`, and an action in the explorer of `tests/core/protocol/`, or the search says that it never fired.
"""

from __future__ import annotations

from core.lease.money import end_override, override_budget, spent
from core.lease.notes import (
    agent_beat,
    alert_sent,
    budgeted,
    cordon,
    drop_wake_request,
    inhibit,
    not_now,
    notified,
    pin,
    relay_beat,
    release,
    repeat_start,
    request_wake,
    seen_stopped,
    stop_order,
    unpin,
    warned,
)
from core.lease.record import (
    LEASE_VERSION,
    ON,
    SESSIONS,
    WANTED_BY,
    Inhibitor,
    Lease,
    State,
    Value,
    from_item,
    to_item,
)
from core.lease.rungs import climb, restore, restored
from core.lease.transitions import (
    adopt,
    claim_boot,
    create,
    drain,
    fail,
    force,
    lost,
    new_machine,
    ready,
    resume,
    start,
    stop,
    stopped,
)
from core.lease.writes import (
    After,
    Clause,
    Differs,
    Equals,
    Event,
    Missing,
    NotAfter,
    Outcome,
    Refused,
    Write,
    apply,
    holds_true,
)

__all__ = [
    "LEASE_VERSION",
    "ON",
    "SESSIONS",
    "WANTED_BY",
    "After",
    "Clause",
    "Differs",
    "Equals",
    "Event",
    "Inhibitor",
    "Lease",
    "Missing",
    "NotAfter",
    "Outcome",
    "Refused",
    "State",
    "Value",
    "Write",
    "adopt",
    "agent_beat",
    "alert_sent",
    "apply",
    "budgeted",
    "claim_boot",
    "climb",
    "cordon",
    "create",
    "drain",
    "drop_wake_request",
    "end_override",
    "fail",
    "force",
    "from_item",
    "holds_true",
    "inhibit",
    "lost",
    "new_machine",
    "not_now",
    "notified",
    "override_budget",
    "pin",
    "ready",
    "relay_beat",
    "release",
    "repeat_start",
    "request_wake",
    "restore",
    "restored",
    "resume",
    "seen_stopped",
    "spent",
    "start",
    "stop",
    "stop_order",
    "stopped",
    "to_item",
    "unpin",
    "warned",
]
