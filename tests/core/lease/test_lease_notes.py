"""Notes: they leave state, epoch and history alone, and check in the table what they were decided on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core import lease as protocol
from core.contract.intervals import ORDER_MARGIN_S, START_ATTEMPTS, START_ORDER_LIFE_S, STOP_ORDER_LIFE_S
from core.errors import LeaseError
from core.lease import Inhibitor, Lease, Outcome, Refused, State
from tests.core.lease.cases import LONG_AGO, NOW, after, applies, lease, words, written

AT: dict[str, Any] = {"now": NOW, "nonce": "n"}


def wake_request(v: Lease, until: float = NOW + 60) -> Outcome:
    return protocol.request_wake(v, by="caller", until=until, **AT)


def hold(v: Lease, who: str, until: float = NOW + 60, nonce: str = "n") -> Outcome:
    return protocol.inhibit(v, who=who, why="why", now=NOW, until=until, nonce=nonce)


ALL: dict[str, Outcome] = {
    "claim": protocol.claim_boot(lease(State.STARTING, boot_id=""), instance_id="i-1", boot_id="b-2", **AT),
    "wake request": wake_request(lease(State.DRAINING)),
    "drop wake request": protocol.drop_wake_request(lease(State.STOPPED, wake_until=NOW), nonce="n"),
    "hold": hold(lease(State.RUNNING), "deploy"),
    "pin": protocol.pin(lease(State.RUNNING), who="ann", why="demo", until=NOW + 60, **AT),
    "unpin": protocol.unpin(lease(State.RUNNING, pin_until=NOW, pin_who="ann"), nonce="n"),
    "cordon": protocol.cordon(lease(State.DRAINING), **AT),
    "agent beat": protocol.agent_beat(lease(State.RUNNING), boot_id="b-1", busy=0, demand=False, **AT),
    "relay beat": protocol.relay_beat(lease(State.RUNNING), **AT),
    "repeat": protocol.repeat_start(lease(State.STARTING, attempts=1), **AT),
    "not now": protocol.not_now(lease(State.STARTING, attempts=1), nonce="n"),
    "stop order": protocol.stop_order(lease(State.STOPPING), **AT),
    "seen": protocol.seen_stopped(lease(State.RUNNING), at=NOW, nonce="n"),
    "spent": protocol.spent(lease(State.RUNNING), until=NOW + 60, nonce="n"),
    "override": protocol.override_budget(lease(State.STOPPED), who="ann", why="demo", until=NOW + 60, **AT),
    "end override": protocol.end_override(lease(State.STOPPED, paid_until=NOW, paid_who="ann"), nonce="n"),
    "alert": protocol.alert_sent(lease(State.RUNNING), reason="late", nonce="n"),
    "notified": protocol.notified(lease(State.RUNNING, notified=5), epoch=7, nonce="n"),
    "warned": protocol.warned(lease(State.RUNNING), stop="idle:1+2", nonce="n"),
    "budgeted": protocol.budgeted(lease(State.STOPPED), part="2026-11:80", nonce="n"),
}


@pytest.mark.parametrize("outcome", ALL.values(), ids=ALL)
def test_a_note_leaves_state_epoch_and_history_alone(outcome: Outcome) -> None:
    write = written(outcome)
    assert write.event is None
    assert not {"state", "epoch", "since", "reason", "by"} & set(write.sets)
    assert write.clauses, "an unconditional update would make an item out of nothing"


# ---------------------------------------------------------------- the budget
@pytest.mark.parametrize("state", State)
def test_an_override_pays_until_its_end_and_takes_the_mark_away(state: State) -> None:
    before = lease(state, spent_until=NOW + 90)
    paid = after(before, protocol.override_budget(before, who="ann", why="demo", until=NOW + 60, **AT))
    assert (paid.paid(NOW), paid.paid(NOW + 60), paid.spent(NOW), paid.paid_who) == (True, False, False, "ann")
    marking = protocol.spent(before, until=NOW + 90, nonce="n")
    assert not applies(paid, marking), "a reaper that has read the lease before it"
    ended = after(paid, protocol.end_override(paid, nonce="n"))
    assert (ended.paid(NOW), ended.paid_who, ended.paid_why) == (False, "", "")
    assert "over already" in words(protocol.override_budget(before, who="ann", why="", until=NOW, **AT))
    assert "no override" in words(protocol.end_override(ended, nonce="n"))


@pytest.mark.parametrize("state", State)
def test_the_budgets_end_is_written_in_every_state_and_taken_back(state: State) -> None:
    marked = after(before := lease(state), protocol.spent(before, until=NOW + 60, nonce="n"))
    assert (marked.spent(NOW), marked.spent(NOW + 60)) == (True, False)
    assert not after(marked, protocol.spent(marked, until=None, nonce="n")).spent(NOW)
    assert not applies(marked, protocol.spent(before, until=NOW + 90, nonce="n")), "two reapers, one month"


@pytest.mark.parametrize("state", [s for s in State if s is not State.RUNNING])
def test_nobody_asks_for_what_is_off_and_unpaid(state: State) -> None:
    outcome = wake_request(lease(state, spent_until=NOW + 1))
    assert isinstance(outcome, Refused) is (state in (State.STOPPED, State.FAILED, State.STOPPING))


# ---------------------------------------------------------------- wake requests
@pytest.mark.parametrize("state", [s for s in State if s is not State.RUNNING])
def test_a_wake_request_is_written_in_every_state_but_running(state: State) -> None:
    before = lease(state)
    now = after(before, wake_request(before))
    assert (now.wake_by, now.wake_at, now.wake_until) == ("caller", NOW, NOW + 60)
    assert not applies(replace(before, state=State.RUNNING), wake_request(before))
    assert not applies(replace(before, epoch=8), wake_request(before))


def test_no_wake_request_while_running() -> None:
    assert "running" in words(wake_request(lease(State.RUNNING)))


def test_a_wake_request_never_shortens_another() -> None:
    before = lease(State.STOPPED, wake_until=NOW + 600)
    assert after(before, wake_request(before)).wake_until == NOW + 600
    assert not applies(before, wake_request(lease(State.STOPPED))), "one that came meanwhile"


def test_a_wake_request_that_ends_now_is_over() -> None:
    assert not lease(State.STOPPED, wake_until=NOW).wanted(NOW)
    assert lease(State.STOPPED, wake_until=NOW + 0.1).wanted(NOW)


@pytest.mark.parametrize("state", State)
def test_a_wake_request_is_dropped_only_while_the_host_is_off(state: State) -> None:
    before = lease(state, wake_by="caller", wake_at=NOW, wake_until=NOW + 60)
    outcome = protocol.drop_wake_request(before, nonce="n")
    if state in (State.STOPPED, State.FAILED, State.STOPPING):
        assert not after(before, outcome).wanted(NOW)
        assert not applies(replace(before, wake_until=NOW + 90), outcome), "a renewed one"
    else:
        assert isinstance(outcome, Refused)


def test_no_wake_request_is_not_dropped() -> None:
    assert words(protocol.drop_wake_request(lease(State.STOPPED), nonce="n")) == "there is no wake request"


# ---------------------------------------------------------------- inhibitors
def test_inhibitors_of_many_and_the_latest_counts() -> None:
    one = after(lease(State.RUNNING), hold(lease(State.RUNNING), "deploy", NOW + 10))
    two = after(one, hold(one, "ssh", NOW + 90, "m"))
    assert [h.who for h in two.inhibitors] == ["deploy", "ssh"]
    assert two.inhibited_until == NOW + 90
    assert two.inhibitor(NOW) == Inhibitor("ssh", "why", NOW + 90)
    left = after(two, protocol.release(two, who="ssh", now=NOW, nonce="o"))
    assert (left.inhibitor(NOW), left.inhibited_until) == (Inhibitor("deploy", "why", NOW + 10), NOW + 10)


def test_an_inhibitor_is_renewed_and_dead_ones_go() -> None:
    old = (Inhibitor("deploy", "why", NOW + 1), Inhibitor("gone", "why", NOW))
    before = lease(State.RUNNING, inhibitors=old, inhibited_until=NOW + 1)
    assert after(before, hold(before, "deploy")).inhibitors == (Inhibitor("deploy", "why", NOW + 60),)


def test_two_who_inhibit_at_once_do_not_lose_one() -> None:
    before = lease(
        State.RUNNING, inhibitors=(Inhibitor("a", "why", NOW + 90),), inhibited_until=NOW + 90, inhibitors_nonce="h"
    )
    first = after(before, hold(before, "b", NOW + 10, "first"))
    assert first.inhibited_until == before.inhibited_until
    assert not applies(first, hold(before, "c", NOW + 20, "second"))


def test_who_inhibits_nothing_releases_nothing() -> None:
    assert words(protocol.release(lease(State.RUNNING), who="ssh", **AT)) == "ssh inhibits nothing"


# ---------------------------------------------------------------- agent and relay
def test_a_fresh_boot_claims_new_and_starting() -> None:
    for state in (State.NEW, State.STARTING):
        before = lease(state, boot_id="")
        claim = protocol.claim_boot(before, instance_id="i-1", boot_id="b-2", **AT)
        now = after(before, claim)
        assert (now.boot_id, now.agent_at, now.epoch) == ("b-2", NOW, before.epoch)
        assert not applies(replace(before, boot_id="b-3"), claim)


@pytest.mark.parametrize(
    ("before", "machine", "boot", "said"),
    [
        (lease(State.NEW), "i-2", "b-1", "the lease is for i-1, this is i-2"),
        (lease(State.NEW), "i-1", "b-1", "already claimed"),
        (lease(State.STOPPING), "i-1", "b-2", "STOPPING"),
        (lease(State.STOPPED), "i-1", "b-2", "STOPPED"),
        (lease(State.FAILED), "i-1", "b-2", "FAILED"),
    ],
)
def test_a_boot_that_may_not_claim(before: Lease, machine: str, boot: str, said: str) -> None:
    assert said in words(protocol.claim_boot(before, instance_id=machine, boot_id=boot, **AT))


def test_the_cordon_is_of_this_drain() -> None:
    before = lease(State.DRAINING)
    outcome = protocol.cordon(before, **AT)
    assert after(before, outcome).cordon_epoch == before.epoch
    assert not applies(replace(before, epoch=8), outcome)
    assert isinstance(protocol.cordon(lease(State.RUNNING), **AT), Refused)


@pytest.mark.parametrize(("busy", "demand", "at"), [(0, False, LONG_AGO), (2, False, NOW), (0, True, NOW)])
def test_a_beat_brings_evidence_of_demand(busy: int, demand: bool, at: float) -> None:
    before = lease(State.RUNNING, demand_at=LONG_AGO)
    now = after(before, protocol.agent_beat(before, boot_id="b-1", busy=busy, demand=demand, **AT))
    assert (now.dead, now.dead_at, now.unknown_at) == ("", None, None)
    assert (now.agent_at, now.busy, now.demand_at) == (NOW, busy, at)


def test_a_beat_of_another_boot_is_refused_in_both_places() -> None:
    before = lease(State.RUNNING)
    beat = protocol.agent_beat(before, boot_id="b-1", busy=0, demand=False, **AT)
    assert not applies(replace(before, boot_id="b-2"), beat)
    assert "another boot" in words(protocol.agent_beat(before, boot_id="b-2", busy=0, demand=False, **AT))


def test_the_relay_beats() -> None:
    before = lease(State.RUNNING)
    assert after(before, protocol.relay_beat(before, **AT)).relay_at == NOW


# ---------------------------------------------------------------- orders, sightings, alerts
def test_a_start_order_is_repeated_by_one_reaper() -> None:
    before = lease(State.STARTING, order_at=LONG_AGO, attempts=1)
    outcome = protocol.repeat_start(before, **AT)
    now = after(before, outcome)
    assert (now.order_at, now.attempts) == (NOW, 2)
    assert not applies(now, protocol.repeat_start(before, now=NOW, nonce="other"))
    spent = lease(State.STARTING, attempts=START_ATTEMPTS)
    assert "no start order left" in words(protocol.repeat_start(spent, **AT))


def test_an_order_that_is_not_taken_does_not_count_and_may_still_land() -> None:
    before = lease(State.STARTING, order_at=NOW, attempts=2)
    outcome = protocol.not_now(before, nonce="n")
    now = after(before, outcome)
    assert (now.order_at, now.attempts) == (NOW, 1)
    claimed = after(before, protocol.repeat_start(before, now=NOW + 60, nonce="other"))
    assert not applies(claimed, outcome), "another order was claimed meanwhile"
    assert "no order counts" in words(protocol.not_now(lease(State.STARTING, attempts=0), nonce="n"))
    assert "STARTING" in words(protocol.not_now(lease(State.FAILED, attempts=1), nonce="n"))


@pytest.mark.parametrize("state", [State.STOPPING, State.FAILED])
def test_a_stop_order_is_claimed_by_one_reaper(state: State) -> None:
    before = lease(state, order_until=NOW - ORDER_MARGIN_S)
    outcome = protocol.stop_order(before, **AT)
    now = after(before, outcome)
    assert now.order_until == NOW + STOP_ORDER_LIFE_S
    assert not applies(now, protocol.stop_order(before, now=NOW, nonce="other"))
    assert "may still land" in words(protocol.stop_order(now, **AT))


def test_no_stop_order_while_a_start_order_may_land() -> None:
    started = lease(State.STOPPING, order_at=NOW - START_ORDER_LIFE_S - ORDER_MARGIN_S + 1)
    assert "start order" in words(protocol.stop_order(started, **AT))
    assert not applies(started, protocol.stop_order(lease(State.STOPPING), **AT))
    old = lease(State.STOPPING, order_at=NOW - START_ORDER_LIFE_S - ORDER_MARGIN_S)
    assert applies(old, protocol.stop_order(old, **AT))


def test_a_sighting_counts_from_the_first() -> None:
    before = lease(State.RUNNING)
    seen = after(before, protocol.seen_stopped(before, at=NOW, nonce="n"))
    assert seen.stopped_seen == NOW
    assert isinstance(protocol.seen_stopped(seen, at=NOW + 60, nonce="n"), Refused)
    assert not applies(seen, protocol.seen_stopped(before, at=NOW + 60, nonce="m"))
    assert after(seen, protocol.seen_stopped(seen, at=None, nonce="n")).stopped_seen is None


def test_one_alert_a_change_of_reason() -> None:
    before = lease(State.RUNNING)
    sent = after(before, protocol.alert_sent(before, reason="late", nonce="n"))
    assert sent.alerted == "late"
    assert not applies(sent, protocol.alert_sent(before, reason="late", nonce="m")), "two reapers, one alert"
    assert after(sent, protocol.alert_sent(sent, reason="", nonce="n")).alerted == ""


# ---------------------------------------------------------------- what people were told
def test_what_was_notified_never_goes_back_and_is_one_reapers() -> None:
    before = lease(State.RUNNING, notified=5)
    outcome = protocol.notified(before, epoch=7, nonce="n")
    notified = after(before, outcome)
    assert notified.notified == 7
    assert not applies(notified, protocol.notified(before, epoch=6, nonce="m")), "a slower reaper"
    assert isinstance(protocol.notified(notified, epoch=7, nonce="n"), Refused)
    assert applies(replace(before, epoch=8), outcome), "a transition meanwhile is still to be told"


def test_a_lease_from_before_there_were_notifications_begins_with_its_next_event() -> None:
    old = lease(State.RUNNING)
    assert old.notified is None
    assert isinstance(protocol.notified(old, epoch=7, nonce="n"), Refused)
    draining = after(old, protocol.drain(old, reason="idle", **AT))
    assert (draining.epoch, draining.notified) == (8, 7)
    again = after(draining, protocol.resume(draining, by="agent", reason="veto", **AT))
    assert (again.epoch, again.notified) == (9, 7)


def test_a_new_lease_is_no_news() -> None:
    item = protocol.apply(None, protocol.create("demo/host", "i-1", by="deploy", **AT))
    assert item is not None
    made = protocol.from_item(item)
    assert made.notified == made.epoch


def test_a_stop_is_announced_by_one_reaper_and_once() -> None:
    before = lease(State.RUNNING)
    outcome = protocol.warned(before, stop="idle:1+2", nonce="n")
    warned = after(before, outcome)
    assert warned.warned == "idle:1+2"
    assert not applies(warned, protocol.warned(before, stop="idle:1+2", nonce="m"))
    assert not applies(replace(before, epoch=8), outcome)


def test_a_budgets_part_is_told_by_one_reaper_in_any_state() -> None:
    before = lease(State.STOPPED, budgeted="2026-11:50")
    outcome = protocol.budgeted(before, part="2026-11:80", nonce="n")
    assert after(before, outcome).budgeted == "2026-11:80"
    assert applies(replace(before, epoch=8, state=State.STARTING), outcome)
    assert not applies(replace(before, budgeted="2026-11:80"), outcome)


# ---------------------------------------------------------------- items
@pytest.mark.parametrize("state", State)
def test_an_item_reads_back(state: State) -> None:
    before = lease(state, inhibitors=(Inhibitor("a", "b", NOW),), inhibited_until=NOW, busy=2, wake_until=NOW)
    assert protocol.from_item(protocol.to_item(before)) == before


def test_an_attribute_of_later_versions_is_left_alone() -> None:
    item = protocol.to_item(lease(State.RUNNING)) | {"colour": "blue"}
    assert protocol.from_item(item) == lease(State.RUNNING)
    kept = protocol.apply(item, written(protocol.relay_beat(lease(State.RUNNING), **AT)))
    assert kept is not None
    assert kept["colour"] == "blue"


@pytest.mark.parametrize("name", ["state", "epoch", "since", "reason", "by"])
def test_a_missing_field_is_named(name: str) -> None:
    item = {k: v for k, v in protocol.to_item(lease(State.RUNNING)).items() if k != name}
    with pytest.raises(LeaseError, match=f"lacks {name}"):
        protocol.from_item(item)


# ---------------------------------------------------------------- pins
PIN: dict[str, Any] = {"pin_until": NOW + 60, "pin_who": "ann", "pin_why": "demo"}


@pytest.mark.parametrize("state", list(State))
def test_a_pin_is_written_in_every_state_and_taken_back(state: State) -> None:
    before = lease(state)
    pinned = after(before, protocol.pin(before, who="ann", why="demo", until=NOW + 60, **AT))
    assert pinned == replace(before, **PIN, nonce="n")
    assert pinned.pinned(NOW + 59)
    assert not pinned.pinned(NOW + 60)
    assert after(pinned, protocol.unpin(pinned, nonce="m")) == replace(before, nonce="m")


def test_a_pin_that_is_over_or_not_there_is_refused() -> None:
    over = protocol.pin(lease(State.RUNNING), who="a", why="", until=NOW, **AT)
    assert words(over) == "the pin would be over already"
    assert words(protocol.unpin(lease(State.RUNNING), nonce="n")) == "there is no pin"


def test_two_who_pin_at_once_do_not_lose_the_other_unseen() -> None:
    read, there = lease(State.RUNNING), lease(State.RUNNING, **PIN)
    assert not applies(there, protocol.pin(read, who="bob", why="", until=NOW + 90, **AT))
    replaced = after(there, protocol.pin(there, who="bob", why="", until=NOW + 30, **AT))
    assert (replaced.pin_who, replaced.pin_until, replaced.pin_why) == ("bob", NOW + 30, "")
    assert not applies(replaced, protocol.unpin(there, nonce="n"))


def test_a_forced_stop_ends_the_pin_that_it_has_read() -> None:
    there = lease(State.RUNNING, **PIN)
    forced = after(there, protocol.force(there, by="reaper", reason="maxLease", **AT))
    assert forced.pin_until is None
    assert not forced.pin_who
    assert not applies(there, protocol.force(lease(State.RUNNING), by="reaper", reason="maxLease", **AT))
