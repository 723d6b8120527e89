"""The reaper's pass over an in-memory store and a machine that obeys."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from core import lease as protocol
from core.contract.intervals import DRAIN_TIMEOUT_S, START_ATTEMPTS, STOP_BACKSTOP_AFTER_S, STOP_ORDER_LIFE_S
from core.errors import ContractError, LeaseError
from core.lease import Lease, State
from core.policy import Action
from runtime.backends.power import PowerRefused, PowerUnanswered, refusal
from runtime.reaper.sweep import SAY_KEPT
from tests.runtime.reaper.world import SETTINGS, World, wake_requested


@pytest.fixture
def world() -> World:
    return World()


def test_idle_is_asked_to_stop_and_nothing_is_ordered(world: World) -> None:
    world.add(State.RUNNING, "running")
    world.now += 1800
    world.store.write(_note(world.lease(), agent_at=world.now))
    assert world.run() == {"demo/host": Action.DRAIN}
    assert (world.lease().state, world.power.orders) == (State.DRAINING, [])


def test_a_drain_that_takes_too_long_is_given_up_and_is_no_demand(world: World) -> None:
    world.add(State.DRAINING, "running", demand_at=5.0)
    world.now += DRAIN_TIMEOUT_S
    world.run()
    assert (world.lease().state, world.lease().demand_at) == (State.RUNNING, 5.0)


def test_stopped_and_wished_is_started_in_the_same_pass(world: World) -> None:
    world.add(State.STOPPING, "stopped", **wake_requested(world))
    world.run()
    assert (world.lease().state, world.power.orders) == (State.STARTING, [("start", "i-demo/host")])
    assert world.lease().boot_id == ""


def test_a_backstop_is_claimed_before_it_is_sent_and_one_at_a_time(world: World) -> None:
    world.add(State.STOPPING, "running")
    world.now += STOP_BACKSTOP_AFTER_S
    world.power.refuse = [PowerUnanswered("time-out")]
    world.run()
    assert world.lease().order_until is not None
    world.run()
    assert world.power.orders == [("stop", "i-demo/host")]
    world.now += 16
    world.run()
    assert len(world.power.orders) == 2


def test_a_stop_order_is_not_sent_when_its_claim_took_too_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr("runtime.reaper.act.time.monotonic", lambda: float(next(clock)))
    world.add(State.STOPPING, "running")
    world.now += STOP_BACKSTOP_AFTER_S
    world.run()
    assert world.lease().order_until is not None
    assert world.power.orders == []


def test_capacity_fails_with_ec2s_words_then_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.reaper.climb.time.sleep", lambda _: None)
    world.add(State.STOPPED, "stopped", **wake_requested(world) | {"wake_until": world.now + 999})
    world.power.refuse = [PowerRefused("InsufficientInstanceCapacity", "none left")] * 2
    report = world.sweep.run()
    assert (world.lease().state, world.lease().failure) == (State.FAILED, "capacity")
    assert "InsufficientInstanceCapacity: none left" in world.lease().reason
    assert world.told.kinds == ["waking", "failed"]
    assert report.due_in_s("demo/host") == 0.0
    for _ in range(6):
        world.now += 60
        world.run()
    assert (world.lease().state, world.machine()) == (State.STARTING, "pending")
    assert world.told.kinds == ["waking", "failed"], "a retry is no news"
    assert world.told.alerts == []


def test_a_start_while_still_stopping_is_repeated_not_failed(world: World) -> None:
    world.add(State.STOPPED, "stopped", **wake_requested(world))
    world.power.refuse = [refusal("IncorrectInstanceState", "stopping")]
    world.run()
    assert world.lease().state is State.STARTING
    world.now += 61
    world.run()
    assert (world.lease().attempts, world.machine()) == (1, "pending")


def test_a_start_without_an_answer_is_repeated_until_the_start_is_over(world: World) -> None:
    world.add(State.STOPPED, "stopped", **wake_requested(world))
    world.power.refuse = [PowerUnanswered("time-out")] * 100
    passes = int(SETTINGS.start_timeout_s // 61) + 1
    for _ in range(passes):
        world.run()
        assert world.lease().state is State.STARTING
        world.now += 61
    world.run()
    assert (world.lease().state, world.lease().failure) == (State.FAILED, "start-timeout")
    assert world.power.orders == [("start", "i-demo/host")] * passes


def test_a_start_that_ec2_takes_and_lets_fall_is_repeated_a_few_times(world: World) -> None:
    world.add(State.STOPPED, "stopped", **wake_requested(world))
    for _ in range(START_ATTEMPTS):
        world.run()
        world.power.states["i-demo/host"] = "stopped"
        assert world.lease().state is State.STARTING
        world.now += 61
    world.run()
    assert (world.lease().state, world.lease().failure) == (State.FAILED, "start-refused")
    assert world.power.orders == [("start", "i-demo/host")] * START_ATTEMPTS


def test_not_ready_in_time_fails_and_stops_the_machine(world: World) -> None:
    world.add(State.STARTING, "running")
    world.now += 600
    world.run()
    lease = world.lease()
    assert (lease.state, lease.failure, world.machine()) == (State.FAILED, "start-timeout", "stopping")
    assert lease.order_until is not None


def test_a_failed_machine_that_kept_running_is_stopped_again(world: World) -> None:
    world.add(State.FAILED, "running", failure="start-timeout", order_until=world.now)
    world.now += 60
    world.run()
    assert (world.lease().state, world.machine()) == (State.FAILED, "stopping")


def test_power_off_by_hand_is_believed_the_second_time(world: World) -> None:
    world.add(State.RUNNING, "stopped")
    world.run()
    assert world.lease().state is State.RUNNING
    world.now += 31
    world.run()
    assert world.lease().state is State.STOPPED
    assert "EC2's words" in world.lease().reason


def test_started_by_hand_is_adopted(world: World) -> None:
    world.add(State.STOPPED, "running")
    world.now += 30
    world.run()
    assert (world.lease().state, world.lease().boot_id, world.power.orders) == (State.STARTING, "", [])


def test_max_lease_is_a_forced_stop(world: World) -> None:
    world.add(State.RUNNING, "running")
    world.now += 7200
    world.store.write(_note(world.lease(), agent_at=world.now))
    world.run()
    assert (world.lease().state, world.lease().by) == (State.STOPPING, "reaper")
    assert world.store.events("demo/host")[-1].facts["forced"] is True


def test_the_schedule_requests_and_starts(world: World) -> None:
    world.add(State.STOPPED, "stopped")
    always = dataclasses.replace(SETTINGS, instance_id="i-demo/host", schedule_on="* * * * *", schedule_off="0 0 1 1 *")
    world.store.put_settings(always)
    world.run()
    assert (world.lease().state, world.lease().wake_by) == (State.STARTING, "schedule")


def test_an_alert_is_sent_once_until_its_reason_changes(world: World) -> None:
    world.add(State.STOPPED, "terminated")
    for _ in range(3):
        world.run()
        world.now += 60
    assert world.told.alerts == [("demo/host", "gone")]
    world.power.states["i-demo/host"] = "stopped"
    world.run()
    world.power.states["i-demo/host"] = "terminated"
    world.run()
    assert [key for _, key in world.told.alerts] == ["gone", "-gone", "gone"]


def test_an_alert_that_could_not_be_sent_is_sent_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(State.STOPPED, "terminated")
    monkeypatch.setattr(world.told, "send", lambda *_: False)
    world.run()
    monkeypatch.undo()
    world.run()
    assert world.told.alerts == [("demo/host", "gone")]


def test_one_broken_unit_does_not_stop_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(State.STOPPED, "stopped", unit="a/host", lease_version=99)
    world.add(State.STOPPED, "stopped", unit="b/host", **wake_requested(world))
    for _ in range(2):
        report = world.sweep.run()
        assert list(report.broken) == ["a/host"]
        assert "version 99" in report.broken["a/host"]
    assert world.lease("b/host").state is State.STARTING
    assert world.told.alerts.count(("a/host", "broken")) == 1


def test_a_unit_that_breaks_in_the_doing_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(State.STOPPED, "stopped", unit="a/host", **wake_requested(world))
    world.add(State.STOPPED, "stopped", unit="b/host", **wake_requested(world))
    write: Callable[..., Any] = world.store.write

    def breaks(what: protocol.Write) -> Any:
        if what.unit == "a/host":
            raise LeaseError("broken in between")
        return write(what)

    monkeypatch.setattr(world.store, "write", breaks)
    report = world.sweep.run()
    assert list(report.broken) == ["a/host"]
    assert world.lease("b/host").state is State.STARTING


def test_ec2_is_asked_once_for_all(world: World) -> None:
    for name in ("a", "b", "c"):
        world.add(State.STOPPED, "stopped", unit=f"{name}/host")
    world.run()
    assert world.power.describes == 1


def test_two_reapers_start_a_machine_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second decides on what it read before the first wrote."""
    world.add(State.STOPPED, "stopped", **wake_requested(world))
    read_many = world.store.read_many
    old = read_many(["demo/host"])
    world.run()
    monkeypatch.setattr(world.store, "read_many", lambda units: old)
    world.power.states["i-demo/host"] = "stopped"
    world.run()
    assert world.power.orders == [("start", "i-demo/host")]


def test_two_reapers_tell_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(State.RUNNING, "stopped", stopped_seen=world.now - 60)
    old = world.store.read_many(["demo/host"])
    world.run()
    monkeypatch.setattr(world.store, "read_many", lambda units: old)
    world.run()
    assert (world.told.kinds, world.told.alerts) == (["stopped"], [])


def test_a_unit_that_joins_is_seen_in_the_next_pass(world: World) -> None:
    assert world.run() == {}
    world.add(State.STOPPED, "stopped")
    assert list(world.run()) == ["demo/host"]


def test_unreadable_settings_are_one_units_trouble(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(State.STOPPED, "stopped", unit="b/host", **wake_requested(world))
    settings: dict[str, Any] = {"a/host": ContractError("no JSON"), **world.store.all_settings()}
    monkeypatch.setattr(world.store, "all_settings", lambda: settings)
    report = world.sweep.run()
    assert (report.broken, list(report.outcomes)) == ({"a/host": "no JSON"}, ["b/host"])


def test_a_slow_read_makes_no_time_old(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders of a lease that was read first begin their lives at the last batch's time."""
    world.add(State.STOPPING, "running", unit="a/host")
    world.add(State.STOPPED, "stopped", unit="b/host")
    world.now += STOP_BACKSTOP_AFTER_S
    readings = dict(world.store.read_many(["a/host", "b/host"]))
    readings["b/host"] = dataclasses.replace(readings["b/host"], now=world.now + 20)  # type: ignore[type-var]
    monkeypatch.setattr(world.store, "read_many", lambda _: readings)
    world.sweep.run()
    assert (world.lease("a/host").order_until or 0.0) >= world.now + 20 + STOP_ORDER_LIFE_S


def test_a_fleets_log_says_only_what_was_done(world: World, caplog: pytest.LogCaptureFixture) -> None:
    for n in range(SAY_KEPT):
        world.add(State.STOPPED, "stopped", unit=f"{n:03}/host")
    with caplog.at_level("INFO", logger="pilotlight.reaper"):
        world.run()
        assert len(caplog.records) == SAY_KEPT
        world.add(State.STOPPED, "stopped", unit="requested/host", **wake_requested(world))
        caplog.clear()
        world.run()
    assert [r.getMessage().split()[:2] for r in caplog.records] == [["requested/host", "start:"]]


def test_a_flapping_host_is_not_asked_to_stop_and_its_history_is_read_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(State.RUNNING, "running")
    world.now += 1799
    read: list[str] = []
    began = world.now - 3600

    def events(unit: str, *, epochs: range, limit: int | None = None) -> Sequence[protocol.Event]:
        if limit is None:
            return ()  # people are told of the drain
        if limit > 1:
            read.append(unit)
        steps = [(600.0 * n + d, *s) for n in range(3) for d, s in ((0, OFF_TO_ON[0]), (40, OFF_TO_ON[1]))]
        return [protocol.Event(1, began + at, before, after, "x", "y") for at, before, after in steps]

    monkeypatch.setattr(world.store, "events", events)
    for ago, action in ((0, Action.KEEP), (1, Action.KEEP), (1800, Action.DRAIN)):
        world.now += ago
        world.store.write(protocol.Write("demo/host", f"beat {ago}", (), {"agent_at": world.now}))
        assert world.run() == {"demo/host": action}
    assert read == ["demo/host"]
    assert "woken three times within an hour" in world.lease().reason


OFF_TO_ON = (("STOPPED", "STARTING"), ("STARTING", "RUNNING"))


def _note(lease: Lease, **sets: Any) -> protocol.Write:
    return protocol.Write(lease.unit, "note", (), sets)


def test_a_pin_starts_a_host_that_is_off(world: World) -> None:
    pin = {"pin_until": world.now + 7000, "pin_who": "ann", "pin_why": "demo"}
    world.add(State.STOPPED, "stopped", **pin)
    assert world.run() == {"demo/host": Action.PRE_WARM}
    lease = world.lease()
    assert (lease.state, lease.wake_by) == (State.STARTING, "pin of ann")
    assert world.power.orders == [("start", "i-demo/host")]


def test_a_pin_keeps_an_idle_host_on(world: World) -> None:
    world.add(State.RUNNING, "running", pin_until=world.now + 3001, pin_who="ann")
    for later, action in ((3000, Action.KEEP), (1, Action.DRAIN)):
        world.now += later
        world.store.write(_note(world.lease(), agent_at=world.now))
        assert world.run() == {"demo/host": action}


def test_a_forced_stop_ends_the_pin_and_the_host_stays_off(world: World) -> None:
    world.add(State.RUNNING, "running", pin_until=world.now + 99999, pin_who="ann")
    world.now += SETTINGS.max_lease_s
    world.store.write(_note(world.lease(), agent_at=world.now))
    assert world.run() == {"demo/host": Action.FORCE}
    assert world.lease().pin_until is None
    world.power.states["i-demo/host"] = "stopped"
    world.run()
    assert world.run() == {"demo/host": Action.KEEP}
    assert world.lease().state is State.STOPPED
