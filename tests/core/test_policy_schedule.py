"""Hours of a schedule, starts before the hour, hosts that flap, and when the past is asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from core.contract.tags import TAG_SCHEDULE
from core.lease import State
from core.policy import Action, Facts, asks_past
from core.wakes import Wake
from tests.core.policy_cases import IDLE, NOON, OFFICE, SETTINGS, decided, lease


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
