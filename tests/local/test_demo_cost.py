"""What the demo says of money, over items as the table gives them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core import money, settings
from core.settings import StackSettings, shape
from local.demo.money import compared, office_hours


def item(at: float, before: str, after: str, **facts: Any) -> dict[str, Any]:
    texts = {"before": before, "after": after, "by": "x", "reason": "y", "pk": "s/host"}
    return {"epoch": Decimal(1), "at": Decimal(at), "facts": facts, **texts}


@pytest.fixture
def found() -> StackSettings:
    return settings.load(
        {
            "pilotlight:cloud": "embedded",
            "pilotlight:engines": {"a": {"model": "/srv/a"}},
            "pilotlight:host": {"instanceTypes": ["g6.xlarge", "g6e.xlarge"]},
        },
        "s",
    )


def test_each_hour_at_its_own_types_price(found: StackSettings) -> None:
    events = [item(0, "STOPPED", "STARTING"), item(9, "STARTING", "RUNNING", rung="g6e.xlarge")]
    said = compared(found, [*events, item(360_000, "STOPPING", "STOPPED")], 360_000.0)[1]
    assert "at g6e.xlarge prices" in said
    spent = float(said.partition("$")[2].split()[0])
    always = float(money.awake_hour(shape(found)) + money.standing_hour(shape(found))) * 100
    assert round(spent - always, 1) == round(186.10 - 80.48, 1)


def test_a_short_run_is_not_compared_with_always_on_but_a_month_is(found: StackSettings) -> None:
    events = [item(0, "", "NEW"), item(1, "NEW", "RUNNING"), item(30, "STOPPING", "STOPPED")]
    month, run, footnote = compared(found, events, 40.0)
    dollars = [int(part.split()[0]) for part in month.split("$")[1:]]
    assert dollars == sorted(dollars)
    assert [word in month for word in ("100 h awake", "office hours", "always on")] == [True] * 3
    assert "always on" not in run
    assert footnote.startswith("* EC2 bills every start for at least 60 s: here 60 s of 40 s")


def test_office_hours_are_nine_hours_on_five_days() -> None:
    assert office_hours() == pytest.approx(45 * 730 / 168)
