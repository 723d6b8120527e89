"""Past wakes, read from a history."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.lease import WANTED_BY, Event
from core.wakes import Wake, attempts, flaps, longest_s, wakes


def event(at: float, before: str, after: str) -> Event:
    return Event(1, at, before, after, "x", "y")


def test_a_start_that_failed_and_a_resume_are_no_wakes() -> None:
    failed = [event(0, "STOPPED", "STARTING"), event(300, "STARTING", "FAILED")]
    woken = [event(400, "FAILED", "STARTING"), event(442, "STARTING", "RUNNING")]
    resumed = [event(900, "RUNNING", "DRAINING"), event(905, "DRAINING", "RUNNING")]
    assert wakes([*failed, *woken, *resumed]) == (Wake(400, 42),)


def test_a_restart_under_the_lease_is_no_wake_from_off() -> None:
    assert wakes([event(5, "RUNNING", "STARTING"), event(35, "STARTING", "RUNNING")]) == (Wake(5, 30, from_off=False),)


def test_the_longest_of_the_last_five_counts() -> None:
    assert longest_s([Wake(i, took) for i, took in enumerate((500, 30, 40, 50, 60, 55))]) == 60
    assert longest_s([]) is None


@pytest.mark.parametrize(
    ("began", "yes"),
    [((0, 1800, 3600), True), ((0, 1800, 3601), False), ((0, 3600), False), ((-9999, 0, 1800, 3600), True)],
)
def test_three_wakes_within_an_hour_are_flapping(began: tuple[float, ...], yes: bool) -> None:
    assert flaps([Wake(at, 40) for at in began]) is yes


def test_restarts_are_no_flapping() -> None:
    assert not flaps([Wake(at, 40, from_off=False) for at in (0, 10, 20)])


def test_attempts_as_people_read_them() -> None:
    began = replace(event(0, "STOPPED", "STARTING"), facts={WANTED_BY: "key ann"})
    ready = replace(event(42, "STARTING", "RUNNING"), facts={"engine_a_s": 20.5, "tried": "g6"})
    again, failed = event(100, "STOPPED", "STARTING"), event(110, "STARTING", "FAILED")
    first, second = attempts([began, ready, event(50, "RUNNING", "DRAINING"), again, failed])
    assert (first.words, first.boot_s, first.failure) == ("42s for key ann: boot 21s, engine a 20s", 21.5, "")
    assert (second.words, second.stages, second.failure) == ("10s", "", "y")


def test_an_attempt_whose_begin_is_not_in_the_history() -> None:
    (found,) = attempts([event(42, "STARTING", "RUNNING")])
    assert (found.took_s, found.boot_s, found.words) == (None, None, "")
