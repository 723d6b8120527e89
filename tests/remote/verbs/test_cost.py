"""`fab cost` over a recorded history: the bill, its days, its rows, and what it says of the rivals."""

from __future__ import annotations

import csv
import dataclasses
import io
from decimal import Decimal
from typing import Any

import pytest
from invoke.context import Context

from core.errors import SettingsError
from core.lease import State
from core.money import cost as books
from core.settings import shape
from remote import money_tasks
from remote.verbs import cost as verbs_cost
from remote.verbs import lease as verbs_lease
from tests.core.money.history import EVENTS, MONDAY, NOON, RECORDED
from tests.remote.verbs.test_verbs_lease import RUNNING, STACK, Client, front, printed

HOUR = 3600.0


class Recorded(Client):
    """A host that is off since, with the recorded history."""

    events_told = RECORDED

    def __init__(self) -> None:
        super().__init__(dataclasses.replace(RUNNING, state=State.STOPPED, boot_id=""))


def found(since: str = "2026-11-01") -> verbs_cost.Cost:
    return verbs_cost.cost_of(front(Recorded()), since, NOON)


@pytest.fixture(autouse=True)
def _the_tables_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.remote.verbs.test_verbs_lease.NOON", NOON)


def test_the_cost_is_the_bill_of_the_recorded_history_and_the_days_add_up() -> None:
    cost = found()
    begun = EVENTS[0].at
    assert (cost.since, cost.until) == (begun, NOON)  # the host was made then
    on = [*books_intervals()]
    assert cost.total == books.total(books.lines(shape(STACK), on, since=begun, until=NOON))
    assert cost.starts == 3
    assert cost.on_s == 7260 + 7200 + 60
    assert sum(day.total for day in cost.days) == pytest.approx(cost.total, abs=Decimal("1e-18"))
    assert [day["day"] for day in cost.as_dict()["days"]] == ["2026-11-23", "2026-11-24", "2026-11-25"]


def books_intervals() -> Any:
    from core.money import ledger

    return ledger.intervals(EVENTS, now=NOON)


def test_rows_add_up_to_the_cost() -> None:
    cost = found()
    rows = list(csv.DictReader(io.StringIO(verbs_cost.as_csv(cost))))
    assert tuple(rows[0]) == verbs_cost.COLUMNS
    assert sum(Decimal(row["cost"]) for row in rows) == pytest.approx(cost.total, abs=Decimal("1e-18"))
    assert {row["currency"] for row in rows} == {"USD"}


def test_what_people_read() -> None:
    cost = found()
    said = printed(verbs_cost.table(cost)) + "\n".join(verbs_cost.lines(cost))
    assert f"{verbs_cost.dollars(cost.total)}" in said
    assert "On for 4.0 h of 51.0, 3 starts; 74% of it in use, 1% warming up, the rest idle." in said
    assert "Always on, without a gateway: $" in said
    assert "The best plain schedule (Mon, Tue 10–17; chosen with hindsight, without a gateway): $" in said
    by_day = printed(verbs_cost.by_day(cost)).splitlines()
    assert [line.split()[0] for line in by_day[1:]] == ["2026-11-23", "2026-11-24", "2026-11-25", "total"]


@pytest.mark.parametrize(
    ("since", "begins"), [("31d", EVENTS[0].at), ("2026-11-24", MONDAY + 23 * HOUR), ("12h", NOON - 12 * HOUR)]
)
def test_since_a_day_of_the_stacks_clock_or_so_long_ago(since: str, begins: float) -> None:
    assert found(since).since == begins


def test_without_since_it_is_this_month() -> None:
    first = verbs_cost.since_of("", "Europe/Berlin", NOON)
    assert first == MONDAY - 22 * 24 * HOUR - HOUR


@pytest.mark.parametrize("since", ["2026-13-01", "2027-01-01", "2024-01-01", "yesterday", "0d", "400d"])
def test_a_since_that_is_none_is_told(since: str) -> None:
    with pytest.raises(SettingsError, match=r"write e\.g\."):
        verbs_cost.since_of(since, "UTC", NOON)


def test_flags_that_do_not_go_together(capsys: pytest.CaptureFixture[str]) -> None:
    for flags, said in (({"by": "week"}, "--by week is not known"), ({"csv": True, "json": True}, "one of the two")):
        with pytest.raises(SystemExit):
            money_tasks.cost(Context(), stack="s", **flags)
        assert said in capsys.readouterr().err


def test_csv_is_all_that_stands_on_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verbs_lease, "front", lambda stack, identity: front(Recorded()))
    money_tasks.cost(Context(), stack="s", since="31d", csv=True)
    out = capsys.readouterr().out
    assert out.startswith("day,kind,what,quantity,unit,price,currency,cost\n2026-11-23,host,g6.xlarge,")
