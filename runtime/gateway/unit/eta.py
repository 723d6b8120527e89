"""How long a wake takes, learned from the unit's own history; the words that waiting callers read."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Final

from core.capacity import ladder
from core.lease import Event, Lease, State
from core.wakes import PAST_WAKES, wakes

STOPPING_GUESS_S: Final = 30.0  # from the power-off to EC2's `stopped`; a GPU machine takes up to minutes


def usual_wake_s(events: Sequence[Event]) -> float | None:
    """Median seconds from STARTING to RUNNING over the last wakes; None where there was none."""
    took = [wake.took_s for wake in wakes(events)[-PAST_WAKES:]]
    return statistics.median(took) if took else None


def left_s(lease: Lease, now: float, usual_s: float | None) -> float | None:
    """Seconds until the host is expected to be awake; None where nothing is known."""
    if lease.state in (State.RUNNING, State.DRAINING):
        return 0.0
    if usual_s is None:
        return None
    if lease.state is State.STARTING:
        return max(0.0, usual_s - (now - lease.since))
    if lease.state is State.STOPPING:
        return usual_s + max(0.0, STOPPING_GUESS_S - (now - lease.since))
    return usual_s


def words(lease: Lease, now: float, usual_s: float | None) -> str:
    """One line without line breaks: what the host does, and how long it may still take."""
    left = left_s(lease, now, usual_s)
    state = f"the host is {lease.state.value.lower()}"
    if lease.state is State.STARTING:
        stage = "loading the model" if lease.boot_id else "the machine boots"
        state += f"{ladder.words(lease.rung, lease.tried)}, {stage}"
    if left is None:
        return f"{state}; waiting since {max(0, round(now - lease.since))} s"
    return f"{state}; about {round(left)} s left" if left >= 1 else f"{state}; any moment now"
