"""`fab roi`: a load that is measured or given, its options, and what the figures assume."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from pathlib import Path

import pytest
from invoke.context import Context

from core import settings
from core.errors import SettingsError
from core.money.own import amount
from core.settings import StackSettings
from remote import money_tasks, plots, stack_files
from remote.verbs import roi as verbs_roi
from tests.core.money.history import NOON
from tests.remote.verbs import test_cost
from tests.remote.verbs.test_verbs_lease import printed

FILE = {
    "pilotlight:cloud": "embedded",
    "pilotlight:engines": {"a": {"model": "/srv/a"}},
    "pilotlight:host": {"instanceTypes": ["g6.xlarge"]},
    "pilotlight:prices": {
        "workstation": {"price": "¥13,000", "watts": 450, "tariff": "¥0.60"},
        "cloud": {"hour": "€0.79", "step": "hour"},
        "apiMillionTokens": "$0.60",
        "rates": {"€": 1.08},
    },
}


@pytest.fixture(autouse=True)
def _the_tables_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.remote.verbs.test_verbs_lease.NOON", NOON)


@pytest.fixture
def stack() -> StackSettings:
    return settings.load(FILE, "s")


def test_a_measured_load_is_as_much_as_a_month_has() -> None:
    cost = test_cost.found()
    load = verbs_roi.measured(cost, None)
    assert float(load.on_h) == pytest.approx(cost.on_s / (cost.until - cost.since) * 730)
    assert load.starts == round(3 * 730 / 51)
    with pytest.raises(SettingsError, match="less than a day of history"):
        verbs_roi.measured(dataclasses.replace(cost, since=cost.until - 3600), None)


def test_every_option_with_its_assumptions(stack: StackSettings) -> None:
    found = verbs_roi.of(stack, verbs_roi.given(Decimal(100), Decimal(60), Decimal(20_000_000)), ["load: as given"])
    said = printed(verbs_roi.table(found)) + "\n".join(verbs_roi.lines(found))
    for name in ("this stack, on demand", "always on, on demand", "your workstation", "the other cloud", "an API"):
        assert name in said
    assert "the same as spot: No price known for g6.xlarge as spot" in said
    assert "No rate is known for ¥: not compared" in said
    assert "workstation: 13,000 ¥ over 3 years, 450 W while it answers and 60 W idle at 0.60 ¥ a kWh" in said
    assert "1 EUR is 1.08 USD" in said
    assert "load: as given" in said
    mine = next(o for o in found.as_dict()["options"] if o["name"] == "your workstation")
    assert mine["upfront"] == "13000 ¥"
    assert mine["break_even_month"] is None


def test_the_price_of_an_api_on_the_command_line_wins(stack: StackSettings) -> None:
    load = verbs_roi.given(Decimal(100), None, Decimal(10_000_000))
    options = verbs_roi.of(stack, load, [], amount("$2")).as_dict()["options"]
    assert next(o["month"] for o in options if o["name"].startswith("an API")) == "20 USD"


@pytest.mark.parametrize(("text", "number"), [("20M", 20_000_000), ("1.5k", 1500), ("7", 7)])
def test_counts(text: str, number: int) -> None:
    assert verbs_roi.count(text) == number


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"tokens": "many"}, "is not a count"),
        ({"tokens": "0"}, "is not a count"),
        ({"hours_on": "800"}, "not a number of hours a month"),
        ({"tokens": "9" * 400}, "is not a count"),
        ({"hours_on": "10", "hours_used": "11"}, "are more than --hours-on"),
        ({"hours_used": "11"}, "--hours-used is a part of --hours-on; write both"),
        ({"api": "0.60"}, "names no currency"),
    ],
)
def test_bad_flags_are_one_message(flags: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        money_tasks.roi(Context(), stack="s", **flags)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"apiMillionTokens": "0.60"}, "pilotlight:prices.apiMillionTokens"),
        ({"apiMillionTokens": 0.60}, "must be text with a currency"),
        ({"workstation": {"price": "$1", "tariff": "$1"}}, "pilotlight:prices.workstation.watts"),
        ({"cloud": {"hour": "$1", "step": "day"}}, "pilotlight:prices.cloud.step"),
        ({"rates": {"EUR": 0}}, "pilotlight:prices.rates"),
        ({"rates": {"USD": 2}}, "USD is what rates are counted in; take it away"),
        ({"rates": {"€": 1.08, "EUR": 1.1}}, "EUR has two; take it away"),
        ({"rates": {"euro": 1.08}}, "'euro', which no amount has; write a currency as amounts do"),
        ({"cloud": {"hour": "1,5"}}, 'cloud.hour: "1,5" is not an amount of money'),
    ],
)
def test_wrong_prices_in_the_file_are_told(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings.load({**FILE, "pilotlight:prices": wrong}, "s")


def test_without_a_machine_and_drawn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stack: StackSettings, tmp_path: Path
) -> None:
    monkeypatch.setattr(stack_files, "settings_of", lambda name: stack)
    picture = str(tmp_path / "roi.png")
    money_tasks.roi(Context(), stack="s", hours_on="100", tokens="20M", picture=picture, json=True)
    told = capsys.readouterr()
    data = json.loads(told.out)["data"]
    assert data["load"] == {"used_h": 100.0, "on_h": 100.0, "starts": 0, "tokens": 20_000_000.0}
    assert told.err.count("drawn: ") == len(plots.FORMATS)
    drawn = (tmp_path / "roi.svg").read_text()
    assert "this stack, on demand" in drawn
    assert "your workstation" not in drawn  # its currency has no rate
