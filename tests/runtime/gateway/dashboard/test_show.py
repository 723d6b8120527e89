"""What the page says of a unit, as a table of leases and histories."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.contract.documents import SCHEMA_VERSION, UnitSettings
from core.lease import WANTED_BY, Event, Inhibitor, Lease, State
from runtime.backends.power import Machine
from runtime.gateway.dashboard import show
from runtime.gateway.dashboard.look import Look
from runtime.gateway.dashboard.past import Past
from tests.runtime.gateway.dashboard.board import SHAPE
from tests.runtime.gateway.stage import UNIT, config

NOW = 1_795_600_000.0  # 2026-11-25 09:46:40 UTC
RUNS = replace(config().one(UNIT), shape=SHAPE)
SETTINGS = UnitSettings(
    schema_version=SCHEMA_VERSION, stack="lab", unit=UNIT, instance_id="i-1", region="us-east-1", profile="online",
    stop_after_s=1800.0, schedule_on="", schedule_off="", time_zone="Europe/Berlin", max_lease_s=0.0,
    max_silence_s=1800.0, hard_cap_s=0.0, start_timeout_s=600.0, instance_types=("g6.xlarge",),
    monthly_budget_usd=150.0, alerts_topic_arn="",
)  # fmt: skip


def lease(state: State, **fields: Any) -> Lease:
    given = {"unit": UNIT, "state": state, "epoch": 7, "since": NOW - 20, "reason": "because", "by": "relay"}
    return Lease(**given | fields)


def look(state: State, *, eta_s: float | None = None, waiting: int = 0, **fields: Any) -> Look:
    found = lease(state, **fields)
    return Look(RUNS, found, NOW, state.value.lower(), state is State.RUNNING, eta_s=eta_s, waiting=waiting)


def event(at: float, before: str, after: str, **facts: Any) -> Event:
    return Event(1, NOW + at, before, after, "agent", "why", facts)


WOKEN = [
    event(-100, "STOPPED", "STARTING", **{WANTED_BY: "key ann"}),
    event(-40, "STARTING", "RUNNING", engine_tiny_s=20.0, instance_type="g6.xlarge"),
]


# ---------------------------------------------------------------- a wake
@pytest.mark.parametrize(
    ("seen", "here", "percent", "words"),
    [
        (look(State.STARTING, eta_s=60.0), 1, 25, "About 1m left."),
        (look(State.STARTING, eta_s=60.0, boot_id="b"), 2, 25, "About 1m left."),
        (look(State.STARTING, eta_s=0.0, boot_id="b"), 2, 97, "Any moment now."),
        (look(State.STARTING), 1, None, "How long it takes is not known yet."),
        (look(State.STARTING, eta_s=61.0), 1, 25, "About 1m 5s left."),
        (look(State.STOPPED, eta_s=40.0, wake_until=NOW + 9), 0, 0, "About 40s left."),
        (look(State.STOPPING, wake_until=NOW + 9), 0, None, "How long it takes is not known yet."),
        (look(State.NEW), 1, None, "How long it takes is not known yet."),
    ],
)
def test_how_far_a_wake_is(seen: Look, here: int, percent: int | None, words: str) -> None:
    found = show.progress(seen)
    assert found is not None
    assert [step.state for step in found.steps] == ["done"] * here + ["now"] + ["next"] * (3 - here)
    assert (found.percent, found.words) == (percent, words)


@pytest.mark.parametrize(
    "seen",
    [
        look(State.RUNNING),
        look(State.STOPPED),
        look(State.STOPPED, wake_until=NOW - 1),
        look(State.DRAINING),
        look(State.FAILED),
        look(State.STOPPED, wake_until=NOW + 9, spent_until=NOW + 99),
    ],
    ids=lambda seen: f"{seen.state}",
)
def test_where_nothing_wakes_there_is_no_progress(seen: Look) -> None:
    assert show.progress(seen) is None


def test_a_visitor_reads_of_all_units_together() -> None:
    awake, off, waking = look(State.RUNNING), look(State.STOPPED), look(State.STARTING, eta_s=60.0)
    assert show.visitor([awake, awake]).words == "Ready."
    assert show.visitor([awake, off]).words.startswith("Nothing is being prepared.")
    assert show.visitor([off, waking]).progress == show.progress(waking)
    assert show.visitor([]).words.startswith("Nothing is being prepared.")


# ---------------------------------------------------------------- an operator
@pytest.mark.parametrize(
    ("state", "wake", "stop"),
    [
        (State.STOPPED, True, False),
        (State.FAILED, True, False),
        (State.STOPPING, True, False),
        (State.DRAINING, True, False),
        (State.STARTING, False, False),
        (State.NEW, False, False),
        (State.RUNNING, False, True),
    ],
)
def test_which_buttons_are_on(state: State, wake: bool, stop: bool) -> None:
    found = show.host(look(state), Past())
    assert (not found.why_not_wake, not found.why_not_stop) == (wake, stop)


def test_a_spent_budget_turns_wake_off_and_is_said() -> None:
    found = show.host(look(State.STOPPED, spent_until=NOW + 3600), Past(settings=SETTINGS))
    assert found.why_not_wake == "The budget is spent."
    assert "The budget is spent until Wed 25 Nov 11:46." in found.notes
    assert found.money.budget == "$150.00"


def test_without_a_lease_there_is_nothing_to_press() -> None:
    found = show.host(replace(look(State.NEW), lease=None, state="not deployed"), Past())
    assert (found.state, found.why_not_wake) == ("Not deployed yet", "There is no lease yet.")
    assert found.money.problem


def test_what_keeps_it_on_is_said_with_names() -> None:
    pinned = {"pin_until": NOW + 3600, "pin_who": "ann", "pin_why": "a talk"}
    held = {"inhibitors": (Inhibitor("bob", "an upgrade", NOW + 60), Inhibitor("eve", "over", NOW - 1))}
    found = show.host(look(State.RUNNING, waiting=2, busy=3, **pinned, **held), Past(settings=SETTINGS))
    assert "Pinned until Wed 25 Nov 11:46 by ann: a talk." in found.notes
    assert "Kept on by bob: an upgrade." in found.notes
    assert "2 requests wait for it." in found.notes
    assert "Requests in its engines at the last heartbeat: 3." in found.notes
    assert not [note for note in found.notes if "eve" in note]


def test_what_cannot_be_read_is_said() -> None:
    found = show.host(replace(look(State.RUNNING), store_down="throttled"), Past(problem="no answer"))
    assert found.notes[:2] == ("The lease cannot be read now: throttled", "The history cannot be read now: no answer")
    assert found.money.problem == "not counted"


def test_when_it_goes_off_is_the_policys_word() -> None:
    seen = look(State.RUNNING, ready_at=NOW - 600, demand_at=NOW - 600, agent_at=NOW, since=NOW - 900)
    machine = Machine("i-1", "running", instance_type="g6.xlarge")
    past = Past(WOKEN, SETTINGS, machine)
    assert "It goes off at 11:06 if nobody asks." in show.host(seen, past).notes
    longer = replace(machine, tags={"pilotlight:auto-stop": "off"})
    assert not [n for n in show.host(seen, replace(past, machine=longer)).notes if "goes off at" in n]


def test_a_pin_is_said_once() -> None:
    seen = look(State.RUNNING, pin_until=NOW + 3600, pin_who="ann", ready_at=NOW - 600, agent_at=NOW)
    past = Past(WOKEN, SETTINGS, Machine("i-1", "running", instance_type="g6.xlarge"))
    assert [note for note in show.host(seen, past).notes if "inned" in note] == [
        "Pinned until Wed 25 Nov 11:46 by ann.",
    ]


def test_why_it_is_off_is_said_once() -> None:
    past = Past(WOKEN, SETTINGS, Machine("i-1", "stopped", instance_type="g6.xlarge"))
    found = show.host(look(State.STOPPED), past)
    assert (found.why, found.notes) == ("because", ())


def test_what_nothing_else_says_is_the_policys_word() -> None:
    silent = look(State.RUNNING, ready_at=NOW - 600, agent_at=NOW - 400, since=NOW - 600)
    past = Past(WOKEN, SETTINGS, Machine("i-1", "running", instance_type="g6.xlarge"))
    assert show.host(silent, past).notes[-1].startswith("The agent")


def test_why_a_service_is_awake_is_for_whom() -> None:
    found = show.host(look(State.RUNNING), Past(WOKEN, SETTINGS))
    assert [(s.name, s.state, s.why) for s in found.services] == [
        ("chat", "Awake", "started for key ann"),
        ("support", "Awake", "started for key ann"),
    ]
    silent = replace(look(State.RUNNING), silent_s=(("tiny", 65.0),))
    assert show.host(silent, Past()).services[0].state == "Not answering"


def test_past_wakes_newest_first_with_their_stages() -> None:
    failed = [event(-30, "STOPPED", "STARTING"), event(-20, "STARTING", "FAILED")]
    rows = show.host(look(State.FAILED), Past([*WOKEN, *failed], SETTINGS)).wakes
    assert [(row.who, row.took, row.stages, row.failure) for row in rows] == [
        ("", "10s", "", "why"),
        ("key ann", "1m", "boot 40s, engine tiny 20s", ""),
    ]
    assert rows[1].at == "Wed 25 Nov 10:46"


def test_money_of_today_and_of_the_month() -> None:
    begun = [event(-40 * 3600, "STOPPED", "STARTING"), event(-39 * 3600, "STARTING", "RUNNING")]
    stopped = [event(-38 * 3600, "RUNNING", "STOPPED")]
    found = show.host(look(State.STOPPED), Past([*begun, *stopped], SETTINGS)).money
    assert float(found.month[1:]) > float(found.today[1:]) > 0
    assert found.hour == "$0.81"
    unknown = replace(look(State.STOPPED), unit=replace(RUNS, shape=replace(SHAPE, host_type="x9.huge")))
    assert "x9.huge" in show.host(unknown, Past([*begun], SETTINGS)).money.problem
