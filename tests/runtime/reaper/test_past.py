"""How much of a history a pass reads: what is new, once, and never more than its share."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from core.lease import Event, Lease, State
from core.past import WAKES_KEPT, Past, begin
from core.wakes import wakes
from runtime.backends.leases import StoreUnavailable
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.reaper.past import CHUNK, KEPT_EVERY, LOOK_BACK, READS_A_PASS, READS_A_UNIT, Pasts
from tests.core.test_past import history
from tests.runtime.reaper.world import World, wake_requested

UNIT = "demo/host"
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
NOW = NOVEMBER + 15 * 86400.0


class Counting(MemoryLeaseStore):
    """Counts what is read of histories; a list for its one unit stands for the rows, which would be slow to make."""

    def __init__(self, events: Sequence[Event]) -> None:
        super().__init__(lambda: NOW)
        self.history, self.reads, self.read_events, self.down = list(events), 0, 0, False

    def events(self, unit: str, *, since: float = 0.0, epochs: range | None = None, limit: int | None = None) -> Any:
        assert epochs is not None
        found = self.history[max(0, epochs[0] - 1) : epochs[-1]][:limit]
        self.reads, self.read_events = self.reads + 1, self.read_events + len(found)
        return found

    def put_past(self, unit: str, past: Past) -> None:
        if self.down:
            raise StoreUnavailable("throttled")
        super().put_past(unit, past)


def lease(epoch: int, **fields: Any) -> Lease:
    return Lease(UNIT, State.STOPPED, epoch, NOW, "x", "y", **fields)


def years(count: int = 36_500) -> list[Event]:
    """Three years of a busy host that end now."""
    return history(count // 5, at=NOW - count * 2592.0, gap=2592.0)[:count]


def test_three_years_are_begun_at_this_month_and_then_only_what_is_new_is_read() -> None:
    store = Counting(years())
    pasts = Pasts(store)
    past = pasts.of(lease(36_500), NOW)
    assert past is not None
    in_month = [e for e in store.history if e.at >= NOVEMBER]
    assert store.read_events <= len(in_month) + LOOK_BACK + CHUNK + 40
    assert store.reads <= 20
    whole = Past().add(store.history, upto=36_500)
    assert past.ledger.month(NOW) == pytest.approx(whole.ledger.month(NOW))
    assert past.wakes == whole.wakes
    store.reads = store.read_events = 0
    assert pasts.of(lease(36_500), NOW) is past
    store.history += [dataclasses.replace(store.history[-1], epoch=36_501)]
    assert pasts.of(lease(36_501), NOW) is not None
    assert (store.reads, store.read_events) == (1, 1)


def test_a_cold_lambda_goes_on_where_the_item_ends() -> None:
    store = Counting(years())
    Pasts(store).of(lease(36_500 - KEPT_EVERY + 1), NOW)
    store.reads = store.read_events = 0
    cold = Pasts(store)
    cold.fetch([UNIT])
    assert store.reads == 0
    past = cold.of(lease(36_500), NOW)
    assert past is not None
    assert (past.epoch, store.reads, store.read_events) == (36_500, 1, KEPT_EVERY - 1)


def test_nothing_is_kept_for_a_few_events_and_what_is_kept_is_the_whole() -> None:
    store = Counting(history(40))
    pasts = Pasts(store)
    for epoch in range(100, 100 + KEPT_EVERY):
        pasts.of(lease(epoch), NOW)
    assert store.pasts([UNIT])[UNIT].epoch == 100
    pasts.of(lease(100 + KEPT_EVERY), NOW)
    kept = store.pasts([UNIT])[UNIT]
    assert (kept.epoch, kept.wakes) == (120, wakes(store.history[:120])[-WAKES_KEPT:])


def test_a_huge_month_is_read_over_several_passes_and_none_is_lost_to_a_kill() -> None:
    """What a killed pass had counted is in the table."""
    store = Counting(history(2400, at=NOVEMBER, gap=60.0))  # 12,005 events of this month
    passes = 0
    while True:
        passes += 1
        pasts = Pasts(store)  # each in a new process
        if (past := pasts.of(lease(12_005), NOW)) is not None:
            break
    assert passes == -(-12_005 // (CHUNK * READS_A_UNIT))
    assert past == Past().add(store.history, upto=12_005)
    assert store.read_events <= 12_005 + CHUNK + 40


def test_times_that_do_not_grow_end_all_the_same() -> None:
    """A stranger's history: halving finds something, and reading on comes to the end."""
    wild = [dataclasses.replace(e, at=(e.at * 7919) % 1e10) for e in history(60)]
    past = Pasts(Counting(wild)).of(lease(300), NOW)
    assert past is not None
    assert past.epoch == 300


def test_a_pass_reads_its_share_and_for_those_that_somebody_waits_for() -> None:
    store = Counting(history(3))
    pasts = Pasts(store)
    for n in range(READS_A_PASS):
        assert pasts.of(dataclasses.replace(lease(20), unit=f"{n}/host"), NOW) is not None
    assert pasts.of(lease(20), NOW) is None
    assert pasts.of(dataclasses.replace(lease(20), unit="0/host"), NOW) is not None  # known already
    assert pasts.of(lease(20, wake_until=NOW + 1), NOW) is not None
    pasts.next_pass(float("inf"))
    assert pasts.of(dataclasses.replace(lease(20), unit="last/host"), NOW) is not None


def test_after_its_time_a_pass_reads_nothing() -> None:
    store = Counting(history(3))
    pasts = Pasts(store, monotonic=lambda: 50.0)
    pasts.next_pass(49.0)
    assert pasts.of(lease(20, wake_until=NOW + 1), NOW) is None
    assert store.reads == 0


def test_a_past_that_cannot_be_kept_serves_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    store = Counting(history(3))
    store.down = True
    assert Pasts(store).of(lease(20), NOW) == begin(store.history, upto=20)
    assert "is not kept: throttled" in caplog.text


# ---------------------------------------------------------------- a pass's time
def test_what_a_pass_has_no_time_for_comes_first_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    world, clock = World(), [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.time", lambda: 0.0)
    names = [f"{n}/host" for n in range(9)]
    for name in names:
        world.add(State.STOPPED, "stopped", name, **wake_requested(world))
    start = world.power.start

    def slow(instance_id: str) -> None:
        clock[0] += 10.0
        start(instance_id)

    monkeypatch.setattr(world.power, "start", slow)
    for done in (names[:3], names[3:6], names[6:]):
        world.power.orders.clear()
        report = world.sweep.run(until=clock[0] + 25.0)
        assert [i.removeprefix("i-") for _, i in world.power.orders] == done
        assert set(report.left) == set(names) - set(report.outcomes)
        assert report.summary().get("left", 0) == len(report.left)
        clock[0] += 60.0


def test_a_single_units_pass_keeps_what_the_fleets_left() -> None:
    world = World()
    for name in ("a/host", "b/host"):
        world.add(State.STOPPED, "stopped", name)
    assert set(world.sweep.run(until=-1.0).left) == {"a/host", "b/host"}
    world.sweep.run(["b/host"])
    assert set(world.sweep._left or ()) == {"a/host", "b/host"}


def test_cold_passes_begin_elsewhere_each_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass that is killed has no memory; without this it would be killed at the same unit each minute."""
    world = World()
    for n in range(10):
        world.add(State.STOPPED, "stopped", f"{n}/host")
    firsts = set[str]()
    for minute in range(10):
        monkeypatch.setattr("time.time", lambda at=60.0 * minute: at)
        world.sweep._left = None
        firsts.add(next(iter(world.sweep.run().outcomes)))
    assert len(firsts) == 10


def test_the_reader_of_a_broken_past_counts_it_again() -> None:
    store = Counting(history(3))
    store._rows.put(UNIT, "past", {"past_version": 1, "epoch": "garbage"})
    assert Pasts(store).of(lease(20), NOW) == begin(store.history, upto=20)
