"""The policy as a table: one row a rule and a boundary."""

from __future__ import annotations

from typing import Any

import pytest

from core.capacity.power_errors import Kind, fix
from core.contract.intervals import DRAIN_TIMEOUT_S, NEW_ALERT_S, SILENT_AFTER_S, STOP_BACKSTOP_AFTER_S, STOPPED_TWICE_S
from core.lease import Inhibitor, State
from core.policy import Action, Facts, decide
from core.policy.reconcile import REPEAT_ORDER_S
from tests.core.policy_cases import IDLE, NOON, SETTINGS, WAKE_REQUEST, decided, lease


@pytest.mark.parametrize(
    ("state", "machine", "fields", "action"),
    [
        # idle
        (State.RUNNING, "running", {}, Action.KEEP),
        (State.RUNNING, "running", {"demand_at": NOON - 1799}, Action.KEEP),
        (State.RUNNING, "running", IDLE, Action.DRAIN),
        (State.RUNNING, "running", IDLE | {"busy": 1}, Action.KEEP),
        (State.RUNNING, "running", IDLE | {"since": NOON - 60}, Action.KEEP),  # a vetoed drain waits again
        (State.RUNNING, "running", IDLE | WAKE_REQUEST, Action.KEEP),
        (State.RUNNING, "running", IDLE | {"inhibitors": (Inhibitor("deploy", "x", NOON + 1),)}, Action.KEEP),
        (State.RUNNING, "running", IDLE | {"inhibitors": (Inhibitor("deploy", "x", NOON),)}, Action.DRAIN),
        # silent
        (State.RUNNING, "running", IDLE | {"agent_at": NOON - SILENT_AFTER_S}, Action.KEEP),
        (State.RUNNING, "running", IDLE | {"agent_at": NOON - SILENT_AFTER_S + 1}, Action.DRAIN),
        (State.RUNNING, "running", {"agent_at": NOON - 1799}, Action.KEEP),
        (State.RUNNING, "running", {"agent_at": NOON - 1800}, Action.FORCE),
        # draining
        (State.DRAINING, "running", {"since": NOON - DRAIN_TIMEOUT_S + 1}, Action.KEEP),
        (State.DRAINING, "running", {"since": NOON - DRAIN_TIMEOUT_S}, Action.RESUME),
        # stopping
        (State.STOPPING, "stopping", {}, Action.KEEP),
        (State.STOPPING, "stopped", {}, Action.STOPPED),
        (State.STOPPING, "stopped", {"order_until": NOON}, Action.KEEP),
        (State.STOPPING, "stopped", {"order_until": NOON - 5}, Action.STOPPED),
        (State.STOPPING, "running", {"since": NOON - STOP_BACKSTOP_AFTER_S + 1}, Action.KEEP),
        (State.STOPPING, "running", {"since": NOON - STOP_BACKSTOP_AFTER_S}, Action.BACKSTOP),
        (State.STOPPING, "running", {"order_until": NOON + 1}, Action.KEEP),
        # off
        (State.STOPPED, "stopped", {}, Action.KEEP),
        (State.STOPPED, "stopped", WAKE_REQUEST, Action.START),
        (State.STOPPED, "stopped", WAKE_REQUEST | {"wake_until": NOON}, Action.KEEP),
        (State.STOPPED, "stopped", WAKE_REQUEST | {"order_until": NOON}, Action.KEEP),
        (State.STOPPED, "stopping", WAKE_REQUEST, Action.KEEP),
        (State.STOPPED, "running", {}, Action.ADOPT),
        (State.STOPPED, "running", {"order_until": NOON}, Action.KEEP),
        (State.STOPPED, "pending", {"since": NOON - STOPPED_TWICE_S + 1}, Action.KEEP),
        # the ladder had changed the type
        (State.STOPPED, "stopped", WAKE_REQUEST | {"rung": "g5.xlarge"}, Action.RESTORE),
        (State.STOPPED, "stopping", {"rung": "g5.xlarge"}, Action.KEEP),
        (State.STOPPED, "stopped", {"rung": "g5.xlarge", "order_until": NOON}, Action.KEEP),
        (State.STOPPED, "stopped", WAKE_REQUEST | {"rung": "g5.xlarge", "type_at": NOON - 299}, Action.START),
        (State.STOPPED, "stopped", WAKE_REQUEST | {"rung": "g5.xlarge", "type_at": NOON - 300}, Action.RESTORE),
        (State.FAILED, "stopped", {"rung": "g5.xlarge", "order_at": NOON - 34, "stopped_seen": NOON}, Action.KEEP),
        (State.FAILED, "stopped", {"rung": "g5.xlarge", "order_at": NOON - 35, "stopped_seen": NOON}, Action.RESTORE),
        # failed
        (State.FAILED, "stopped", {}, Action.SEEN),
        (State.FAILED, "stopped", {"stopped_seen": NOON - 90}, Action.KEEP),
        (
            State.FAILED,
            "stopped",
            WAKE_REQUEST | {"stopped_seen": NOON - 9, "failure": "quota", "since": NOON - 299},
            Action.KEEP,
        ),
        (
            State.FAILED,
            "stopped",
            WAKE_REQUEST | {"stopped_seen": NOON - 9, "failure": "quota", "since": NOON - 300},
            Action.START,
        ),
        (
            State.FAILED,
            "stopped",
            WAKE_REQUEST | {"stopped_seen": NOON - 9, "failure": "capacity", "by": "reaper", "since": NOON - 299},
            Action.KEEP,
        ),
        (
            State.FAILED,
            "stopped",
            WAKE_REQUEST | {"stopped_seen": NOON - 9, "failure": "capacity", "by": "reaper", "since": NOON - 300},
            Action.START,
        ),
        (  # the relay cannot climb: the ladder is walked at once
            State.FAILED,
            "stopped",
            WAKE_REQUEST | {"stopped_seen": NOON, "failure": "capacity", "by": "relay", "since": NOON},
            Action.START,
        ),
        (State.FAILED, "running", {}, Action.BACKSTOP),
        (State.FAILED, "running", {"order_until": NOON}, Action.KEEP),
        (State.FAILED, "running", {"stopped_seen": NOON - 90}, Action.ADOPT),
        # starting
        (State.STARTING, "pending", {"since": NOON - 10, "order_at": NOON - 10}, Action.KEEP),
        (State.STARTING, "running", {"since": NOON - 599}, Action.KEEP),
        (State.STARTING, "running", {"since": NOON - 600}, Action.FAIL_STOP),
        (State.STARTING, "stopped", {"since": NOON - 600}, Action.FAIL),
        (
            State.STARTING,
            "running",
            {"since": NOON - 600, "inhibitors": (Inhibitor("deploy", "x", NOON + 1),)},
            Action.KEEP,
        ),
        (
            State.STARTING,
            "stopped",
            {"since": NOON - 90, "order_at": NOON - REPEAT_ORDER_S, "boot_id": "", "attempts": 1},
            Action.REPEAT,
        ),
        (
            State.STARTING,
            "stopped",
            {"since": NOON - 90, "order_at": NOON - REPEAT_ORDER_S + 1, "boot_id": "", "attempts": 1},
            Action.KEEP,
        ),
        (
            State.STARTING,
            "stopped",
            {"since": NOON - 200, "order_at": NOON - REPEAT_ORDER_S, "boot_id": "", "attempts": 3},
            Action.FAIL,
        ),
        (State.STARTING, "stopped", {"since": NOON - 90, "order_at": NOON - 90, "attempts": 1}, Action.FAIL),
        (State.STARTING, "terminated", {"since": NOON - 10}, Action.FAIL),
        # EC2 disagrees
        (State.RUNNING, "stopped", {}, Action.SEEN),
        (State.RUNNING, "stopped", {"stopped_seen": NOON - STOPPED_TWICE_S + 1}, Action.KEEP),
        (State.RUNNING, "stopped", {"stopped_seen": NOON - STOPPED_TWICE_S}, Action.LOST),
        (State.RUNNING, "running", {"stopped_seen": NOON - STOPPED_TWICE_S}, Action.SEEN),
        (State.NEW, "stopped", {"order_at": NOON - 89}, Action.KEEP),
        (State.NEW, "stopped", {"order_at": NOON - 90}, Action.SEEN),
        (State.RUNNING, "terminated", {}, Action.KEEP),
        (State.RUNNING, "missing", IDLE, Action.KEEP),
    ],
)
def test_each_rule_at_its_boundary(state: State, machine: str, fields: dict[str, Any], action: Action) -> None:
    decision = decided(lease(state, **fields), machine)
    assert decision.action is action, decision.reason


@pytest.mark.parametrize("machine", ["pending", "running", "stopping"])
def test_an_inhibitor_outlives_a_start_that_takes_too_long_and_is_the_reason(machine: str) -> None:
    """The lease refuses such a stop under an inhibitor: asked for, it would be refused once a minute."""
    of = lease(State.STARTING, since=NOON - 900, order_at=NOON - 900, inhibitors=(Inhibitor("deploy", "x", NOON + 60),))
    decision = decided(of, machine)
    assert (decision.action, decision.reason) == (Action.KEEP, "inhibited by deploy (x) for another 1m")
    assert decision.look_again_at == NOON + 60
    later = decide(of, Facts(machine), SETTINGS, NOON + 60)
    assert (later.action, later.alert) == (Action.FAIL_STOP, "start-timeout")


def test_an_inhibited_start_whose_machine_is_off_fails_all_the_same() -> None:
    """It stops nothing, and whoever holds the host may order the next start."""
    of = lease(State.STARTING, since=NOON - 900, order_at=NOON - 900, inhibitors=(Inhibitor("deploy", "x", NOON + 60),))
    assert decided(of, "stopped").action is Action.FAIL


def test_the_reason_is_in_words() -> None:
    assert decided(lease(State.RUNNING)).reason == "last demand 40s ago; stops in 29m 20s"


def test_it_says_when_to_look_again() -> None:
    assert decided(lease(State.RUNNING)).look_again_at == NOON + 1760


def test_a_stop_for_idleness_may_be_switched_off() -> None:
    assert decided(lease(State.RUNNING, **IDLE), stop_after_s=None).action is Action.KEEP


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ({"demand_at": NOON - 7199}, Action.KEEP),
        ({"demand_at": NOON - 7200}, Action.FORCE),
        ({"demand_at": NOON - 7200, "busy": 1}, Action.KEEP),  # never demand itself
        ({"demand_at": NOON - 7200, "ready_at": NOON - 60}, Action.KEEP),
        ({"demand_at": NOON - 7200, "inhibitors": (Inhibitor("d", "x", NOON + 1),)}, Action.KEEP),
    ],
)
def test_max_lease(fields: dict[str, Any], action: Action) -> None:
    of = lease(State.RUNNING, **{"ready_at": NOON - 9000, **fields})
    assert decided(of, max_lease_s=7200.0, stop_after_s=None).action is action


def test_max_lease_bounds_a_machine_that_was_never_deployed() -> None:
    assert decided(lease(State.NEW, since=NOON - 7200), max_lease_s=7200.0).action is Action.FORCE


def test_max_lease_warns_before() -> None:
    of = lease(State.RUNNING, ready_at=NOON - 9000, demand_at=NOON - 6600)
    decision = decided(of, max_lease_s=7200.0, stop_after_s=None)
    assert (decision.action, decision.alert) == (Action.KEEP, "max-lease-soon")
    assert "maxLease stops it in 10m" in decision.words


def test_the_hard_cap_bounds_everything() -> None:
    of = lease(State.RUNNING, busy=3, ready_at=NOON - 3600, inhibitors=(Inhibitor("d", "x", NOON + 9),))
    assert decided(of, hard_cap_s=3600.0).action is Action.FORCE
    soon = decided(of, hard_cap_s=3700.0)
    assert (soon.action, soon.alert) == (Action.KEEP, "hard-cap-soon")


def test_new_for_long_is_an_alert() -> None:
    young, old = (decided(lease(State.NEW, since=NOON - s)) for s in (NEW_ALERT_S - 1, NEW_ALERT_S))
    assert (young.alert, old.alert) == ("", "new")
    assert "fab deploy -s demo" in old.reason


def test_a_clock_ahead_is_an_alert_and_counts_as_now() -> None:
    decision = decided(lease(State.RUNNING, agent_at=NOON + 6))
    assert (decision.action, decision.alert) == (Action.KEEP, "clock")
    assert decided(lease(State.RUNNING, agent_at=NOON + 5)).alert == ""


def test_a_machine_that_is_gone_names_the_next_command() -> None:
    decision = decided(lease(State.STOPPED), "terminated")
    assert decision.alert == "gone"
    assert "pulumi up -s demo" in decision.reason


def test_a_machine_that_was_replaced_waits_for_a_deployment() -> None:
    decision = decided(lease(State.STOPPED), "terminated", instance_id="i-2")
    assert decision.alert == "replaced"
    assert "fab deploy -s demo" in decision.reason


def test_ec2s_words_are_kept() -> None:
    of = lease(State.RUNNING, stopped_seen=NOON - 60)
    decision = decided(of, "stopped", facts={"state_reason": "Server.SpotInstanceTermination"})
    assert "Server.SpotInstanceTermination" in decision.reason


FELL = {"since": NOON - 40, "order_at": NOON - 35, "boot_id": "", "attempts": 1}


@pytest.mark.parametrize(
    ("words", "fields", "action", "alert"),
    [
        ("Server.InsufficientInstanceCapacity: none", {}, Action.CLIMB, ""),
        ("Server.InsufficientInstanceCapacity: none", {"order_at": NOON - 34}, Action.KEEP, ""),  # it may still land
        ("Server.InsufficientInstanceCapacity: none", {"boot_id": "b"}, Action.KEEP, ""),  # it was up
        ("Client.InvalidKMSKey.InvalidState: words", {}, Action.FAIL, "kms-key"),
        ("Client.VcpuLimitExceeded: words", {}, Action.FAIL, "quota"),
        ("Client.InternalError: Client error on launch", {}, Action.FAIL, "kms-key"),
        ("Client.InternalError: Client error on launch", {"attempts": 0}, Action.KEEP, ""),  # of a start before
        ("Server.InternalError: Internal error on launch", {}, Action.KEEP, ""),  # the order is repeated
        ("Client.UserInitiatedShutdown: words", {}, Action.KEEP, ""),
    ],
)
def test_a_start_that_falls_back_to_stopped(words: str, fields: dict[str, Any], action: Action, alert: str) -> None:
    decision = decided(lease(State.STARTING, **FELL | fields), "stopped", facts={"state_reason": words})
    assert (decision.action, decision.alert) == (action, alert)
    if alert:
        assert words in decision.reason
        assert decision.reason.endswith(fix(Kind(alert)))


def test_the_reason_of_a_start_says_what_the_ladder_did() -> None:
    of = lease(State.STARTING, since=NOON - 10, rung="g5.xlarge", tried="g6.xlarge (InsufficientInstanceCapacity)")
    assert decided(of, "pending").reason.startswith(
        "starting as g5.xlarge after EC2 refused g6.xlarge (InsufficientInstanceCapacity) for 10s;"
    )
