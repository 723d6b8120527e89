"""What the demo says of money, over items as the table gives them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from core import settings
from local.demo import stack


def item(at: float, before: str, after: str, **facts: Any) -> dict[str, Any]:
    texts = {"before": before, "after": after, "by": "x", "reason": "y", "pk": "s/host"}
    return {"epoch": Decimal(1), "at": Decimal(at), "facts": facts, **texts}


def test_each_hour_at_its_own_types_price() -> None:
    found = settings.load(
        {
            "pilotlight:cloud": "embedded",
            "pilotlight:engines": {"a": {"model": "/srv/a"}},
            "pilotlight:host": {"instanceTypes": ["g6.xlarge", "g6e.xlarge"]},
        },
        "s",
    )
    events = [item(0, "STOPPED", "STARTING"), item(9, "STARTING", "RUNNING", rung="g6e.xlarge")]
    said = stack.cost(found, [*events, item(360_000, "STOPPING", "STOPPED")], 360_000.0)
    assert "at g6e.xlarge prices" in said
    spent = float(said.partition("$")[2].split()[0])
    always = float(said.partition("against $")[2].split()[0])
    assert round(spent - always, 2) == round(186.10 - 80.48, 2)
