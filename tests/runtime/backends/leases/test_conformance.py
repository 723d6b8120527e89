"""One suite for every lease store: what `runtime.backends.leases.LeaseStore` promises."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from core import lease as protocol
from core.contract.documents import UnitSettings
from core.contract.table import REPORTS_KEPT, SK_LEASE, sk_event
from core.errors import LeaseError
from core.lease import (
    After,
    Clause,
    Differs,
    Equals,
    Event,
    Inhibitor,
    Lease,
    Missing,
    NotAfter,
    State,
    Write,
    holds_true,
)
from core.past import begin
from core.shutdown_report import Journal, ShutdownReport
from runtime.backends.leases import LeaseStore, Reading, create
from runtime.backends.leases.items import event_item
from tests.core.test_past import history
from tests.runtime.backends.leases.conftest import delete_lease, keep_settings, put_all_raw, put_raw

UNIT = "demo/host"
T = 1_800_000_000.25


def nonces() -> Callable[[], str]:
    numbers = iter(range(1000))
    return lambda: f"nonce-{next(numbers)}"


@pytest.fixture
def new(store: LeaseStore) -> Lease:
    """A lease that was just created."""
    lease = store.write(protocol.create(UNIT, "i-1", by="deploy", now=T, nonce="create"))
    assert lease is not None
    return lease


def send(store: LeaseStore, outcome: protocol.Outcome) -> Lease | None:
    assert isinstance(outcome, Write), outcome
    return store.write(outcome)


def sent(store: LeaseStore, outcome: protocol.Outcome) -> Lease:
    lease = send(store, outcome)
    assert lease is not None
    return lease


def running(store: LeaseStore, lease: Lease) -> Lease:
    lease = sent(store, protocol.claim_boot(lease, instance_id="i-1", boot_id="b-1", now=T, nonce="claim"))
    return sent(store, protocol.ready(lease, boot_id="b-1", now=T, nonce="ready", facts={"boot_s": 3.5}))


def test_no_lease_reads_as_none(store: LeaseStore) -> None:
    reading = store.read(UNIT)
    assert reading.lease is None
    assert reading.now > 1_600_000_000


def test_what_was_written_is_read(store: LeaseStore, new: Lease) -> None:
    assert store.read(UNIT).lease == new
    assert (new.state, new.epoch, new.since, new.instance_id, new.nonce) == (State.NEW, 1, T, "i-1", "create")


def test_creating_twice_makes_one(store: LeaseStore, new: Lease) -> None:
    assert store.write(protocol.create(UNIT, "i-2", by="agent", now=T, nonce="other")) is None
    assert store.read(UNIT).lease == new


def test_a_deleted_lease_is_made_again_after_its_last_event(store: LeaseStore, new: Lease) -> None:
    """Events stay when somebody deletes a lease; the first of the new one must not meet an old one."""
    before = running(store, new)
    delete_lease(store, UNIT)
    assert store.last_epoch(UNIT) == before.epoch == 2
    made = create(store, UNIT, "i-1", by="reaper", now=T + 9, nonce="again")
    assert made is not None
    assert made == store.read(UNIT).lease
    assert (made.state, made.epoch, made.notified, made.by) == (State.NEW, 3, 3, "reaper")
    assert [e.epoch for e in store.events(UNIT)] == [1, 2, 3]
    assert "deleted" in store.events(UNIT)[-1].reason
    assert running(store, made).epoch == 4


def test_the_last_epoch_of_no_history_is_zero(store: LeaseStore) -> None:
    assert store.last_epoch(UNIT) == 0


def test_the_last_epoch_is_the_highest_of_many(store: LeaseStore, new: Lease) -> None:
    """`event#000000000010` sorts after `event#000000000009`, and shutdown report and settings are no events."""
    lease = new
    for number in range(11):
        machine = f"i-{number + 2}"
        lease = sent(store, protocol.new_machine(lease, instance_id=machine, by="deploy", now=T, nonce=machine))
    assert store.last_epoch(UNIT) == lease.epoch == 12
    assert store.last_epoch("demo/hos") == 0


def test_of_two_who_make_the_lease_one_is_first(store: LeaseStore, new: Lease) -> None:
    assert create(store, UNIT, "i-2", by="agent", now=T, nonce="other") is None
    assert store.read(UNIT).lease == new


def test_a_creation_that_is_refused_where_no_lease_is_says_so(
    store: LeaseStore, new: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not read as "somebody else was first": the machine would be bounded by nothing, and nobody told."""
    delete_lease(store, UNIT)
    monkeypatch.setattr(store, "last_epoch", lambda _: 0)
    with pytest.raises(LeaseError, match="nothing bounds its machine"):
        create(store, UNIT, "i-1", by="reaper", now=T, nonce="again")


def test_numbers_keep_their_kind(store: LeaseStore, new: Lease) -> None:
    until = 1_800_000_900.1234567
    held = sent(store, protocol.inhibit(new, who="deploy", why="first", now=T, until=until, nonce="hold"))
    read = store.read(UNIT).lease
    assert read == held
    assert read.inhibitors == (Inhibitor("deploy", "first", until),)
    for name, kind in (("epoch", int), ("attempts", int), ("since", float), ("inhibited_until", float)):
        assert type(getattr(read, name)) is kind, name


def test_a_cleared_field_is_gone(store: LeaseStore, new: Lease) -> None:
    held = sent(store, protocol.inhibit(new, who="deploy", why="first", now=T, until=T + 9, nonce="hold"))
    freed = sent(store, protocol.release(held, who="deploy", now=T, nonce="release"))
    assert (freed.inhibitors, freed.inhibited_until) == ((), None)


def test_a_transition_leaves_an_event(store: LeaseStore, new: Lease) -> None:
    running(store, new)
    created, ready = store.events(UNIT)
    assert (created.before, created.after, created.epoch, created.at) == ("", "NEW", 1, T)
    assert (ready.before, ready.after, ready.by, ready.facts) == ("NEW", "RUNNING", "agent", {"boot_s": 3.5})
    assert store.events(UNIT, since=T + 1) == []
    assert store.events("other/host") == []


def test_a_part_of_the_history_is_read_by_its_epochs(store: LeaseStore, new: Lease) -> None:
    lease = running(store, new)
    for n in range(4):
        lease = sent(store, protocol.drain(lease, now=T + n, nonce=f"d{n}", reason="idle"))
        lease = sent(store, protocol.resume(lease, by="agent", now=T + n, nonce=f"r{n}", reason="veto"))
    assert [e.epoch for e in store.events(UNIT)] == list(range(1, 11))
    for asked, found in ((range(3, 6), [3, 4, 5]), (range(9, 99), [9, 10]), (range(-40, 2), [1]), (range(5, 5), [])):
        assert [e.epoch for e in store.events(UNIT, epochs=asked)] == found


def test_the_first_events_of_a_range_and_those_since_a_moment(store: LeaseStore, new: Lease) -> None:
    running(store, new)
    # More than a page that is read backwards; put there, since a transaction of moto's takes long
    events = [Event(n + 3, T + n // 2, "RUNNING", "DRAINING", "reaper", "idle") for n in range(600)]
    put_all_raw(store, {(UNIT, sk_event(event.epoch)): event_item(event, f"n{event.epoch}") for event in events})
    for asked, limit, found in (
        (range(3, 9), 2, [3, 4]),
        (range(600, 999), 9, [600, 601, 602]),
        (range(700, 800), 1, []),
    ):
        assert [e.epoch for e in store.events(UNIT, epochs=asked, limit=limit)] == found
    for since, first in ((T + 298, 599), (T + 20.5, 45), (0.0, 1), (T + 300, 603)):
        assert [e.epoch for e in store.events(UNIT, since=since)] == list(range(first, 603))


def test_what_was_counted_of_histories_is_kept_and_nonsense_is_left_out(store: LeaseStore) -> None:
    events = history(4)
    counted = {f"{n}/host": begin(events[: n + 5], upto=n + 5) for n in range(20)}
    for unit, past in counted.items():
        store.put_past(unit, past)
    put_raw(store, "bad/host", {"past_version": 1, "epoch": "x"}, "past")
    assert store.pasts([*counted, "none/host", "bad/host"]) == counted


def test_a_lease_that_says_it_is_anothers_is_an_error(store: LeaseStore, new: Lease) -> None:
    """Or who reads it would write, by its word, to the other's item."""
    with pytest.raises(LeaseError, match="lease of 'other/host'"):
        store.write(Write(UNIT, "n", (), {"unit": "other/host"}))
    with pytest.raises(LeaseError, match="lease of 'other/host'"):
        store.read(UNIT)
    assert isinstance(store.read_many([UNIT])[UNIT], LeaseError)


@pytest.mark.parametrize("field", ["since", "demand_at", "pin_until"])
@pytest.mark.parametrize("value", [1e12, "soon", "nan", True])
def test_a_time_is_a_number_of_this_calendar(store: LeaseStore, new: Lease, field: str, value: Any) -> None:
    with pytest.raises(LeaseError, match=field):
        store.write(Write(UNIT, "n", (), {field: value}))


def test_a_write_on_an_old_reading_changes_nothing(store: LeaseStore, new: Lease) -> None:
    old = running(store, new)
    draining = sent(store, protocol.drain(old, now=T, nonce="drain", reason="idle"))
    assert send(store, protocol.drain(old, now=T, nonce="again", reason="idle")) is None
    assert store.read(UNIT).lease == draining
    assert len(store.events(UNIT)) == 3


def test_the_table_checks_what_changed_after_reading(store: LeaseStore, new: Lease) -> None:
    seen = sent(store, protocol.drain(running(store, new), now=T, nonce="drain", reason="idle"))
    sent(store, protocol.request_wake(seen, by="caller", now=T, until=T + 60, nonce="wake request"))
    assert send(store, protocol.stop(seen, boot_id="b-1", now=T, nonce="stop")) is None


def test_a_start_carries_its_wake_request_in_one_write(store: LeaseStore) -> None:
    off = Lease(UNIT, State.STOPPED, 3, T, "idle", "agent", instance_id="i-1")
    put_raw(store, UNIT, protocol.to_item(off))
    shorter = protocol.start(off, by="relay", now=T, nonce="late", wake_until=T + 60)
    requested = sent(store, protocol.request_wake(off, by="caller", now=T, until=T + 600, nonce="wake request"))
    assert send(store, shorter) is None, "a longer wake request came meanwhile"
    started = sent(store, protocol.start(requested, by="relay", now=T, nonce="start", wake_until=T + 60))
    assert (started.state, started.wake_by, started.wake_until) == (State.STARTING, "relay", T + 600)


# ---------------------------------------------------------------- retries that meet themselves
def test_a_repeated_transition_counts_as_done(store: LeaseStore, new: Lease) -> None:
    write = protocol.drain(running(store, new), now=T, nonce="drain", reason="idle")
    first = sent(store, write)
    assert send(store, write) == first
    assert len(store.events(UNIT)) == 3


def test_a_repeated_transition_finds_itself_behind_a_later_note(store: LeaseStore, new: Lease) -> None:
    write = protocol.drain(running(store, new), now=T, nonce="drain", reason="idle")
    draining = sent(store, write)
    requested = sent(store, protocol.request_wake(draining, by="caller", now=T, until=T + 60, nonce="wake request"))
    assert send(store, write) == requested


def test_a_repeated_note_counts_as_done(store: LeaseStore, new: Lease) -> None:
    write = protocol.inhibit(new, who="deploy", why="first", now=T, until=T + 9, nonce="hold")
    assert sent(store, write) == sent(store, write)


def test_somebody_elses_write_is_not_ones_own(store: LeaseStore, new: Lease) -> None:
    was = running(store, new)
    sent(store, protocol.drain(was, now=T, nonce="theirs", reason="idle"))
    assert send(store, protocol.drain(was, now=T, nonce="ours", reason="idle")) is None


# ---------------------------------------------------------------- clauses mean what core says
CLAUSES: tuple[Clause, ...] = (
    Missing("wake_until"),
    Missing("unit"),
    Equals("state", "NEW"),
    Equals("state", "RUNNING"),
    Equals("wake_by", "x"),
    Equals("epoch", 1),
    Differs("state", "NEW"),
    Differs("state", "RUNNING"),
    Differs("wake_by", "x"),
    NotAfter("wake_until", T),
    NotAfter("since", T),
    NotAfter("since", T - 0.5),
    After("since", T),
    After("since", T - 0.5),
    After("wake_until", T),
)


@pytest.mark.parametrize("clause", CLAUSES, ids=str)
def test_a_clause_means_what_core_says(store: LeaseStore, new: Lease, clause: Clause) -> None:
    write = Write(UNIT, "probe", (Equals("epoch", 1), clause), {"alerted": "probe"})
    assert (store.write(write) is not None) == holds_true(clause, protocol.to_item(new))


def test_every_clause_must_hold(store: LeaseStore, new: Lease) -> None:
    clauses = (Equals("state", "NEW"), Equals("epoch", 2))
    assert store.write(Write(UNIT, "probe", clauses, {"alerted": "probe"})) is None


# ---------------------------------------------------------------- shutdown report
def said(epoch: int, **changes: Any) -> ShutdownReport:
    journals = {"pilotlight-agent.service": Journal(("one", "", "zwei ü"), cut=3), "quiet.service": Journal(())}
    return dataclasses.replace(ShutdownReport(epoch, T + epoch, "idle", "agent", "b-1", journals), **changes)


def test_shutdown_report_come_back_as_they_were_said(store: LeaseStore) -> None:
    assert store.reports(UNIT) == []
    words = said(5, late=True, reason="no demand for 30m")
    store.put_report(UNIT, words)
    assert store.reports(UNIT) == [words]
    assert store.reports("other/host") == []


def test_the_last_few_are_kept_the_newest_first(store: LeaseStore) -> None:
    for epoch in range(5, 70, 5):  # a stop and its start take five epochs
        store.put_report(UNIT, said(epoch))
    assert [words.epoch for words in store.reports(UNIT)] == list(range(65, 65 - 5 * REPORTS_KEPT, -5))


def test_shutdown_report_are_neither_lease_nor_history_nor_unit(store: LeaseStore, new: Lease) -> None:
    store.put_report(UNIT, said(1))
    store.put_report(UNIT, said(3))
    assert store.read(UNIT).lease == new
    assert [event.epoch for event in store.events(UNIT)] == [1]
    assert (store.units(), store.all_settings()) == ([], {})


def test_as_many_lines_as_are_sent_fit_in(store: LeaseStore) -> None:
    from core.shutdown_report import MAX_BYTES, fit

    journals = fit({f"engine-{i}": ["ü" * 2500] * 300 for i in range(16)})
    store.put_report(UNIT, said(1, journals=journals))
    (words,) = store.reports(UNIT)
    assert words.journals == journals
    assert sum(len(line.encode()) for j in words.journals.values() for line in j.lines) <= MAX_BYTES


# ---------------------------------------------------------------- many units, settings, bad items
def settings_of(unit: str) -> UnitSettings:
    texts: dict[str, Any] = {
        f.name: "" for f in dataclasses.fields(UnitSettings) if f.default is dataclasses.MISSING and f.type == "str"
    }
    numbers = {f.name: 1.0 for f in dataclasses.fields(UnitSettings) if str(f.type).startswith("float")}
    known = {"schema_version": 1, "unit": unit, "instance_types": ("g6.xlarge", "g5.xlarge"), "stop_after_s": None}
    return UnitSettings(**(texts | numbers | known))


def test_units_are_those_with_settings(store: LeaseStore, new: Lease) -> None:
    assert store.units() == []
    for unit in ("b/host", "a/host"):
        keep_settings(store, settings_of(unit))
    assert store.units() == ["a/host", "b/host"]
    assert store.settings("a/host") == settings_of("a/host")
    assert store.settings(UNIT) is None


def test_many_are_read_at_once(store: LeaseStore) -> None:
    names = [f"stack-{i:03}/host" for i in range(105)]
    leases = {name: Lease(name, State.NEW, 1, T, "made", "deploy") for name in names}
    put_all_raw(store, {(name, SK_LEASE): protocol.to_item(lease) for name, lease in leases.items()})
    readings = store.read_many([*names, "none/host"])
    found = {unit for unit, r in readings.items() if isinstance(r, Reading) and r.lease and r.lease.unit == unit}
    assert found == set(names)
    nobody = readings["none/host"]
    assert isinstance(nobody, Reading)
    assert nobody.lease is None


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"lease_version": 3}, "version 3; this program reads 2. Update this program"),
        ({"lease_version": 1}, "version 1; this program reads 2. An older checkout wrote it: delete"),
        ({"state": "ASLEEP"}, "ASLEEP"),
        ({"epoch": "many"}, "epoch 'many'"),
        ({"inhibitors": ["nobody"]}, "inhibitors"),
        ({"since": None}, "lacks since"),
    ],
    ids=str,
)
def test_a_bad_item_is_one_clear_error(store: LeaseStore, new: Lease, broken: dict[str, Any], words: str) -> None:
    item = {k: v for k, v in (protocol.to_item(new) | broken).items() if v is not None}
    put_raw(store, UNIT, item)
    with pytest.raises(LeaseError, match=words):
        store.read(UNIT)
    error = store.read_many([UNIT])[UNIT]
    assert isinstance(error, LeaseError)
    assert words in str(error)


def test_events_sort_by_number() -> None:
    assert sorted([sk_event(10), sk_event(9), sk_event(100)]) == [sk_event(9), sk_event(10), sk_event(100)]
