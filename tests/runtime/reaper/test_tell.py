"""What a pass tells people: over the real lease functions, an in-memory store, and a topic that may refuse."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from core import lease as protocol
from core.errors import LeaseError
from core.lease import Event, Lease, Outcome, State, Write, to_item
from core.money.ledger import Spent
from core.notifications import Kind, Notification
from core.policy import Action, Decision
from runtime.backends.leases import StoreUnavailable
from runtime.reaper import tell
from tests.runtime.reaper.world import World

UNIT = "demo/host"


@pytest.fixture
def world() -> World:
    return World()


def kinds(world: World) -> list[str]:
    """What was told since the last call."""
    found, world.told.notifications = [n.kind.value for n in world.told.notifications], []
    return found


def does(world: World, outcome: Outcome) -> None:
    """A step that relay or agent make."""
    assert isinstance(outcome, Write), outcome
    assert world.store.write(outcome)


def beat(world: World, **fields: Any) -> None:
    world.store.write(Write(UNIT, f"beat {world.now}", (), {"agent_at": world.now, **fields}))


def test_a_whole_life_is_told_once_each(world: World) -> None:
    world.add(State.STOPPED, "stopped", notified=3, wake_by="ann", wake_at=world.now, wake_until=world.now + 600)
    world.run()
    assert kinds(world) == ["waking"]
    world.power.states["i-demo/host"] = "running"
    world.now += 90
    does(world, protocol.claim_boot(world.lease(), instance_id="i-demo/host", boot_id="b", now=world.now, nonce="c"))
    does(world, protocol.ready(world.lease(), boot_id="b", now=world.now, nonce="r"))
    world.run()
    world.run()
    assert [n.facts["took_s"] for n in world.told.notifications] == [90.0]
    assert kinds(world) == ["ready"]
    for later in (1499, 1, 60, 239):
        world.now += later
        beat(world)
        world.run()
    assert (kinds(world), world.lease().state) == (["about-to-stop"], State.RUNNING)
    world.now += 1
    beat(world)
    world.run()
    assert (kinds(world), world.lease().state) == ([], State.DRAINING)
    does(world, protocol.stop(world.lease(), boot_id="b", now=world.now, nonce="s"))
    world.power.states["i-demo/host"] = "stopped"
    world.run()
    assert [n.facts["on_s"] for n in world.told.notifications] == [90.0 + 1800.0]
    assert kinds(world) == ["stopped"]
    world.run()
    assert kinds(world) == []
    assert world.lease().notified == world.lease().epoch


def test_where_nothing_happened_nothing_is_asked_or_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for unit, state in (("a/host", State.STOPPED), ("b/host", State.RUNNING)):
        machine = "stopped" if state is State.STOPPED else "running"
        world.add(state, machine, unit=unit, notified=3)
    world.add(State.STOPPED, "stopped", unit="old/host")  # from before there were notifications
    monkeypatch.setattr(world.store, "events", lambda *_, **__: pytest.fail("a call"))
    monkeypatch.setattr(world.store, "write", lambda *_: pytest.fail("a call"))
    world.run()
    assert world.told.notifications == []


def test_a_drain_that_was_vetoed_is_noted_and_not_told(world: World) -> None:
    world.add(State.RUNNING, "running", notified=3)
    does(world, protocol.drain(world.lease(), now=world.now, nonce="d", reason="idle"))
    does(world, protocol.resume(world.lease(), by="agent", now=world.now, nonce="v", reason="veto"))
    world.run()
    assert (kinds(world), world.lease().notified) == ([], 5)


def test_what_could_not_be_sent_is_sent_by_a_later_pass_in_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(State.RUNNING, "running", notified=3)
    world.now += 7200
    beat(world)
    world.store.put_settings(dataclasses.replace(world.store.settings(UNIT), stop_after_s=None))  # type: ignore[type-var]
    sent: list[Notification] = []

    def once(_: str, notification: Notification) -> bool:
        sent.append(notification)
        return len(sent) > 1

    monkeypatch.setattr(world.told, "send", once)
    world.run()
    assert (world.lease().state, world.lease().notified) == (State.STOPPING, 3)
    world.run()
    assert [n.kind for n in sent] == [Kind.FORCED, Kind.FORCED]
    assert sent[0].id == sent[1].id
    assert world.lease().notified == 4


def test_a_topic_that_took_nothing_is_asked_once_a_pass(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("a", "b", "c"):
        world.add(State.STOPPED, "terminated", unit=f"{name}/host", notified=3)
    other = world.store.settings("c/host")
    assert other is not None
    world.store.put_settings(dataclasses.replace(other, alerts_topic_arn="arn:other"))
    monkeypatch.setattr(world.told, "send", lambda topic, _: asked.append(topic))
    world.run()
    assert sorted(asked) == ["arn:other", "arn:topic"]
    world.run()
    assert len(asked) == 4


def test_a_reaper_that_ends_between_sending_and_noting_tells_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(State.RUNNING, "stopped", stopped_seen=world.now - 60, notified=3)
    write = world.store.write

    def dies(what: Write) -> Lease | None:
        if "notified" in what.sets and not what.event:
            raise StoreUnavailable("gone")
        return write(what)

    monkeypatch.setattr(world.store, "write", dies)
    report = world.sweep.run()
    assert (report.broken, world.lease().state) == ({}, State.STOPPED)
    monkeypatch.undo()
    world.run()
    assert [n.id for n in world.told.notifications] == ["demo/host:4:stopped"] * 2


def test_two_reapers_may_tell_twice_with_one_id_and_note_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(State.STOPPED, "stopped", notified=3)
    world.store.write(_woken(world))
    old = world.store.read_many([UNIT])
    world.run()
    after = world.lease()
    monkeypatch.setattr(world.store, "read_many", lambda _: old)
    world.run()
    assert {n.id for n in world.told.notifications} == {"demo/host:4:waking"}
    assert world.lease().notified == after.notified == 4


def test_who_was_not_first_leaves_the_telling(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(State.STOPPED, "stopped", notified=2, wake_by="ann", wake_at=world.now, wake_until=world.now + 600)
    event = Event(3, world.now, State.STOPPING, State.STOPPED, "reaper", "idle")
    world.store.write(Write(UNIT, "stopped", (), {"epoch": 3}, event))
    old = world.store.read_many([UNIT])
    world.run()
    assert kinds(world) == ["stopped", "waking"]
    monkeypatch.setattr(world.store, "read_many", lambda _: old)
    world.power.states["i-demo/host"] = "stopped"
    world.run()
    assert kinds(world) == []


def _woken(world: World) -> Write:
    lease = dataclasses.replace(world.lease(), state=State.STARTING, epoch=4)
    event = Event(4, world.now, State.STOPPED, State.STARTING, "relay", "wanted")
    return Write(UNIT, "start", (), to_item(lease) | {"order_at": world.now, "boot_id": None}, event)


def test_a_backlog_is_told_in_parts(world: World) -> None:
    world.add(State.RUNNING, "running", notified=3)
    lease = world.lease()
    for epoch in range(4, 4 + 3 * tell.EVENTS_A_PASS):
        before, after = (State.STOPPED, State.STARTING) if epoch % 2 else (State.STARTING, State.RUNNING)
        event = Event(epoch, world.now, before, after, "x", "y")
        world.store.write(Write(UNIT, f"n{epoch}", (), {"epoch": epoch, "nonce": "x"}, event))
    assert lease.epoch == 3
    told: list[int] = []
    for _ in range(4):
        world.run()
        told.append(len(kinds(world)))
        beat(world)
    assert told == [tell.EVENTS_A_PASS] * 3 + [0]


def test_out_of_time_the_rest_is_told_by_the_next_pass(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third unit's turn comes too late; it is heard of again, since its lease still owes it."""
    teller, clock = tell.Teller(world.store, world.told), iter((0.0, 1.0, 2.0, tell.TELL_FOR_S + 1))
    for name in ("a", "b", "c"):
        world.add(State.STOPPED, "terminated", unit=f"{name}/host")
    monkeypatch.setattr(tell.time, "monotonic", lambda: next(clock, 99.0))
    for name in ("a", "b", "c"):
        settings = world.store.settings(f"{name}/host")
        assert settings is not None
        keep = Decision(Action.KEEP, "gone", alert="gone")
        teller.hear(tell.News(settings, world.lease(settings.unit), keep, "gone", "words", world.now, None, ""))
    teller.tell(())
    assert world.told.alerts == [("a/host", "gone"), ("b/host", "gone")]
    monkeypatch.undo()
    world.run()
    assert world.told.alerts[2:] == [("c/host", "gone")]


def test_an_event_that_cannot_be_read_is_that_units_trouble(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(State.RUNNING, "stopped", unit="a/host", stopped_seen=world.now - 60, notified=3)
    world.add(State.RUNNING, "stopped", unit="b/host", stopped_seen=world.now - 60, notified=3)
    events = world.store.events

    def breaks(unit: str, **asked: Any) -> Sequence[Event]:
        if unit == "a/host":
            raise LeaseError("an event cannot be read")
        return events(unit, **asked)

    monkeypatch.setattr(world.store, "events", breaks)
    for _ in range(2):
        assert list(world.sweep.run().broken) == ["a/host"]
    assert world.told.alerts == [("a/host", "broken")]
    assert world.told.kinds == ["stopped"]


def test_a_standing_alert_is_not_forgotten_over_one_that_a_kind_tells(world: World) -> None:
    """maxLease is near and a tag is wrong: the tag's alert comes once, and stays what it is."""
    world.add(State.STOPPED, "terminated", notified=3)
    world.run()
    assert world.lease().alerted == "gone"
    world.store.write(Write(UNIT, "f", (), {"state": "FAILED", "failure": "gone"}))
    world.run()
    assert world.lease().alerted == "gone"
    world.power.states["i-demo/host"] = "stopped"
    world.store.write(Write(UNIT, "s", (), {"state": "STOPPED", "failure": None}))
    world.run()
    assert world.told.alerts == [("demo/host", "gone"), ("demo/host", "-gone")]


def test_each_part_of_the_budget_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(State.RUNNING, "running", notified=3)
    settings = world.store.settings(UNIT)
    assert settings is not None
    world.store.put_settings(dataclasses.replace(settings, monthly_budget_usd=100.0, stop_after_s=None))
    spent = iter((49.0, 50.0, 51.0, 85.0, 85.0, 101.0, 102.0))
    monkeypatch.setattr("runtime.reaper.sweep.spending", lambda *_: Spent(next(spent)))
    for _ in range(7):
        beat(world, busy=1)
        world.run()
    assert [n.facts["percent"] for n in world.told.notifications] == [50, 80, 100]
    assert {n.kind for n in world.told.notifications} == {Kind.BUDGET}


def test_a_forced_stop_is_announced_told_and_never_an_alert_too(world: World) -> None:
    world.add(State.RUNNING, "running", notified=3)
    settings = world.store.settings(UNIT)
    assert settings is not None
    world.store.put_settings(dataclasses.replace(settings, stop_after_s=None))
    for later in (6299, 1, 60, 840):  # maxLease is two hours
        world.now += later
        beat(world)
        world.run()
    assert (world.told.kinds, world.told.alerts) == (["about-to-stop", "forced"], [])
    assert world.told.notifications[0].facts["bound"] == "maxLease"
