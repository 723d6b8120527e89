"""A month's budget that is spent."""

from __future__ import annotations

import pytest

from core.lease import State
from core.policy import Action
from core.times.moments import next_midnight, next_month
from tests.core.policy_cases import NOON, OFFICE, WAKE_REQUEST, decided, lease


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

    def test_who_pays_over_it_is_not_refused_and_it_is_told_again_when_that_is_over(self) -> None:
        paid = {"paid_until": NOON + 60, "paid_who": "ann"}
        of = lease(State.STOPPED, **WAKE_REQUEST, **paid)
        assert decided(of, "stopped", facts=self.SPENT, monthly_budget_usd=150.0).action is Action.START
        raced = lease(State.STOPPED, **WAKE_REQUEST, **paid, **self.MARKED)
        decision = decided(raced, "stopped", facts=self.SPENT, monthly_budget_usd=150.0)
        assert (decision.action, "overridden by ann" in decision.reason) == (Action.UNMARK, True)
        over = lease(State.STOPPED, **WAKE_REQUEST, paid_until=NOON, paid_who="ann")
        assert decided(over, "stopped", facts=self.SPENT, monthly_budget_usd=150.0).action is Action.MARK

    DAY = {"spent_usd": 20.0, "spent_day_usd": 10.0}  # noqa: RUF012

    def test_a_days_budget_ends_at_midnight_and_a_months_with_the_month(self) -> None:
        of = lease(State.STOPPED, **WAKE_REQUEST)
        limits = {"monthly_budget_usd": 150.0, "daily_budget_usd": 10.0}
        decision = decided(of, "stopped", facts=self.DAY, **limits)
        assert (decision.action, decision.until) == (Action.MARK, next_midnight(NOON))
        assert "10.00 of 10.00 USD spent today" in decision.reason
        both = decided(of, "stopped", facts=self.DAY | self.SPENT, **limits)
        assert (both.until, "this month" in both.reason) == (next_month(NOON), True)
        alone = decided(of, "stopped", facts=self.DAY, monthly_budget_usd=None, daily_budget_usd=10.0)
        assert alone.action is Action.MARK
        within = decided(of, "stopped", facts=self.DAY, monthly_budget_usd=150.0, daily_budget_usd=10.01)
        assert within.action is Action.START

    def test_a_months_budget_that_is_spent_after_the_days_is_told_before_midnight(self) -> None:
        of = lease(State.STOPPED, **WAKE_REQUEST, spent_until=next_midnight(NOON))
        limits = {"monthly_budget_usd": 150.0, "daily_budget_usd": 10.0}
        decision = decided(of, "stopped", facts=self.DAY | self.SPENT, **limits)
        assert (decision.action, decision.until) == (Action.MARK, next_month(NOON))
        told = lease(State.STOPPED, **WAKE_REQUEST, spent_until=next_month(NOON))
        assert decided(told, "stopped", facts=self.DAY | self.SPENT, **limits).action is Action.REFUSE
        assert decided(of, "stopped", facts=self.DAY, **limits).action is Action.REFUSE

    def test_over_the_days_budget_it_goes_on_until_nobody_asks(self) -> None:
        for ago, action in ((59, Action.KEEP), (60, Action.DRAIN)):
            of = lease(State.RUNNING, demand_at=NOON - ago, **self.MARKED)
            assert decided(of, facts=self.DAY, monthly_budget_usd=None, daily_budget_usd=10.0).action is action

    def test_while_somebody_pays_it_stops_as_always(self) -> None:
        of = lease(State.RUNNING, demand_at=NOON - 61, paid_until=NOON + 60)
        assert decided(of, facts=self.SPENT, monthly_budget_usd=150.0).action is Action.KEEP

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
