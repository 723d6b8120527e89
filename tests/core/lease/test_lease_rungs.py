"""The ladder's notes: a rung is claimed by one reaper, and the type is set back by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core import lease as protocol
from core.contract.intervals import ORDER_MARGIN_S, START_ORDER_LIFE_S
from core.lease import Lease, Outcome, State
from tests.core.lease.cases import LONG_AGO, NOW, after, applies, lease, words, written

AT: dict[str, Any] = {"now": NOW, "nonce": "n"}


def starting(**fields: Any) -> Lease:
    return lease(State.STARTING, **{"boot_id": "", "order_at": NOW - 1, "attempts": 1, "by": "reaper", **fields})


def climb(v: Lease, rung: str = "g5.xlarge") -> Outcome:
    return protocol.climb(v, rung=rung, tried="g6.xlarge (A)", **AT)


@pytest.mark.parametrize(
    "outcome",
    [climb(starting()), protocol.restore(lease(State.STOPPED, rung="g5.xlarge"), **AT)],
)
def test_they_are_notes(outcome: Outcome) -> None:
    write = written(outcome)
    assert write.event is None
    assert not {"state", "epoch", "since", "reason", "by"} & set(write.sets)


def test_a_claimed_rung_is_in_the_lease_and_counts_as_the_order() -> None:
    now = after(starting(), climb(starting()))
    assert (now.rung, now.tried, now.order_at, now.attempts) == ("g5.xlarge", "g6.xlarge (A)", NOW, 1)
    assert now.start_alive(NOW)


def test_two_reapers_cannot_both_have_a_rung() -> None:
    before = starting()
    now = after(before, climb(before))
    assert not applies(now, protocol.climb(before, rung="g6.2xlarge", tried="", now=NOW + 9, nonce="other"))
    assert not applies(now, protocol.repeat_start(before, now=NOW + 9, nonce="other"))


@pytest.mark.parametrize(
    "meanwhile",
    [{"epoch": 8}, {"state": State.RUNNING}, {"order_at": NOW}, {"rung": "x"}, {"tried": "x"}, {"boot_id": "b-1"}],
)
def test_a_claim_fails_on_whatever_changed_meanwhile(meanwhile: dict[str, Any]) -> None:
    assert not applies(replace(starting(), **meanwhile), climb(starting()))


def test_no_rung_for_a_machine_that_is_up() -> None:
    assert "is up" in words(climb(starting(boot_id="b-1")))
    assert "STOPPED" in words(climb(lease(State.STOPPED)))


def test_the_type_goes_back_once_and_the_lease_forgets_the_ladder() -> None:
    before = lease(State.STOPPED, rung="g5.xlarge", tried="g6.xlarge (A)")
    claimed = after(before, protocol.restore(before, **AT))
    assert claimed.type_at == NOW
    assert not applies(claimed, protocol.restore(before, now=NOW + 1, nonce="other"))
    done = after(claimed, protocol.restored(claimed, nonce="m"))
    assert (done.rung, done.tried, done.type_at) == ("", "", None)


@pytest.mark.parametrize("meanwhile", [{"epoch": 8}, {"state": State.STARTING}, {"rung": "g6.2xlarge"}])
def test_a_start_that_came_between_stops_the_way_back(meanwhile: dict[str, Any]) -> None:
    before = lease(State.STOPPED, rung="g5.xlarge")
    assert not applies(replace(before, **meanwhile), protocol.restore(before, **AT))


def test_the_news_of_a_way_back_never_undoes_a_later_climb() -> None:
    claimed = lease(State.STOPPED, rung="g5.xlarge", type_at=LONG_AGO)
    climbed = starting(rung="g5.xlarge", type_at=LONG_AGO, epoch=8)
    again = after(climbed, climb(climbed))
    assert not applies(again, protocol.restored(claimed, nonce="m"))


def test_no_way_back_while_an_order_may_land_or_nothing_was_changed() -> None:
    assert "not changed" in words(protocol.restore(lease(State.STOPPED), **AT))
    alive = NOW - START_ORDER_LIFE_S - ORDER_MARGIN_S + 1
    assert "may still land" in words(protocol.restore(lease(State.FAILED, rung="x", order_at=alive), **AT))
    assert "may still land" in words(protocol.restore(lease(State.STOPPED, rung="x", order_until=NOW), **AT))
    assert "RUNNING" in words(protocol.restore(lease(State.RUNNING, rung="x"), **AT))
    assert "nobody" in words(protocol.restored(lease(State.STOPPED, rung="x"), nonce="m"))


def test_a_new_start_forgets_what_was_tried_but_not_the_rung() -> None:
    before = lease(State.FAILED, wake_until=NOW + 9, rung="g5.xlarge", tried="g6.xlarge (A)")
    now = after(before, protocol.start(before, by="relay", **AT))
    assert (now.rung, now.tried) == ("g5.xlarge", "")


@pytest.mark.parametrize(
    ("fields", "facts"),
    [({}, {"boot_s": 9.0}), ({"rung": "g5", "tried": "g6 (A)"}, {"boot_s": 9.0, "rung": "g5", "tried": "g6 (A)"})],
)
def test_the_history_keeps_which_rung_a_wake_was_on(fields: dict[str, Any], facts: dict[str, Any]) -> None:
    before = lease(State.STARTING, **fields)
    event = written(protocol.ready(before, boot_id="b-1", facts={"boot_s": 9.0}, **AT)).event
    assert event is not None
    assert event.facts == facts
