"""`fab explain` says what the reaper does: the forecast beside the real pass over a store, minute by minute."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from core import lease as protocol
from core.contract.documents import UnitSettings
from core.contract.tags import TAG_UNIT
from core.lease import Inhibitor, Lease, Outcome, Refused, State, to_item
from core.policy import Action, Facts
from core.policy.forecast import START_GUESS_S, Span, forecast
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.backends.power import Machine
from runtime.reaper.sweep import Sweep
from tests.core.test_policy_forecast import DAY, NOON, OFFICE, PLAIN, at, running
from tests.runtime.reaper.world import Told

UNIT = "s/host"
TYPES = ("g6.xlarge", "g5.xlarge")


class Obedient:
    """EC2 for one machine that does at once what it is told."""

    def __init__(self, state: str, instance_type: str) -> None:
        self.state, self.type = state, instance_type

    def describe(self, instance_id: str) -> Machine:
        return Machine(instance_id, self.state, "", self.type, tags={TAG_UNIT: UNIT})

    def describe_fleet(self, machines: Mapping[str, str]) -> dict[str, Machine]:
        return {i: self.describe(i) for i in machines.values()}

    def start(self, instance_id: str) -> None:
        self.state = "running"

    def stop(self, instance_id: str) -> None:
        self.state = "stopped"

    def set_type(self, instance_id: str, instance_type: str) -> None:
        self.type = instance_type


class World:
    """The reaper's own pass, and an agent that obeys as the forecast's does."""

    def __init__(self, lease: Lease, machine: str, settings: UnitSettings) -> None:
        self.now, self.silent = NOON, lease.state is State.RUNNING and NOON - (lease.agent_at or NOON) >= 180
        self.store = MemoryLeaseStore(lambda: self.now)
        self.power = Obedient(machine, lease.rung or settings.instance_types[0])
        self.sweep = Sweep(self.store, self.power, Told())
        self.store.put_settings(settings)
        self.store.write(protocol.Write(UNIT, "n", (), to_item(lease)))

    @property
    def lease(self) -> Lease:
        lease = self.store.read(UNIT).lease
        assert lease is not None
        return lease

    def minute(self) -> str:
        self.agent()
        action = self.sweep.run().outcomes[UNIT].action
        self.look(self.lease)
        return action

    def agent(self) -> None:
        lease = self.lease
        if lease.state is State.STOPPING:
            self.power.state = "stopped"
        lease = self.look(lease)
        if lease.state is State.STARTING and self.now - lease.since >= START_GUESS_S:
            self.set(boot_id="b")
            self.power.state = "running"
            self.write(protocol.ready(self.lease, boot_id="b", now=lease.since + START_GUESS_S, nonce="ready"))
            lease = self.lease
        if lease.state is State.RUNNING and not self.silent:
            self.set(agent_at=self.now, busy=0)

    def look(self, lease: Lease) -> Lease:
        """The agent's stop, where the lease drains; the lease after it."""
        if lease.state is State.DRAINING:
            self.write(protocol.stop(lease, boot_id=lease.boot_id, now=self.now, nonce=f"stop {self.now}"))
            return self.lease
        return lease

    def set(self, **sets: Any) -> None:
        self.store.write(protocol.Write(UNIT, f"{self.now} {sorted(sets)}", (), sets))

    def write(self, outcome: Outcome) -> None:
        if not isinstance(outcome, Refused):
            self.store.write(outcome)


def off(**fields: Any) -> Lease:
    base = dataclasses.replace(running(), state=State.STOPPED, boot_id="", since=NOON - 7200, notified=7)
    return dataclasses.replace(base, **fields)


LADDER = dataclasses.replace(OFFICE, instance_types=TYPES)
EVENING = dataclasses.replace(LADDER, schedule_off="0 11 * * mon-fri")  # at noon it is over
PIN = {"pin_until": NOON + 7200, "pin_who": "ann"}
CASES: dict[str, tuple[Lease, str, UnitSettings]] = {
    "off, another type, office hours": (off(rung="g5.xlarge"), "stopped", LADDER),
    "failed, another type": (
        off(state=State.FAILED, failure="capacity", rung="g5.xlarge", by="reaper"),
        "stopped",
        LADDER,
    ),
    "off, office hours": (off(), "stopped", OFFICE),
    "off, another type, after hours": (off(rung="g5.xlarge"), "stopped", EVENING),
    "off, pinned": (off(**PIN), "stopped", PLAIN),
    "off, wanted": (off(wake_by="ann", wake_until=NOON + 60), "stopped", PLAIN),
    "off, a stop order may land": (off(order_until=NOON + 5, **PIN), "stopped", PLAIN),
    "started by hand": (off(), "running", PLAIN),
    "running": (running(), "running", PLAIN),
    "running, held": (
        running(inhibitors=(Inhibitor("deploy", "x", NOON + 3600),), inhibited_until=NOON + 3600),
        "running",
        PLAIN,
    ),
    "running, pinned for longer than maxLease": (
        running(pin_until=NOON + DAY, pin_who="ann"),
        "running",
        dataclasses.replace(PLAIN, max_lease_s=7200.0),
    ),
    "running, silent": (running(agent_at=NOON - 600), "running", PLAIN),
    "running, stopped from outside": (running(stopped_seen=NOON - 60), "stopped", OFFICE),
    "starting, the machine fell back": (
        running(state=State.STARTING, boot_id="", since=NOON - 70, order_at=NOON - 70, attempts=1),
        "stopped",
        PLAIN,
    ),
    "starting for too long": (
        running(state=State.STARTING, boot_id="", since=NOON - 901, order_at=NOON - 901, attempts=1),
        "running",
        PLAIN,
    ),
    "draining": (running(state=State.DRAINING, since=NOON - 5), "running", PLAIN),
    "stopping": (running(state=State.STOPPING, since=NOON - 90), "running", OFFICE),
    "new": (running(state=State.NEW, boot_id="", since=NOON), "running", PLAIN),
}


# From a Friday's noon: over its evening; a day, or where there are hours over the weekend to Monday's start
@pytest.mark.parametrize("hours", [9, pytest.param(96, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("name", CASES)
def test_the_forecast_says_what_the_reaper_does(name: str, hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 0.0)  # a pass takes no time
    lease, machine, settings = CASES[name]
    hours = hours if settings.schedule_on else min(hours, 24)
    world = World(lease, machine, settings)
    facts = Facts(machine, instance_type=lease.rung or settings.instance_types[0])
    spans = forecast(lease, facts, settings, now=NOON, until=NOON + hours * 3600)
    for minute in range(hours * 60):
        world.now = NOON + 60.0 * minute
        action, said, state = world.minute(), covering(spans, world.now), world.lease.state
        assert (said.phase, said.state if said.start == world.now else state) == (
            phase(state),
            state,
        ), f"minute {minute}: the reaper did {action}, the forecast says {said}"
        if said.start == world.now:
            assert said.action == action


def covering(spans: list[Span], now: float) -> Span:
    return next(span for span in spans if span.start <= now < span.end)


def phase(state: State) -> str:
    return Span(0, 0, state, "", Action.KEEP, "").phase


def test_an_off_host_on_another_type_shows_the_start_at_nine() -> None:
    """On a Friday after hours: the type goes back now, and Monday's hours come."""
    spans = forecast(off(rung="g5.xlarge"), Facts("stopped"), EVENING, now=NOON, until=NOON + 4 * DAY)
    assert [s.phase for s in spans][:3] == ["off", "starting", "on"]
    assert spans[0].action is Action.KEEP  # the type is back within the first pass
    assert any(s.start == at("2026-11-23T09:00") and s.phase == "on" for s in spans)
