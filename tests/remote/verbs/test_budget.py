"""`fab budget`: what is left, a forecast, what may be spent beyond, and an override over the real lease client."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest
from invoke.context import Context

from core.errors import DeployError, SettingsError
from core.lease import State
from remote import money_tasks
from remote.verbs import budget as verbs_budget
from remote.verbs.budget import Budget
from tests.core.test_policy_forecast import NOON
from tests.remote.verbs.test_verbs_lease import RUNNING, front
from tests.remote.verbs.test_verbs_lease import Client as Printed
from tests.remote.verbs.test_verbs_together import Client

HALF = Budget("s", "UTC", NOON, 100.0, 40.0, "", Decimal("0.81"), RUNNING)
PAID = dataclasses.replace(RUNNING, paid_until=NOON + 7200, paid_who="ann@laptop", paid_why="demo")


def said(found: Budget) -> str:
    return "\n".join(verbs_budget.lines(found))


def test_what_is_left_where_it_goes_and_what_may_be_spent_beyond() -> None:
    text = said(HALF)
    assert "$40.00 of $100.00 (40%) is spent this month, $60.00 are left until " in text
    day = (NOON - verbs_budget.moments.first_of_month(NOON)) / 86400
    days = (HALF.resets_at - verbs_budget.moments.first_of_month(NOON)) / 86400
    assert HALF.forecast_usd == pytest.approx(40 * days / day)
    assert f"it comes to ${40 * days / day:,.2f}: " in text
    assert "goes on for $0.81 an hour until nobody asks; an idle one costs at most $0.07 more (5m)." in text
    assert "not woken" not in text


def test_a_spent_budget_says_until_when_and_what_lifts_it() -> None:
    spent = dataclasses.replace(RUNNING, state=State.STOPPED, spent_until=NOON + 99)
    text = said(dataclasses.replace(HALF, spent_usd=101.0, lease=spent))
    assert "$101.00 of $100.00 (101%) is spent this month, $0.00 are left" in text
    assert "The host is not woken until" in text
    assert "fab budget -s s --override 2h" in text


def test_a_days_limit_is_told_with_its_midnight() -> None:
    day = dataclasses.replace(HALF, budget_usd=None, daily_usd=10.0, spent_day_usd=2.5)
    text = said(day)
    assert "$2.50 of $10.00 (25%) is spent today, until " in text
    assert "this month" not in text


def test_who_pays_over_it_is_named() -> None:
    text = said(dataclasses.replace(HALF, lease=PAID))
    assert "ann@laptop pays over the budget (demo) until " in text
    assert "2h from now." in text


def test_without_a_budget_and_without_a_price() -> None:
    assert "s has no budget" in said(dataclasses.replace(HALF, budget_usd=None, spent_usd=None))
    unknown = dataclasses.replace(HALF, spent_usd=None, problem="no price known for x9.huge", hour_usd=None)
    assert said(unknown) == "What was spent is not known: no price known for x9.huge."
    assert unknown.as_dict()["forecast_usd"] is None


def test_a_months_first_day_forecasts_nothing() -> None:
    first = verbs_budget.moments.first_of_month(NOON)
    assert dataclasses.replace(HALF, now=first + 3600).forecast_usd is None


def test_the_look_is_the_policys() -> None:
    found = verbs_budget.budget(front(Printed()))
    assert (found.budget_usd, found.problem, found.refused) == (100.0, "", False)
    assert found.spent_usd is not None
    assert found.spent_usd > 0


def test_an_override_is_written_shown_and_taken_back() -> None:
    client = Client()
    client.call("create")
    at = dataclasses.replace(front(Printed()), client=client)  # type: ignore[arg-type]
    verbs_budget.override(at, 7200.0, "demo")
    lease = client.call("show").lease
    assert lease
    assert (lease.paid(client.call("show").now), lease.paid_why) == (True, "demo")
    verbs_budget.override(at, 0.0, "")
    assert client.call("show").lease.paid_until is None  # type: ignore[union-attr]
    with pytest.raises(DeployError, match="there is no override"):
        verbs_budget.override(at, 0.0, "")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"why": "demo"}, "--why is the reason of an --override"),
        ({"override": "soon"}, '"soon" is not a duration'),
        ({"override": "60d"}, "is longer than"),
    ],
)
def test_bad_flags_are_one_message(flags: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        money_tasks.budget(Context(), stack="s", **flags)
    assert words in capsys.readouterr().err


def test_off_is_no_duration_but_the_end() -> None:
    assert verbs_budget.seconds("off") == 0
    assert verbs_budget.seconds("2h") == 7200
    with pytest.raises(SettingsError):
        verbs_budget.seconds("0s")
