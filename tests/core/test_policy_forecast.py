"""The forecast: a whole week by eye, both daylight saving weekends, and every way that a host may be when it begins."""

from __future__ import annotations

import dataclasses
import itertools
import math
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.contract.documents import UnitSettings
from core.lease import Inhibitor, Lease, State
from core.money.ledger import Ledger
from core.policy import Action, Facts, decide
from core.policy.forecast import Span, forecast, goes_off, unborn
from core.times import moments

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
DAY = 86400.0
OFFICE = UnitSettings(
    schema_version=1,
    stack="s",
    unit="s/host",
    instance_id="i-1",
    region="us-east-1",
    profile="office-hours",
    stop_after_s=300.0,
    schedule_on="0 9 * * mon-fri",
    schedule_off="0 18 * * mon-fri",
    time_zone=BERLIN,
    max_lease_s=43200.0,
    max_silence_s=1800.0,
    hard_cap_s=0.0,
    start_timeout_s=900.0,
    instance_types=("g6.xlarge",),
    monthly_budget_usd=None,
    alerts_topic_arn="",
)
PLAIN = dataclasses.replace(OFFICE, schedule_on="", schedule_off="", stop_after_s=1800.0)


def at(text: str, zone: str = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


NOON = at("2026-11-20T12:00")  # a Friday


def week(begin: str, zone: str = BERLIN) -> list[Span]:
    now = at(begin, zone)
    until = at((datetime.fromisoformat(begin) + (datetime(2026, 1, 8) - datetime(2026, 1, 1))).isoformat(), zone)
    settings = dataclasses.replace(OFFICE, time_zone=zone)
    return forecast(unborn("s/host", now), Facts("stopped"), settings, now=now, until=until)


def told(spans: list[Span], zone: str = BERLIN) -> list[str]:
    return [f"{moments.show(s.start, zone)} {s.phase}" for s in spans]


FIRST = (("08:52", "starting"), ("08:55", "on"), ("08:56", "on"))  # 510 s before nine: no start was measured yet
LATER = (("08:56", "starting"), ("08:59", "on"))  # a start takes 180 s, as the last one did


def day(name: str, first: bool) -> list[str]:
    """A workday as the policy makes it."""
    times = (*(FIRST if first else LATER), ("09:00", "on"), ("18:00", "stopping"), ("18:01", "off"))
    return [f"{name} {clock} {phase}" for clock, phase in times]


@pytest.mark.parametrize(
    ("begin", "zone", "workdays"),
    [
        ("2026-11-21T00:00", BERLIN, ["Mon 23 Nov", "Tue 24 Nov", "Wed 25 Nov", "Thu 26 Nov", "Fri 27 Nov"]),
        ("2026-03-27T20:00", BERLIN, ["Mon 30 Mar", "Tue 31 Mar", "Wed 01 Apr", "Thu 02 Apr", "Fri 03 Apr"]),
        ("2026-10-23T20:00", BERLIN, ["Mon 26 Oct", "Tue 27 Oct", "Wed 28 Oct", "Thu 29 Oct", "Fri 30 Oct"]),
        ("2026-03-06T20:00", NEW_YORK, ["Mon 09 Mar", "Tue 10 Mar", "Wed 11 Mar", "Thu 12 Mar", "Fri 13 Mar"]),
        ("2026-10-30T20:00", NEW_YORK, ["Mon 02 Nov", "Tue 03 Nov", "Wed 04 Nov", "Thu 05 Nov", "Fri 06 Nov"]),
    ],
)
def test_a_week_of_office_hours(begin: str, zone: str, workdays: list[str]) -> None:
    spans = week(begin, zone)
    assert told(spans, zone)[1:] == [line for name in workdays for line in day(name, name == workdays[0])]
    assert spans[0].phase == "off"
    assert all(one.end == other.start for one, other in itertools.pairwise(spans))


def test_the_weekend_of_a_change_is_an_hour_shorter_or_longer() -> None:
    hours = [(s[0].end - s[0].start) / 3600 for s in (week("2026-03-27T18:01"), week("2026-10-23T18:01"))]
    plain = (week("2026-11-20T18:01")[0].end - at("2026-11-20T18:01")) / 3600
    assert hours == [plain - 1, plain + 1]


@pytest.mark.parametrize(
    ("on", "off", "usd", "hours"),
    [
        ("0 9 * * mon-fri", "0 18 * * mon-fri", 5.0, 48),
        ("0 9 * * *", "7 9 * * *", None, 48),  # on for less than a leap
        ("*/20 * * * *", "*/7 * * * *", None, 5),
        ("*/20 * * * *", "*/7 * * * *", 1.0, 5),  # off for the budget's sake, and off for less than a leap
        ("", "", 5.0, 48),
    ],
)
def test_minute_by_minute_it_is_the_same(
    on: str, off: str, usd: float | None, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left out while nothing changes hides nothing. November ends in it, and with it the budget's month."""
    settings = dataclasses.replace(OFFICE, schedule_on=on, schedule_off=off, monthly_budget_usd=usd)
    now = at("2026-11-29T23:17")

    def told_now() -> list[Span]:
        lease, until = unborn("s/host", now), now + hours * 3600
        return forecast(lease, Facts("stopped"), settings, now=now, until=until, ledger=Ledger(on=None))

    with_leaps = told_now()
    monkeypatch.setattr("core.policy.forecast.LEAP_S", math.inf)
    assert told_now() == with_leaps


def test_reasons_are_the_policys_own() -> None:
    reasons = {s.phase: s.reason for s in week("2026-11-23T00:00")[1:6]}
    assert reasons == {
        "starting": f"the schedule says on (0 9 * * mon-fri, {BERLIN})",
        "on": "the schedule says on for another 9h",
        "stopping": "no demand for 9h 5m, the limit is 5m",
    }


def running(**fields: Any) -> Lease:
    base = Lease("s/host", State.RUNNING, 7, NOON - 600, "x", "agent", instance_id="i-1", boot_id="b")
    base = dataclasses.replace(base, ready_at=NOON - 600, demand_at=NOON - 600, agent_at=NOON - 5)
    return dataclasses.replace(base, **fields)


def hours(lease: Lease, machine: str = "running", settings: UnitSettings = PLAIN, **facts: Any) -> list[str]:
    spans = forecast(lease, Facts(machine, **facts), settings, now=NOON, until=NOON + DAY)
    return [f"{moments.clock(s.start, BERLIN)} {s.phase} {s.rule}" for s in spans]


PIN = {"pin_until": NOON + 7200, "pin_who": "ann"}


@pytest.mark.parametrize(
    ("lease", "machine", "lines"),
    [
        (running(), "running", ["12:00 on running", "12:20 stopping idle", "12:21 off off"]),
        # requests that are there end at once: the idle time begins
        (running(busy=3), "running", ["12:00 on running", "12:30 stopping idle", "12:31 off off"]),
        (
            running(inhibitors=(Inhibitor("deploy", "x", NOON + 3600),)),
            "running",
            ["12:00 on inhibited", "13:00 stopping idle", "13:01 off off"],
        ),
        (running(**PIN), "running", ["12:00 on pinned", "14:00 stopping idle", "14:01 off off"]),
        (
            running(state=State.STOPPED, boot_id="", **PIN),
            "stopped",
            ["12:00 starting pinned", "12:03 on pinned", "14:00 stopping idle", "14:01 off off"],
        ),
        (
            running(state=State.STOPPED, boot_id="", wake_by="relay", wake_until=NOON + 60),
            "stopped",
            ["12:00 starting wanted_off", "12:03 on running", "12:33 stopping idle", "12:34 off off"],
        ),
        (
            running(state=State.STARTING, boot_id="", since=NOON - 60, order_at=NOON - 60),
            "pending",
            ["12:00 starting starting", "12:02 on running", "12:32 stopping idle", "12:33 off off"],
        ),
        (running(state=State.DRAINING, since=NOON - 5), "running", ["12:00 stopping stopping", "12:01 off off"]),
        (running(state=State.STOPPING, since=NOON - 5), "stopping", ["12:00 off off"]),
        # the agent is silent and stays so: by force after maxSilence
        (running(agent_at=NOON - 600), "running", ["12:00 on silent", "12:20 stopping silent", "12:21 off off"]),
        (running(state=State.NEW, boot_id="", since=NOON), "running", ["12:00 on new", "12:30 on new"]),
    ],
)
def test_each_way_that_a_host_may_be(lease: Lease, machine: str, lines: list[str]) -> None:
    assert hours(lease, machine)[: len(lines)] == lines


def test_max_lease_ends_a_pin_for_good() -> None:
    lines = hours(running(pin_until=NOON + DAY, pin_who="ann"), settings=dataclasses.replace(PLAIN, max_lease_s=7200.0))
    assert lines == ["12:00 on pinned", "13:50 stopping max_lease", "13:51 off off"]


def test_without_a_stop_for_idleness_it_stays_on_until_max_lease() -> None:
    settings = dataclasses.replace(PLAIN, stop_after_s=None)
    assert hours(running(), settings=settings)[1] == "23:50 stopping max_lease"


def test_tags_and_spending_count() -> None:
    assert hours(running(), tags={"pilotlight:auto-stop": "1h"})[1] == "12:50 stopping idle"
    budget = dataclasses.replace(OFFICE, monthly_budget_usd=10.0)
    monday = forecast(unborn("s/host", NOON), Facts("stopped", spent_usd=10.0), budget, now=NOON, until=NOON + 4 * DAY)
    assert {s.phase for s in monday} == {"off"}
    assert {s.action for s in monday} == {Action.KEEP}  # the mark is made, and does not hide what follows from it


def test_the_hours_that_are_played_count_against_the_budget_until_the_month_ends() -> None:
    """Six dollars of 0.8048 an hour are not quite eight: after Friday's hours it stays off until the first."""
    budget = dataclasses.replace(OFFICE, monthly_budget_usd=6.0)
    friday = at("2026-11-27T06:00")
    until = friday + 5 * DAY
    spans = forecast(unborn("s/host", friday), Facts("stopped"), budget, now=friday, until=until, ledger=Ledger())
    stop = next(s for s in spans if s.action is Action.DRAIN and "budget" in s.reason)
    assert (stop.start, stop.rule) == (at("2026-11-27T18:00"), "budget")
    assert stop.reason.startswith("budget: 7.35 of 6.00 USD")
    monday, december = at("2026-11-30T09:00"), at("2026-12-01T01:00")  # UTC's month
    assert {s.phase for s in spans if stop.end <= s.start < december} == {"off"}
    assert [s.phase for s in spans if s.start <= monday < s.end] == ["off"]
    assert any(s.phase == "on" and s.start == at("2026-12-01T09:00") for s in spans)


def test_the_first_span_is_what_the_policy_decides_now() -> None:
    for lease, machine in ((running(), "running"), (running(state=State.STOPPED), "stopped")):
        first = forecast(lease, Facts(machine), OFFICE, now=NOON, until=NOON + 60)[0]
        assert (first.action, first.reason) == (
            (now := decide(lease, Facts(machine), OFFICE, NOON)).action,
            now.reason,
        )


def test_when_it_goes_off() -> None:
    spans = forecast(running(), Facts("running"), PLAIN, now=NOON, until=NOON + DAY)
    assert goes_off(spans) == NOON + 1200
    assert goes_off(spans[-1:]) is None
    assert goes_off(spans[:1]) is None
    assert goes_off([]) is None


def test_nothing_is_changed() -> None:
    lease = running()
    before = dataclasses.replace(lease)
    hours(lease)
    assert lease == before
