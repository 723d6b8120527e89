"""`fab cost --reconcile`: AWS's figures beside ours over the same whole days, with the difference."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from decimal import Decimal

import pytest

from core.errors import DeployError, SettingsError
from core.money import cost
from core.settings import shape
from remote.verbs import reconcile
from remote.verbs.prices import Run
from tests.core.money.history import MONDAY, NOON
from tests.remote.verbs import test_cost
from tests.remote.verbs.test_verbs_lease import STACK

DAY = 86400.0


@pytest.fixture(autouse=True)
def _the_tables_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.remote.verbs.test_verbs_lease.NOON", NOON)


def answering(*told: tuple[str, str], currency: str = "USD", code: int = 0, err: str = "") -> Run:
    def ask(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        assert command[2:] == ["runtime.cost_explorer", "--stack", "s", "--start", "2026-11-24", "--end", "2026-11-25"]
        same = {"day": "2026-11-24", "currency": currency, "estimated": True}
        out = "".join(json.dumps(same | {"service": name, "amount": amount}) + "\n" for name, amount in told)
        return subprocess.CompletedProcess(command, code, out, err)

    return ask


def test_the_same_whole_days_are_counted_and_the_difference_is_shown() -> None:
    found = reconcile.reconcile(
        test_cost.found(), shape(STACK), ask=answering(("Amazon EC2", "0.9"), ("EC2 - Other", "1.1"), ("Tax", "0.1"))
    )
    assert (found.since, found.until, found.days) == (MONDAY + DAY, MONDAY + 2 * DAY, 1)
    run = cost.lines(shape(STACK), test_cost.found().runs, since=found.since, until=found.until)
    assert found.ours == cost.total(run)
    assert found.billed == Decimal("2.1")
    text = "\n".join(reconcile.lines(found))
    more = cost.cents(found.billed) - cost.cents(found.ours)
    assert f"AWS billed $2.10 from 24 Nov to 24 Nov (UTC); counted here: ${cost.cents(found.ours)}." in text
    assert f"AWS's is ${more} more." in text
    assert "By service: EC2 - Other $1.10, Amazon EC2 $0.90, Tax $0.10." in text
    assert "estimates still" in text
    assert found.as_dict()["difference_usd"] == float(more)


def test_no_costs_are_no_zero() -> None:
    found = reconcile.reconcile(test_cost.found(), shape(STACK), ask=answering())
    assert "AWS knows no costs of this stack from 24 Nov to 24 Nov (UTC): does the tag count" in "".join(
        reconcile.lines(found)
    )


def test_refusals_and_other_currencies_are_one_message() -> None:
    refused = answering(code=1, err="Traceback\nAWS did not tell what it billed: denied\n")
    with pytest.raises(DeployError, match="AWS did not tell what it billed: denied"):
        reconcile.reconcile(test_cost.found(), shape(STACK), ask=refused)
    with pytest.raises(DeployError, match="AWS bills in CNY"):
        reconcile.reconcile(test_cost.found(), shape(STACK), ask=answering(("Amazon EC2", "1"), currency="CNY"))


def test_a_time_without_a_whole_day_is_told() -> None:
    assert reconcile.whole_days(MONDAY, MONDAY + DAY) == (MONDAY, MONDAY + DAY)
    with pytest.raises(SettingsError, match="no whole day of UTC"):
        reconcile.whole_days(MONDAY + 1, MONDAY + 2 * DAY - 1)
