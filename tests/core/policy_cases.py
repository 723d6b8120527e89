"""A host at noon of a Friday, as the tests of the policy ask about it."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from core.lease import Lease, State
from core.policy import Decision, Facts, decide
from tests.samples import unit_settings

NOON = datetime(2026, 11, 20, 12, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()  # a Friday
SETTINGS = unit_settings(time_zone="Europe/Berlin", max_lease_s=0.0)
OFFICE = {"schedule_on": "0 9 * * mon-fri", "schedule_off": "0 18 * * mon-fri"}


def lease(state: State, **fields: Any) -> Lease:
    base = Lease("demo/host", state, 7, NOON - 3600, "because", "agent", instance_id="i-1", boot_id="b")
    if state in (State.RUNNING, State.DRAINING):
        base = dataclasses.replace(base, ready_at=NOON - 3600, demand_at=NOON - 40, agent_at=NOON - 5)
    return dataclasses.replace(base, **fields)


def decided(
    of: Lease, machine: str = "running", *, now: float = NOON, facts: dict[str, Any] | None = None, **settings: Any
) -> Decision:
    return decide(of, Facts(machine, **(facts or {})), dataclasses.replace(SETTINGS, **settings), now)


WAKE_REQUEST = {"wake_by": "relay", "wake_at": NOON - 1, "wake_until": NOON + 600}
IDLE = {"demand_at": NOON - 1800}
