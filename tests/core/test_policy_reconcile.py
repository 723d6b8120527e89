"""What is odd about a unit: it is said beside the decision, and changes none."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from core.contract.tags import TAG_AUTO_STOP
from core.lease import Lease, State
from core.policy import Action, Decision, Facts, decide, without_lease
from tests.samples import unit_settings

NOW = 1_800_000_000.0
SETTINGS = unit_settings(instance_types=("g6.xlarge", "g5.xlarge"))
ALIVE = {"boot_id": "b", "agent_at": NOW - 5, "ready_at": NOW - 3600, "demand_at": NOW - 60}
DUPLICATE = {"duplicates": ("i-2 (running)",)}


def decided(state: State, machine: str, facts: dict[str, Any], **fields: Any) -> Decision:
    lease = dataclasses.replace(Lease("demo/host", state, 7, NOW - 3600, "idle", "agent", instance_id="i-1"), **fields)
    return decide(lease, Facts(machine, **facts), SETTINGS, NOW)


CASES: list[tuple[State, str, dict[str, Any]]] = [
    (State.RUNNING, "running", ALIVE),
    (State.RUNNING, "running", ALIVE | {"demand_at": NOW - 1800}),
    (State.STOPPED, "stopped", {}),
    (State.STOPPED, "stopped", {"wake_by": "relay", "wake_until": NOW + 60}),
    (State.DRAINING, "running", ALIVE | {"since": NOW - 1}),
    (State.STOPPING, "stopping", {"since": NOW - 1}),
    (State.FAILED, "stopped", {"failure": "capacity", "stopped_seen": NOW - 60}),
]


@pytest.mark.parametrize(("state", "machine", "fields"), CASES)
def test_a_duplicate_changes_no_decision_and_is_said_with_each(
    state: State, machine: str, fields: dict[str, Any]
) -> None:
    alone, beside = decided(state, machine, {}, **fields), decided(state, machine, DUPLICATE, **fields)
    assert (beside.action, beside.reason) == (alone.action, alone.reason)
    assert "i-2 (running) carries this unit's tag too" in beside.words
    assert beside.alert == (alone.alert or "duplicate")


def test_several_duplicates_are_named() -> None:
    words = decided(State.STOPPED, "stopped", {"duplicates": ("i-2 (stopped)", "i-3 (running)")}).words
    assert "i-2 (stopped), i-3 (running) carry this unit's tag too" in words


def test_a_decisions_own_alert_comes_first() -> None:
    gone = decided(State.RUNNING, "terminated", DUPLICATE, **ALIVE)
    assert (gone.alert, gone.also) == ("gone", "")


def test_a_duplicate_is_worse_than_an_unreadable_tag() -> None:
    both = DUPLICATE | {"tags": {TAG_AUTO_STOP: "?"}}
    assert decided(State.RUNNING, "running", both, **ALIVE).alert == "duplicate"


@pytest.mark.parametrize(
    ("kind", "rung", "said"),
    [("", "", False), ("g5.xlarge", "", False), ("p5.48xlarge", "", True), ("p5.48xlarge", "p5.48xlarge", False)],
)
def test_a_foreign_type_is_words_and_no_alert(kind: str, rung: str, said: bool) -> None:
    decision = decided(State.RUNNING, "running", {"instance_type": kind}, **ALIVE, rung=rung)
    assert (decision.action, decision.alert) == (Action.KEEP, "")
    assert ("the stack file says g6.xlarge, g5.xlarge" in decision.words) is said


def test_a_duplicate_and_a_foreign_type_are_both_said() -> None:
    words = decided(State.RUNNING, "running", DUPLICATE | {"instance_type": "p5.48xlarge"}, **ALIVE).words
    assert "unit's tag too" in words
    assert "p5.48xlarge" in words


@pytest.mark.parametrize(
    ("machine", "action"),
    [
        ("pending", Action.CREATE),
        ("running", Action.CREATE),
        ("stopping", Action.KEEP),
        ("stopped", Action.KEEP),
        ("shutting-down", Action.KEEP),
        ("terminated", Action.KEEP),
        ("missing", Action.KEEP),
    ],
)
def test_only_a_machine_that_is_up_gets_a_lease(machine: str, action: Action) -> None:
    assert without_lease(machine).action is action
