"""Which events people are told of, in which words: a table over histories."""

from __future__ import annotations

from typing import Any

import pytest

from core.lease import Event, State
from core.notifications import Kind, Notification
from core.notifications.history import RETRY_WITHIN_S, told

T = 1_795_510_800.0
STATES = {
    "off": State.STOPPED,
    "start": State.STARTING,
    "run": State.RUNNING,
    "drain": State.DRAINING,
    "stopping": State.STOPPING,
    "failed": State.FAILED,
    "new": State.NEW,
    "none": "",
}


def history(*steps: str | tuple[str, dict[str, Any]], every: float = 100.0) -> list[Event]:
    """`"off>start"`, `("start>failed", {"failure": …, "by": …, "at": …})`, …: one event each, epochs from 1."""
    events: list[Event] = []
    at = T
    for epoch, step in enumerate(steps, 1):
        text, given = (step, {}) if isinstance(step, str) else step
        fields = dict(given)
        before, after = (STATES[name] for name in text.split(">"))
        at = T + fields.pop("at") if "at" in fields else at + every
        by, reason = fields.pop("by", "reaper"), fields.pop("reason", "why")
        events.append(Event(epoch, at, before, after, by, reason, fields))
    return events


def said(events: list[Event], after: int = 0) -> list[Notification]:
    return [n for _, n in told(events, after=after, stack="demo", unit="demo/host", instance_type="g6.xlarge")]


WAKE = ("off>start", "start>run")
STOP = ("run>drain", "drain>stopping", "stopping>off")
NO_ROOM = {"failure": "capacity"}


@pytest.mark.parametrize(
    ("steps", "kinds"),
    [
        (("none>new",), []),
        (("none>new", "new>run"), ["ready"]),
        (WAKE, ["waking", "ready"]),
        (("off>start", "start>start", "start>run"), ["waking", "ready"]),  # rebooted before it was ready
        ((*WAKE, *STOP), ["waking", "ready", "stopped"]),
        ((*WAKE, "run>drain", "drain>run"), ["waking", "ready"]),  # a veto is nothing
        ((*WAKE, ("run>stopping", {"forced": True}), "stopping>off"), ["waking", "ready", "forced", "stopped"]),
        ((*WAKE, "run>off"), ["waking", "ready", "stopped"]),  # lost
        ((*WAKE, "run>start", "start>run"), ["waking", "ready"] * 2),  # rebooted under the lease
        ((*WAKE, "run>new"), ["waking", "ready"]),  # another machine
        (("off>start", ("start>failed", NO_ROOM)), ["waking", "failed"]),
        (("off>start", ("start>stopping", {"forced": True}), "stopping>off"), ["waking", "forced", "stopped"]),
    ],
    ids=str,
)
def test_what_people_hear_of(steps: tuple[Any, ...], kinds: list[str]) -> None:
    assert [n.kind.value for n in said(history(*steps))] == kinds


RETRY = ("failed>start", ("start>failed", NO_ROOM))


@pytest.mark.parametrize(
    ("steps", "kinds"),
    [
        ((*RETRY, *RETRY), ["failed"]),
        ((*RETRY, "failed>start", "start>run"), ["failed", "ready"]),
        (("failed>start", ("start>failed", {"failure": "start-timeout"})), ["failed", "failed"]),
        ((("failed>start", {"at": 200 + RETRY_WITHIN_S + 1}),), ["failed", "waking"]),
        ((("failed>start", {"at": 200 + RETRY_WITHIN_S}),), ["failed"]),
        (("failed>start", "start>run", *STOP, "off>start", ("start>failed", NO_ROOM)),
         ["failed", "ready", "stopped", "waking", "failed"]),
    ],
    ids=str,
)  # fmt: skip
def test_retries_of_a_failure_are_told_once(steps: tuple[Any, ...], kinds: list[str]) -> None:
    events = history("off>start", ("start>failed", NO_ROOM), *steps)
    assert [n.kind.value for n in said(events)] == ["waking", *kinds]


def test_the_relays_capacity_failure_waits_for_the_ladder() -> None:
    relay = ("start>failed", NO_ROOM | {"by": "relay"})
    assert [n.kind for n in said(history("off>start", relay))] == [Kind.WAKING, Kind.FAILED]
    climbed = history("off>start", relay, "failed>start", "start>run")
    assert [n.kind for n in said(climbed)] == [Kind.WAKING, Kind.READY]
    in_vain = said(history("off>start", relay, "failed>start", ("start>failed", NO_ROOM)))
    assert [n.kind for n in in_vain] == [Kind.WAKING, Kind.FAILED]
    assert in_vain[-1].facts["by"] == "reaper"
    other = history("off>start", ("start>failed", {"by": "relay", "failure": "quota"}), "failed>start")
    assert [n.kind for n in said(other)] == [Kind.WAKING, Kind.FAILED]


def test_what_was_told_is_only_looked_back_on() -> None:
    events = history(*WAKE, *STOP)
    for after in range(len(events) + 1):
        found = told(events, after=after, stack="demo", unit="demo/host")
        assert all(epoch > after for epoch, _ in found)
        assert [n.id for _, n in found] == [n.id for n in said(events) if n.facts["epoch"] > after]  # type: ignore[operator]
    assert said(events, after=4)[0].facts["on_s"] == 400.0


def test_a_look_back_that_is_too_short_counts_nothing_wrong() -> None:
    stopped = said(history(*WAKE, *STOP)[2:])[-1]
    assert "on_s" not in stopped.facts
    assert stopped.summary == "demo stopped: why"
    ready = said(history(*WAKE)[1:])[0]
    assert "took_s" not in ready.facts


def test_ids_are_the_happenings_own() -> None:
    assert [n.id for n in said(history(*WAKE, *STOP))] == [
        "demo/host:1:waking",
        "demo/host:2:ready",
        "demo/host:5:stopped",
    ]


def test_facts_of_a_start() -> None:
    parts = {"boot_s": 20.5, "rung": "g5.xlarge", "tried": "g6.xlarge (x)", "by": "agent"}
    waking, ready = said(history(("off>start", {"by": "relay", "reason": "wanted by ann"}), ("start>run", parts)))
    assert (waking.reason, waking.facts) == ("wanted by ann", {"by": "relay", "state_before": "STOPPED", "epoch": 1})
    assert ready.facts["took_s"] == 100.0
    assert ready.facts["boot_s"] == 20.5
    assert ready.facts["instance_type"] == "g5.xlarge"
    assert ready.summary == "demo is ready after 1m 40s"


def test_facts_of_an_end() -> None:
    forced, stopped = said(history(*WAKE, ("run>stopping", {"forced": True, "by": "ann"}), "stopping>off"))[2:]
    assert forced.facts == {"by": "ann", "state_before": "RUNNING", "forced": True, "epoch": 3}
    assert stopped.facts == {"by": "reaper", "forced": True, "unexpected": False, "on_s": 300.0, "epoch": 4}
    lost = said(history(*WAKE, "run>off"))[-1]
    assert lost.facts["unexpected"] is True
    failed = said(history("off>start", ("start>failed", NO_ROOM | {"reason": "EC2:\nnone"})))[-1]
    assert failed.facts == {"by": "reaper", "failure": "capacity", "tried_s": 100.0, "epoch": 2}
    assert (failed.summary, failed.reason) == ("demo failed to start (capacity): EC2: none", "EC2:\nnone")


def test_an_older_failure_without_its_code_is_told_by_its_words() -> None:
    assert said(history("off>start", ("start>failed", {"reason": "quota"})))[-1].facts["failure"] == "quota"


def test_a_unit_that_is_not_the_stacks_one_host_has_its_own_name() -> None:
    events = history("off>start")
    ((_, notification),) = told(events, after=0, stack="demo", unit="demo/chat")
    assert notification.summary.startswith("demo/chat is waking")
