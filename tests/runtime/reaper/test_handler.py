"""The Lambda's entry: late events, the relay's lingering, a pass that could not do its work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from core.contract.documents import EVENT_SCHEDULED_AT, EVENT_UNIT
from core.errors import ContractError
from core.policy import Action
from runtime.backends.leases import StoreUnavailable
from runtime.reaper import lambda_handler, passes
from runtime.reaper.lambda_handler import LATE_EVENT_S, handler
from runtime.reaper.passes import LINGER_ROUNDS, LINGER_S, RESERVE_S, Reaper
from runtime.reaper.sweep import Outcome, Report

NOW = 1_800_000_000.0


class FakeSweep:
    def __init__(self) -> None:
        self.runs: list[Sequence[str] | None] = []
        self.untils: list[float] = []
        self.due: list[float | None] = []
        self.broken = False

    def run(self, units: Sequence[str] | None = None, *, until: float = math.inf) -> Report:
        if self.broken:
            raise StoreUnavailable("throttled")
        self.runs.append(units)
        self.untils.append(until)
        due = self.due.pop(0) if self.due else None
        return Report({"demo/host": Outcome(Action.KEEP, "words", None if due is None else due)})


class Context:
    left_ms = 45_000

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch) -> FakeSweep:
    fake = FakeSweep()
    monkeypatch.setattr(lambda_handler, "_reaper", Reaper(fake))
    monkeypatch.setattr(lambda_handler.time, "time", lambda: NOW)
    monkeypatch.setattr(passes.time, "monotonic", lambda: 0.0)
    return fake


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    sleeps: list[float] = []
    monkeypatch.setattr(passes.time, "sleep", sleeps.append)
    return sleeps


def scheduled(ago_s: float) -> dict[str, str]:
    at = datetime.fromtimestamp(NOW, UTC) - timedelta(seconds=ago_s)
    return {EVENT_SCHEDULED_AT: at.strftime("%Y-%m-%dT%H:%M:%SZ")}


def test_a_pass_over_all_units(sweep: FakeSweep) -> None:
    assert handler(scheduled(LATE_EVENT_S), Context()) == {"units": 1, "acted": {}, "broken": {}}
    assert sweep.runs == [None]


def test_a_late_event_is_ignored(sweep: FakeSweep) -> None:
    assert "ignored" in handler(scheduled(LATE_EVENT_S + 1), Context())
    assert sweep.runs == []


def test_a_pass_that_could_not_work_fails_so_that_the_alarm_sees_it(sweep: FakeSweep) -> None:
    sweep.broken = True
    with pytest.raises(StoreUnavailable):
        handler({}, Context())


def test_for_the_relay_it_lingers_while_a_retry_is_near(sweep: FakeSweep, slept: list[float]) -> None:
    sweep.due = [10.0, 0.0, None]
    handler({EVENT_UNIT: "demo/host"}, Context())
    assert sweep.runs == [["demo/host"]] * 3
    assert slept == [10.0, 0.0]


def test_it_does_not_linger_for_long_or_for_ever(sweep: FakeSweep, slept: list[float]) -> None:
    sweep.due = [LINGER_S + 1]
    handler({EVENT_UNIT: "demo/host"}, Context())
    assert slept == []
    sweep.due = [1.0] * 99
    handler({EVENT_UNIT: "demo/host"}, Context())
    assert len(slept) == LINGER_ROUNDS


def test_it_does_not_linger_into_its_own_time_out(sweep: FakeSweep, slept: list[float]) -> None:
    sweep.due, context = [1.0], Context()
    context.left_ms = int(RESERVE_S * 1000) - 1
    handler({EVENT_UNIT: "demo/host"}, context)
    assert slept == []


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_handler, "_reaper", None)
    monkeypatch.delenv("TABLE", raising=False)
    with pytest.raises(ContractError, match="TABLE"):
        handler({}, Context())


def test_a_pass_begins_no_unit_when_its_time_is_nearly_over(sweep: FakeSweep) -> None:
    """Lambda kills what is left after 50 s: what was decided would not be told, and each pass would begin anew."""
    context = Context()
    context.left_ms = 50_000
    handler(scheduled(1), context)
    assert sweep.untils == [30.0]
