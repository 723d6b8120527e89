"""The look at plain instances: what is asked, stopped and told, and how often."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from core.contract.tags import TAG_AUTO_STOP
from core.notifications import Notification
from core.plain import PERIOD_S, PlainMachine, Usage
from runtime.backends import Backend
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.backends.power import PowerRefused, PowerUnanswered
from runtime.reaper.passes import RESERVE_S, Reaper, Whom, reaper
from runtime.reaper.plain import FLEET, PlainInstances
from runtime.reaper.sweep import Report


class Cloud:
    """Machines and what CloudWatch has of them: the same figures for each five minutes of the last day."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.there: dict[str, PlainMachine] = {}
        self.cpu: dict[str, float] = {}
        self.asked: list[tuple[str, ...]] = []
        self.stops: list[str] = []
        self.fails: Exception | None = None
        self.told: list[tuple[str, str, str, str]] = []
        self.deaf = False

    def add(self, instance_id: str, tag: str = "30m", cpu: float = 0.5, **changes: Any) -> None:
        machine = PlainMachine(instance_id, {TAG_AUTO_STOP: tag}, self.now - 86400, 4)
        self.there[instance_id] = dataclasses.replace(machine, **changes)
        self.cpu[instance_id] = cpu

    def machines(self) -> Sequence[PlainMachine]:
        if self.fails:
            raise self.fails
        return list(self.there.values())

    def usage(self, starts: Mapping[str, float], end: float) -> Mapping[str, Usage]:
        self.asked.append(tuple(starts))
        last = end // PERIOD_S * PERIOD_S
        times = [last - n * PERIOD_S for n in range(1, 288)]
        idle = dict.fromkeys(times, 1000.0)
        return {i: Usage(dict.fromkeys(times, self.cpu[i]), idle) for i in starts}

    def stop(self, instance_id: str) -> None:
        self.stops.append(instance_id)
        if self.fails:
            raise self.fails
        del self.there[instance_id]

    def send(self, topic: str, notification: Notification) -> bool:
        if not self.deaf:
            self.told.append((topic, notification.unit, str(notification.facts["alert"]), notification.reason))
        return not self.deaf


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def plain(cloud: Cloud) -> PlainInstances:
    return PlainInstances(cloud, cloud, "arn:topic", lambda: cloud.now)


def test_an_idle_one_is_stopped_once_and_told(cloud: Cloud, plain: PlainInstances) -> None:
    cloud.add("i-1")
    cloud.add("i-2", cpu=80.0)
    said = plain.look()
    assert said["i-1"] == "stopped i-1: no evidence of use for 30m"
    assert said["i-2"].startswith("in use")
    assert cloud.stops == ["i-1"]
    assert cloud.told == [("arn:topic", "i-1", "plain-stopped", "stopped i-1: no evidence of use for 30m")]


def test_it_looks_every_five_minutes_at_most(cloud: Cloud, plain: PlainInstances) -> None:
    cloud.add("i-1", tag="off")
    looks = []
    for _ in range(6):
        looks.append(plain.look())
        cloud.now += 60
    kept = {"i-1": "pilotlight:auto-stop is off"}
    assert looks == [kept, {}, {}, {}, {}, kept]


def test_figures_are_asked_for_only_of_those_that_may_stop(cloud: Cloud, plain: PlainInstances) -> None:
    cloud.add("i-1", cpu=80.0)
    cloud.add("i-2", tag="off")
    cloud.add("i-3", lifecycle="spot")
    for _ in range(3):
        plain.look()
        cloud.now += PERIOD_S
    assert cloud.asked == [("i-1",)]  # busy a moment ago: not idle for half an hour before half an hour is over
    cloud.add("i-1", tag="15m", cpu=80.0)  # edited in the console
    plain.look()
    assert cloud.asked == [("i-1",), ("i-1",)]


def test_a_tag_that_cannot_be_read_is_told_once_a_change(cloud: Cloud, plain: PlainInstances) -> None:
    for tag in ("30 minuts", "30 minuts", "30 minutes", "30m", "30 minuts"):
        cloud.add("i-1", tag=tag, cpu=80.0)
        plain.look()
        cloud.now += PERIOD_S
    assert [alert for _, _, alert, _ in cloud.told] == ["plain-tag"] * 3
    assert cloud.stops == []


def test_an_alert_that_could_not_be_sent_is_sent_later(cloud: Cloud, plain: PlainInstances) -> None:
    cloud.add("i-1", tag="?")
    cloud.deaf = True
    plain.look()
    cloud.deaf, cloud.now = False, cloud.now + PERIOD_S
    plain.look()
    assert [alert for _, _, alert, _ in cloud.told] == ["plain-tag"]


@pytest.mark.parametrize(
    "error",
    [PowerRefused("UnsupportedOperation", "no such disk"), PowerUnanswered("time-out")],
)
def test_a_stop_that_is_refused_is_told_and_tried_again(
    cloud: Cloud, plain: PlainInstances, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(instance_id: str) -> None:
        cloud.stops.append(instance_id)
        raise error

    monkeypatch.setattr(cloud, "stop", refuse)
    cloud.add("i-1")
    cloud.add("i-2")
    for _ in range(2):
        said = plain.look()
        cloud.now += PERIOD_S
    assert "could not be stopped" in said["i-2"]
    assert cloud.stops == ["i-1", "i-2"] * 2
    assert [(unit, alert) for _, unit, alert, _ in cloud.told] == [("i-1", "plain-refused"), ("i-2", "plain-refused")]


def test_a_cloud_that_does_not_answer_is_told_and_asked_again(cloud: Cloud, plain: PlainInstances) -> None:
    cloud.add("i-1")
    cloud.fails = PowerUnanswered("describe_instances: time-out")
    for _ in range(2):
        plain.look()
        cloud.now += PERIOD_S
    assert [(unit, alert) for _, unit, alert, _ in cloud.told] == [(FLEET, "plain-broken")]
    cloud.fails = None
    assert "i-1" in plain.look()


class Sweep:
    def run(self, units: Sequence[str] | None = None, *, until: float = 0.0) -> Report:
        return Report()


class NoMachines:
    def describe_fleet(self, machines: Mapping[str, str]) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(
    ("unit", "left_s", "looked"),
    [
        (None, RESERVE_S, True),
        ("demo/host", 45.0, False),  # the relay's: somebody waits
        (None, RESERVE_S - 1, False),
    ],
)
def test_a_pass_looks_while_it_has_the_time(
    cloud: Cloud, plain: PlainInstances, unit: str | None, left_s: float, looked: bool
) -> None:
    cloud.add("i-1")
    assert ("plain" in Reaper(Sweep(), plain).run(lambda: left_s, unit)) is looked
    assert cloud.stops == (["i-1"] if looked else [])


@pytest.mark.parametrize("wanted", [True, False])
def test_they_are_looked_after_where_the_control_says_so(cloud: Cloud, wanted: bool) -> None:
    cloud.add("i-1")
    backend = Backend(MemoryLeaseStore(lambda: cloud.now), NoMachines(), cloud, lambda unit: None, plain=cloud)
    assert ("plain" in reaper(backend, Whom(plain=wanted)).run(lambda: 45.0)) is wanted
