"""Leases to test with: one in every state, as the protocol itself would leave it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core import lease as protocol
from core.lease import Lease, Outcome, Refused, State, Write

NOW = 1_800_000_000.0
LONG_AGO = NOW - 10_000.0
UNIT = "demo/host"


def lease(state: State, **fields: Any) -> Lease:
    """A lease in `state` since long ago, of machine i-1 and, where it is on, of boot b-1."""
    boot = "b-1" if state in protocol.ON | {State.STOPPING, State.FAILED} else ""
    plain = Lease(UNIT, state, 7, LONG_AGO, "reason", "reaper", instance_id="i-1", boot_id=boot)
    return replace(plain, **fields)


def written(outcome: Outcome) -> Write:
    """The write; a refusal fails the test with its words."""
    assert isinstance(outcome, Write), outcome
    return outcome


def after(before: Lease, outcome: Outcome) -> Lease:
    """The lease once the write was applied to what was read."""
    item = protocol.apply(protocol.to_item(before), written(outcome))
    assert item is not None, f"the write's own conditions fail on what was read: {outcome}"
    return protocol.from_item(item)


def applies(there: Lease, outcome: Outcome) -> bool:
    """Whether the table takes the write, given what is there meanwhile."""
    return protocol.apply(protocol.to_item(there), written(outcome)) is not None


def words(outcome: Outcome) -> str:
    """Why there is nothing to write."""
    assert isinstance(outcome, Refused), outcome
    return outcome.reason
