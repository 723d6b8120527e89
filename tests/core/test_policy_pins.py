"""Pins in the policy: after maxLease, before schedule, budget and idleness; they wake a host that is off."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from core.contract.documents import UnitSettings
from core.contract.intervals import SILENT_AFTER_S
from core.lease import Inhibitor, Lease, State
from core.policy import Action, Decision, Facts, decide
from tests.samples import unit_settings

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
SETTINGS = unit_settings()
PIN = {"pin_until": NOW + 600, "pin_who": "ann", "pin_why": "demo"}
IDLE = {"demand_at": NOW - 3600, "ready_at": NOW - 3600, "agent_at": NOW - 5, "boot_id": "b"}
SPENT = {"spent_usd": 10.0}
MARKED = {"spent_until": NOW + 86400}


def decided(state: State, machine: str = "running", facts: dict[str, Any] | None = None, **fields: Any) -> Decision:
    settings = {k: fields.pop(k) for k in list(fields) if k in UnitSettings.__dataclass_fields__ and k != "unit"}
    of = dataclasses.replace(Lease("demo/host", state, 7, NOW - 3600, "idle", "agent", instance_id="i-1"), **fields)
    return decide(of, Facts(machine, **(facts or {})), dataclasses.replace(SETTINGS, **settings), NOW)


@pytest.mark.parametrize(
    ("state", "machine", "fields", "action"),
    [
        (State.RUNNING, "running", IDLE, Action.DRAIN),
        (State.RUNNING, "running", IDLE | PIN, Action.KEEP),
        (State.RUNNING, "running", IDLE | PIN | {"pin_until": NOW + 1}, Action.KEEP),
        (State.RUNNING, "running", IDLE | PIN | {"pin_until": NOW}, Action.DRAIN),
        (State.RUNNING, "running", IDLE | PIN | {"max_lease_s": 3600.0}, Action.FORCE),  # maxLease comes before
        (State.RUNNING, "running", IDLE | PIN | {"hard_cap_s": 3600.0}, Action.FORCE),
        (State.RUNNING, "running", IDLE | PIN | {"agent_at": NOW - 1800}, Action.KEEP),
        (State.DRAINING, "running", IDLE | PIN | {"since": NOW - 1}, Action.RESUME),
        (State.DRAINING, "running", IDLE | {"since": NOW - 1}, Action.KEEP),
        (State.STOPPING, "running", PIN | {"since": NOW - 1}, Action.KEEP),
        (State.STOPPING, "stopped", PIN, Action.STOPPED),
        (State.STOPPED, "stopped", {}, Action.KEEP),
        (State.STOPPED, "stopped", PIN, Action.PRE_WARM),
        (State.STOPPED, "stopped", PIN | {"pin_until": NOW}, Action.KEEP),
        (State.STOPPED, "stopped", PIN | {"order_until": NOW}, Action.KEEP),
        (State.STOPPED, "stopping", PIN, Action.KEEP),
        (State.FAILED, "stopped", PIN | {"stopped_seen": NOW - 9, "since": NOW - 299, "failure": "quota"}, Action.KEEP),
        (
            State.FAILED,
            "stopped",
            PIN | {"stopped_seen": NOW - 9, "since": NOW - 300, "failure": "quota"},
            Action.PRE_WARM,
        ),
    ],
)
def test_a_pin_at_each_boundary(state: State, machine: str, fields: dict[str, Any], action: Action) -> None:
    decision = decided(state, machine, **fields)
    assert decision.action is action, decision.reason


def test_who_and_why_and_how_long_stand_in_the_reason() -> None:
    kept = decided(State.RUNNING, **IDLE, **PIN)
    assert (kept.reason, kept.look_again_at) == ("pinned by ann (demo) for another 10m", NOW + 600)
    assert decided(State.STOPPED, "stopped", **PIN).reason == "pinned by ann (demo)"
    assert decided(State.STOPPED, "stopped", **{**PIN, "pin_why": ""}).reason == "pinned by ann"


def test_a_pin_comes_before_schedule_and_budget() -> None:
    hours = {"schedule_on": "0 9 * * *", "schedule_off": "0 18 * * *"}
    assert decided(State.RUNNING, **IDLE, **PIN, **hours).reason.startswith("pinned by ann")
    assert decided(State.STOPPED, "stopped", **PIN, **hours).reason.startswith("pinned by ann")
    assert decided(State.RUNNING, facts=SPENT, monthly_budget_usd=10.0, **IDLE, **PIN, **MARKED).action is Action.KEEP


def test_a_pin_does_not_start_a_host_over_its_budget() -> None:
    decision = decided(State.STOPPED, "stopped", facts=SPENT, monthly_budget_usd=10.0, **PIN, **MARKED)
    assert (decision.action, decision.alert) == (Action.KEEP, "budget")
    assert "although pinned by ann; budget: 10.00 of 10.00 USD" in decision.reason


def test_an_inhibitor_comes_before_a_pin() -> None:
    held = decided(State.RUNNING, **IDLE, **PIN, inhibitors=(Inhibitor("deploy", "x", NOW + 9),))
    assert held.reason.startswith("inhibited by deploy")


def test_a_silent_agent_is_told_about_even_then() -> None:
    assert decided(State.RUNNING, **{**IDLE, "agent_at": NOW - SILENT_AFTER_S}, **PIN).alert == "silent"
