"""The policy as a table: one row a rule and a boundary."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from core.capacity.power_errors import Kind, fix
from core.contract.intervals import DRAIN_TIMEOUT_S, NEW_ALERT_S, SILENT_AFTER_S, STOP_BACKSTOP_AFTER_S, STOPPED_TWICE_S
from core.contract.tags import TAG_AUTO_STOP, TAG_MAX_LEASE, TAG_SCHEDULE
from core.lease import Inhibitor, Lease, State
from core.overrides import limits
from core.policy import Action, Decision, Facts, asks_past, decide
from core.policy.reconcile import REPEAT_ORDER_S
from core.settings.model import Idle
from core.times.schedule import Schedule
from core.wakes import Wake
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


class TestSchedule:
    def test_on_keeps_an_idle_host(self) -> None:
        decision = decided(lease(State.RUNNING, **IDLE), **OFFICE)
        assert (decision.action, decision.reason) == (Action.KEEP, "the schedule says on for another 6h")

    def test_on_starts_a_host_that_is_off(self) -> None:
        assert decided(lease(State.STOPPED), "stopped", **OFFICE).action is Action.PRE_WARM

    def test_it_is_warmed_up_before_the_hour(self) -> None:
        nine = NOON - 3 * 3600
        lead = 600 / 2 + 60
        early, due = (decided(lease(State.STOPPED), "stopped", now=nine - lead + d, **OFFICE) for d in (-1, 0))
        assert (early.action, due.action) == (Action.KEEP, Action.PRE_WARM)
        assert early.look_again_at == nine - lead

    def test_warmed_up_early_it_is_kept_until_the_hour(self) -> None:
        nine = NOON - 3 * 3600
        of = lease(State.RUNNING, since=nine - 9000, ready_at=nine - 9000, demand_at=nine - 9000, agent_at=nine - 121)
        assert decided(of, now=nine - 120, **OFFICE).action is Action.KEEP

    def test_outside_the_hours_idleness_counts(self) -> None:
        night = NOON + 10 * 3600
        of = lease(State.RUNNING, demand_at=night - 1800, agent_at=night)
        assert decided(of, now=night, **OFFICE).action is Action.DRAIN

    def test_the_tag_wins(self) -> None:
        of = lease(State.RUNNING, **IDLE)
        off = decided(of, facts={"tags": {TAG_SCHEDULE: "off"}}, **OFFICE)
        on = decided(of, facts={"tags": {TAG_SCHEDULE: "fri 11:00-13:00"}})
        assert (off.action, on.action) == (Action.DRAIN, Action.KEEP)

    def test_a_silent_agent_is_told_about_even_then(self) -> None:
        assert decided(lease(State.RUNNING, agent_at=NOON - 200), **OFFICE).alert == "silent"


class TestBudget:
    SPENT = {"spent_usd": 150.0}  # noqa: RUF012
    MARKED = {"spent_until": NOON + 86400}  # noqa: RUF012

    @pytest.mark.parametrize("state", [State.RUNNING, State.STOPPED, State.FAILED, State.NEW])
    def test_the_lease_is_told_before_anything_else(self, state: State) -> None:
        machine = "running" if state in (State.RUNNING, State.NEW) else "stopped"
        of = lease(state, **WAKE_REQUEST, stopped_seen=NOON if state is State.FAILED else None)
        decision = decided(of, machine, facts=self.SPENT, monthly_budget_usd=150.0)
        assert decision.action is Action.MARK
        assert "150.00 of 150.00 USD" in decision.reason

    @pytest.mark.parametrize(
        ("spent", "budget", "action"),
        [(100.0, 150.0, Action.UNMARK), (None, None, Action.UNMARK), (150.0, 150.0, Action.REFUSE)],
    )
    def test_a_higher_budget_lifts_it(self, spent: float | None, budget: float | None, action: Action) -> None:
        of = lease(State.STOPPED, **WAKE_REQUEST, **self.MARKED)
        assert decided(of, "stopped", facts={"spent_usd": spent}, monthly_budget_usd=budget).action is action

    def test_an_unknown_spending_leaves_the_mark(self) -> None:
        decision = decided(lease(State.STOPPED, **self.MARKED), "stopped", monthly_budget_usd=150.0)
        assert decision.action is Action.KEEP

    def test_a_month_that_is_over_needs_no_mark_taken_back(self) -> None:
        of = lease(State.STOPPED, spent_until=NOON)
        assert decided(of, "stopped", facts={"spent_usd": 0.0}, monthly_budget_usd=150.0).action is Action.KEEP

    def test_a_wake_request_is_refused(self) -> None:
        of = lease(State.STOPPED, **WAKE_REQUEST, **self.MARKED)
        decision = decided(of, "stopped", facts=self.SPENT, monthly_budget_usd=150.0)
        assert (decision.action, decision.alert) == (Action.REFUSE, "budget")
        assert "150.00 of 150.00 USD" in decision.reason

    def test_it_stays_told_while_nobody_asks(self) -> None:
        of = lease(State.STOPPED, **self.MARKED)
        assert decided(of, "stopped", facts=self.SPENT, monthly_budget_usd=150.0).alert == "budget"

    def test_below_it_is_not(self) -> None:
        facts = {"spent_usd": 149.99}
        assert (
            decided(lease(State.STOPPED, **WAKE_REQUEST), "stopped", facts=facts, monthly_budget_usd=150.0).action
            is Action.START
        )

    def test_an_unknown_spending_refuses_nobody(self) -> None:
        assert decided(lease(State.STOPPED, **WAKE_REQUEST), "stopped", monthly_budget_usd=150.0).action is Action.START

    def test_running_goes_on_until_idle(self) -> None:
        for ago, action in ((59, Action.KEEP), (60, Action.DRAIN)):
            of = lease(State.RUNNING, demand_at=NOON - ago, **self.MARKED)
            assert decided(of, facts=self.SPENT, monthly_budget_usd=150.0).action is action

    def test_the_schedule_starts_nothing(self) -> None:
        of = lease(State.STOPPED, **self.MARKED)
        decision = decided(of, "stopped", facts=self.SPENT, monthly_budget_usd=150.0, **OFFICE)
        assert (decision.action, decision.alert) == (Action.KEEP, "budget")


MALFORMED = [
    (TAG_AUTO_STOP, "30 minuts"),
    (TAG_AUTO_STOP, "0m"),
    (TAG_SCHEDULE, "always"),
    (TAG_SCHEDULE, "mum-fri 9-18"),
    (TAG_MAX_LEASE, "12"),
    (TAG_MAX_LEASE, "0s"),
]


class TestTags:
    @pytest.mark.parametrize(
        ("tag", "ago", "action"),
        [("10m", 599, Action.KEEP), ("10m", 600, Action.DRAIN), ("off", 9999, Action.KEEP), ("OFF", 9999, Action.KEEP)],
    )
    def test_auto_stop_overrides(self, tag: str, ago: float, action: Action) -> None:
        of = lease(State.RUNNING, since=NOON - 99999, ready_at=None, demand_at=NOON - ago)
        assert decided(of, facts={"tags": {TAG_AUTO_STOP: tag}}).action is action

    def test_max_lease_overrides(self) -> None:
        of = lease(State.RUNNING, ready_at=NOON - 9000, demand_at=NOON - 3600)
        assert decided(of, facts={"tags": {TAG_MAX_LEASE: "1h"}}).action is Action.FORCE
        assert (
            decided(of, facts={"tags": {TAG_MAX_LEASE: "off"}}, max_lease_s=60.0, stop_after_s=None).action
            is Action.KEEP
        )

    @pytest.mark.parametrize(("tag", "value"), MALFORMED)
    def test_a_malformed_tag_keeps_and_is_reported(self, tag: str, value: str) -> None:
        of = lease(State.RUNNING, demand_at=NOON - 4000, ready_at=NOON - 99999, since=NOON - 99999)
        decision = decided(of, facts={"tags": {tag: value}}, stop_after_s=1800.0, max_lease_s=7200.0)
        assert (decision.action, decision.alert) == (Action.KEEP, "tag")
        assert tag in decision.also
        assert value in decision.also
        assert tag not in decision.reason  # or it would stand in the lease's history for ever

    @pytest.mark.parametrize(("tag", "value"), MALFORMED)
    def test_a_malformed_tag_does_not_switch_max_lease_off(self, tag: str, value: str) -> None:
        of = lease(State.RUNNING, demand_at=NOON - 7200, ready_at=NOON - 99999, since=NOON - 99999)
        decision = decided(of, facts={"tags": {tag: value}}, max_lease_s=7200.0)
        assert (decision.action, decision.alert) == (Action.FORCE, "max-lease")

    @pytest.mark.parametrize(("tag", "value"), MALFORMED)
    def test_a_malformed_tag_leaves_the_others_alone(self, tag: str, value: str) -> None:
        good = {TAG_AUTO_STOP: "10m", TAG_MAX_LEASE: "3h", TAG_SCHEDULE: "daily 11:00-13:00"}
        found = limits(unit_settings(max_lease_s=7200.0), good | {tag: value})
        assert found.max_lease_s == (7200.0 if tag == TAG_MAX_LEASE else 3 * 3600.0)
        schedule = Schedule("0 11 * * *", "0 13 * * *", "UTC")
        assert found.schedule == (None if tag == TAG_SCHEDULE else schedule)
        assert found.stop_after_s is None, "kept running until it is corrected"
        assert tag in found.problem
        assert "maxLease still ends it" in found.problem

    @pytest.mark.parametrize(
        "wrong", [{"time_zone": "Europe"}, {"schedule_on": "9 o'clock"}, {"schedule_off": "0 18 * * foo"}]
    )
    @pytest.mark.parametrize("tags", [{}, {TAG_SCHEDULE: "daily 9-18"}])
    def test_a_schedule_that_an_older_version_took_does_not_end_the_pass(
        self, wrong: dict[str, str], tags: dict[str, str]
    ) -> None:
        of = lease(State.RUNNING, demand_at=NOON - 7200, ready_at=NOON - 99999, since=NOON - 99999)
        decision = decided(of, facts={"tags": tags}, **OFFICE | wrong, max_lease_s=7200.0)
        assert (decision.action, decision.alert) == (Action.FORCE, "max-lease")

    def test_every_malformed_tag_is_named(self) -> None:
        found = limits(unit_settings(), dict(MALFORMED))
        assert all(tag in found.problem and value in found.problem for tag, value in dict(MALFORMED).items())

    @pytest.mark.parametrize("key", ["stopAfter", "maxLease"])
    @pytest.mark.parametrize(
        "text",
        [
            *("0m", "0s", "", " ", "-5m", "30", "none", "30 minuts", "1h30", "OFF", "off", "30m", "4s", "5s", "299s"),
            *("5m", "366d", "367d", "9" * 30 + "d", "３０m"),
        ],
    )
    def test_a_tag_and_the_file_read_a_limit_alike(self, text: str, key: str) -> None:
        """Whatever a tag says is what `idle.stopAfter` and `idle.maxLease` would say, or both refuse it."""
        tag = {"stopAfter": TAG_AUTO_STOP, "maxLease": TAG_MAX_LEASE}[key]
        from_tag = limits(unit_settings(), {tag: text})
        try:
            from_file = Idle.model_validate({key: text})
        except ValidationError as error:
            refused = str(error.errors()[0]["ctx"]["error"])
        else:
            refused = ""
            wanted = from_file.stop_after if key == "stopAfter" else from_file.max_lease
            assert (from_tag.stop_after_s or 0.0 if key == "stopAfter" else from_tag.max_lease_s) == wanted
        assert (refused in from_tag.problem) if refused else not from_tag.problem


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


def woken(*minutes_ago: int, took: float = 60.0) -> dict[str, Any]:
    return {"wakes": tuple(Wake(NOON - 60 * m, took) for m in minutes_ago)}


class TestFlaps:
    def test_a_host_woken_three_times_within_an_hour_may_idle_twice_as_long(self) -> None:
        of = lease(State.RUNNING, ready_at=NOON - 9000, **IDLE)
        decision = decided(of, facts=woken(95, 65, 35))
        assert (decision.action, decision.look_again_at) == (Action.KEEP, NOON + 1800)
        assert decision.reason.endswith("stops in 30m (twice the usual: woken three times within an hour)")

    def test_but_not_for_ever(self) -> None:
        of = lease(State.RUNNING, ready_at=NOON - 9000, demand_at=NOON - 3600)
        decision = decided(of, facts=woken(95, 65, 35))
        assert decision.action is Action.DRAIN
        assert "the limit is 1h (twice the usual: woken three times within an hour)" in decision.reason

    @pytest.mark.parametrize("minutes", [(65, 35), (96, 65, 35)])
    def test_fewer_or_rarer_wakes_change_nothing(self, minutes: tuple[int, ...]) -> None:
        assert decided(lease(State.RUNNING, **IDLE), facts=woken(*minutes)).action is Action.DRAIN


class TestPreWarm:
    NINE = NOON - 3 * 3600

    @pytest.mark.parametrize(("took", "lead"), [(90.0, 150.0), (9999.0, 660.0)])
    def test_the_lead_is_what_past_wakes_took(self, took: float, lead: float) -> None:
        for d, action in ((-1, Action.KEEP), (0, Action.PRE_WARM)):
            now = self.NINE - lead + d
            of = decided(lease(State.STOPPED), "stopped", now=now, facts=woken(5000, took=took), **OFFICE)
            assert of.action is action

    def test_warmed_up_it_is_kept_until_the_hour(self) -> None:
        of = lease(State.RUNNING, since=NOON - 99999, ready_at=NOON - 99999, demand_at=0.0)
        for d, action in ((-1, Action.DRAIN), (0, Action.KEEP)):
            now = self.NINE - 150 + d
            of = dataclasses.replace(of, agent_at=now)
            assert decided(of, now=now, facts=woken(5000, took=90.0), **OFFICE).action is action


@pytest.mark.parametrize(
    ("state", "fields", "settings", "now", "asks"),
    [
        (State.RUNNING, IDLE, {}, NOON, True),
        (State.RUNNING, {"demand_at": NOON - 1500}, {}, NOON, True),  # its stop is announced from here on
        (State.RUNNING, {"demand_at": NOON - 1499}, {}, NOON, False),
        (State.RUNNING, IDLE | {"busy": 1}, {}, NOON, False),
        (State.RUNNING, IDLE, {"stop_after_s": None}, NOON, False),
        (State.STOPPED, {}, {}, NOON, False),
        (State.STOPPED, {}, OFFICE, NOON, False),
        (State.STOPPED, {}, OFFICE, TestPreWarm.NINE - 661, False),
        (State.STOPPED, {}, OFFICE, TestPreWarm.NINE - 660, True),
    ],
)
def test_the_past_is_asked_for_only_where_it_could_matter(
    state: State, fields: dict[str, Any], settings: dict[str, Any], now: float, asks: bool
) -> None:
    facts = Facts("running")
    assert asks_past(lease(state, **fields), facts, dataclasses.replace(SETTINGS, **settings), now) is asks
