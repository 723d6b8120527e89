"""Pictures of money: what stands on them, in words that can be searched, and the timeline's bars."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.money import cost
from remote import money_plots
from remote.verbs import timeline
from tests.core.money.history import EVENTS, MONDAY, NOON
from tests.remote.verbs import test_cost

HOUR = 3600.0


@pytest.fixture(autouse=True)
def _the_tables_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.remote.verbs.test_verbs_lease.NOON", NOON)


def test_cost_by_day_and_the_timeline_are_drawn(tmp_path: Path) -> None:
    found = test_cost.found()
    paths = [
        *money_plots.cost(found, str(tmp_path / "c.png")),
        *money_plots.timeline(found.timeline, str(tmp_path / "c")),
    ]
    assert [path.name for path in paths] == ["c.png", "c.svg", "c-timeline.png", "c-timeline.svg"]
    days, when = paths[1].read_text(), paths[3].read_text()
    for word in (
        "host disk",
        "gateway disk",
        "addresses",
        "23 Nov",
        f"{found.stack}: {cost.cents(found.total)} USD in 3 days",
    ):
        assert word in days
    for word in (*timeline.PHASES, "Mon 23 Nov"):
        assert word in when


def test_the_timelines_bars_fill_each_day_from_the_first_event_on() -> None:
    found = timeline.of("s", EVENTS, since=MONDAY, now=NOON, zone="UTC")
    first = found.bars[0]
    assert (first[0], first[1], first[2]) == (0, "awake", 9.0)
    assert {row for row, *_ in found.bars} == {0, 1, 2}
    assert sum(length for *_, length in found.bars) == pytest.approx(51)
    waking = sum(length for _, phase, _, length in found.bars if phase == "waking")
    assert waking * HOUR == pytest.approx(20 + 180 + 20)
