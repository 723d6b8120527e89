"""What waiting callers are told."""

from __future__ import annotations

import dataclasses

import pytest

from core.lease import Event, Lease, State
from runtime.gateway.unit import eta

NOW = 5000.0


def event(at: float, before: str, after: str) -> Event:
    return Event(1, at, before, after, "x", "y")


def wake(at: float, took: float) -> list[Event]:
    return [event(at, "STOPPED", "STARTING"), event(at + took, "STARTING", "RUNNING")]


def lease(state: State, age: float) -> Lease:
    return Lease("u", state, 1, NOW - age, "r", "b")


def test_usual_wake_is_the_median_of_the_last_five() -> None:
    events = [e for i, took in enumerate([500, 500, 30, 40, 50, 60, 70]) for e in wake(1000.0 * i, took)]
    assert eta.usual_wake_s(events) == 50


def test_a_wake_that_failed_does_not_count_and_a_resume_is_no_wake() -> None:
    failed = [event(0, "STOPPED", "STARTING"), event(300, "STARTING", "FAILED")]
    resumed = [event(900, "RUNNING", "DRAINING"), event(905, "DRAINING", "RUNNING")]
    assert eta.usual_wake_s([*failed, *wake(400, 42), *resumed]) == 42
    assert eta.usual_wake_s(failed) is None
    assert eta.usual_wake_s([]) is None


@pytest.mark.parametrize(
    ("state", "age", "usual", "said"),
    [
        (State.STARTING, 10, 48.0, "the host is starting, the machine boots; about 38 s left"),
        (State.STARTING, 60, 48.0, "the host is starting, the machine boots; any moment now"),
        (State.STARTING, 10, None, "the host is starting, the machine boots; waiting since 10 s"),
        (State.STOPPED, 9999, 48.0, "the host is stopped; about 48 s left"),
        (State.STOPPING, 10, 48.0, "the host is stopping; about 68 s left"),
        (State.RUNNING, 10, 48.0, "the host is running; any moment now"),
    ],
)
def test_words(state: State, age: float, usual: float | None, said: str) -> None:
    assert eta.words(lease(state, age), NOW, usual) == said


def test_the_stage_of_a_boot_that_the_agent_has_claimed() -> None:
    claimed = dataclasses.replace(lease(State.STARTING, 10), boot_id="b-1")
    assert eta.words(claimed, NOW, 48.0) == "the host is starting, loading the model; about 38 s left"


@pytest.mark.parametrize(
    ("rung", "said"),
    [("g5.xlarge", "starting as g5.xlarge after EC2 refused"), ("", "starting after EC2 refused")],
)
def test_words_on_the_ladder(rung: str, said: str) -> None:
    tried = "g6.xlarge (InsufficientInstanceCapacity)"
    climbing = dataclasses.replace(lease(State.STARTING, 10), rung=rung, tried=tried)
    assert eta.words(climbing, NOW, 48.0) == f"the host is {said} {tried}, the machine boots; about 38 s left"
    assert eta.words(dataclasses.replace(climbing, state=State.STOPPED), NOW, None).startswith("the host is stopped;")
