"""The table of design.md section 6: from where, to where, only if, and what the write itself checks again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core import lease as protocol
from core.contract.intervals import (
    ORDER_MARGIN_S,
    START_ATTEMPTS,
    START_ORDER_LIFE_S,
    STOP_ORDER_LIFE_S,
    STOPPED_TWICE_S,
    YOUNG_ORDER_S,
)
from core.lease import Inhibitor, Lease, Outcome, Refused, State, Write
from tests.core.lease.cases import LONG_AGO, NOW, UNIT, after, applies, lease, words, written

WAKE_REQUEST = {"wake_by": "caller", "wake_at": NOW - 5, "wake_until": NOW + 60}
SPENT_WAKE_REQUEST = {"wake_by": "caller", "wake_at": NOW - 90, "wake_until": NOW}
INHIBITOR = {
    "inhibitors": (Inhibitor("deploy", "first", NOW + 60),),
    "inhibited_until": NOW + 60,
    "inhibitors_nonce": "h",
}
LIVE_ORDER = {"order_until": NOW - ORDER_MARGIN_S + 0.5}
SPENT_ORDER = {"order_until": NOW - ORDER_MARGIN_S}
AT: dict[str, Any] = {"now": NOW, "nonce": "n"}

Call = Callable[[Lease], Outcome]
start: Call = lambda v: protocol.start(v, by="relay", **AT)  # noqa: E731
wake: Call = lambda v: protocol.start(v, by="relay", wake_until=NOW + 60, **AT)  # noqa: E731
adopt: Call = lambda v: protocol.adopt(v, **AT)  # noqa: E731
ready: Call = lambda v: protocol.ready(v, boot_id="b-1", **AT)  # noqa: E731
drain: Call = lambda v: protocol.drain(v, reason="idle", **AT)  # noqa: E731
resume: Call = lambda v: protocol.resume(v, by="relay", reason="demand", **AT)  # noqa: E731
veto: Call = lambda v: protocol.resume(v, by="agent", reason="busy", boot_id="b-1", **AT)  # noqa: E731
stop: Call = lambda v: protocol.stop(v, boot_id="b-1", **AT)  # noqa: E731
force: Call = lambda v: protocol.force(v, by="reaper", reason="maxLease", **AT)  # noqa: E731
stopped: Call = lambda v: protocol.stopped(v, by="relay", **AT)  # noqa: E731
fail: Call = lambda v: protocol.fail(v, by="relay", reason="r", failure="capacity", order=False, **AT)  # noqa: E731
fail_stop: Call = lambda v: protocol.fail(v, by="reaper", reason="r", failure="late", order=True, **AT)  # noqa: E731
lost: Call = lambda v: protocol.lost(v, reason="by hand", **AT)  # noqa: E731
reboot: Call = lambda v: protocol.claim_boot(v, instance_id="i-1", boot_id="b-2", **AT)  # noqa: E731
renew: Call = lambda v: protocol.new_machine(v, instance_id="i-2", by="deploy", **AT)  # noqa: E731

SEEN = {"stopped_seen": LONG_AGO}
ON = (State.NEW, State.STARTING, State.RUNNING, State.DRAINING)
TABLE: tuple[tuple[str, Call, tuple[State, ...], State, dict[str, Any]], ...] = (
    ("start", start, (State.STOPPED, State.FAILED), State.STARTING, WAKE_REQUEST),
    ("wake request and start", wake, (State.STOPPED, State.FAILED), State.STARTING, {}),
    ("adopt", adopt, (State.STOPPED, State.FAILED), State.STARTING, SEEN),
    ("ready", ready, (State.NEW, State.STARTING), State.RUNNING, {}),
    ("drain", drain, (State.RUNNING,), State.DRAINING, {}),
    ("resume", resume, (State.DRAINING,), State.RUNNING, {}),
    ("veto", veto, (State.DRAINING,), State.RUNNING, {}),
    ("stop", stop, (State.DRAINING,), State.STOPPING, {}),
    ("force", force, ON, State.STOPPING, {}),
    ("stopped", stopped, (State.STOPPING,), State.STOPPED, {}),
    ("fail", fail, (State.STARTING,), State.FAILED, {}),
    ("fail and stop", fail_stop, (State.STARTING,), State.FAILED, {}),
    ("lost", lost, (State.NEW, State.RUNNING, State.DRAINING), State.STOPPED, SEEN),
    ("reboot", reboot, ON, State.STARTING, {}),
    ("new machine", renew, tuple(State), State.NEW, {}),
)
ROWS = [
    pytest.param(call, source, state, to, more, id=f"{name}-{state}")
    for name, call, source, to, more in TABLE
    for state in State
]


@pytest.mark.parametrize(("call", "source", "state", "to", "more"), ROWS)
def test_a_transition_leaves_only_its_states(
    call: Call, source: tuple[State, ...], state: State, to: State, more: dict[str, Any]
) -> None:
    before = lease(state, **more)
    outcome = call(before)
    if state not in source:
        assert isinstance(outcome, Refused)
        return
    now = after(before, outcome)
    assert (now.state, now.epoch, now.since, now.nonce) == (to, before.epoch + 1, NOW, "n")
    assert (now.cordon_epoch, now.reason, now.by) == (None, now.reason, now.by)
    event = written(outcome).event
    assert event is not None
    assert (event.epoch, event.at, event.before, event.after) == (8, NOW, state, to)
    assert (event.by, event.reason) == (now.by, now.reason)


@pytest.mark.parametrize(("call", "source", "state", "to", "more"), ROWS)
def test_the_table_refuses_another_epoch_or_state(
    call: Call, source: tuple[State, ...], state: State, to: State, more: dict[str, Any]
) -> None:
    if state not in source:
        return
    before = lease(state, **more)
    assert not applies(replace(before, epoch=8), call(before))
    other = State.STOPPED if state is not State.STOPPED else State.FAILED
    assert not applies(replace(before, state=other), call(before))


def test_create_makes_one_new_lease() -> None:
    write = protocol.create(UNIT, "i-1", by="deploy", **AT)
    item = protocol.apply(None, write)
    assert item is not None
    made = protocol.from_item(item)
    assert (made.state, made.epoch, made.instance_id, made.by, made.nonce) == (State.NEW, 1, "i-1", "deploy", "n")
    assert protocol.apply(item, write) is None
    assert write.event is not None
    assert (write.event.before, write.event.after, write.event.epoch) == ("", "NEW", 1)


# ---------------------------------------------------------------- only if; and the same once more in the table
REFUSED: tuple[tuple[str, Call, State, dict[str, Any], dict[str, Any], str], ...] = (
    ("nobody wants it", start, State.STOPPED, WAKE_REQUEST, SPENT_WAKE_REQUEST, "nobody wants"),
    ("stop order alive", start, State.STOPPED, WAKE_REQUEST | SPENT_ORDER, WAKE_REQUEST | LIVE_ORDER, "may still land"),
    ("stop order alive", wake, State.STOPPED, SPENT_ORDER, LIVE_ORDER, "may still land"),
    ("stop order alive", adopt, State.STOPPED, SPENT_ORDER, LIVE_ORDER, "may still land"),
    (
        "budget spent",
        start,
        State.STOPPED,
        WAKE_REQUEST | {"spent_until": NOW},
        WAKE_REQUEST | {"spent_until": NOW + 1},
        "budget",
    ),
    ("budget spent", wake, State.FAILED, {"spent_until": NOW}, {"spent_until": NOW + 1}, "budget"),
    ("another boot", ready, State.STARTING, {}, {"boot_id": "b-2"}, "this boot"),
    ("wanted", drain, State.RUNNING, SPENT_WAKE_REQUEST, WAKE_REQUEST, "wanted or inhibited"),
    ("held", drain, State.RUNNING, {}, INHIBITOR, "wanted or inhibited"),
    ("wanted", stop, State.DRAINING, SPENT_WAKE_REQUEST, WAKE_REQUEST, "wanted or inhibited"),
    ("held", stop, State.DRAINING, {}, INHIBITOR, "wanted or inhibited"),
    ("another boot", stop, State.DRAINING, {}, {"boot_id": "b-2"}, "another boot"),
    ("stop order alive", stopped, State.STOPPING, SPENT_ORDER, LIVE_ORDER, "may still land"),
    ("held", fail_stop, State.STARTING, {}, INHIBITOR, "inhibited by deploy"),
    ("start order alive", fail_stop, State.STARTING, {}, {"order_at": NOW - START_ORDER_LIFE_S}, "may still land"),
    ("stop order alive", lost, State.RUNNING, SEEN, SEEN | LIVE_ORDER, "may still land"),
    ("not seen", lost, State.RUNNING, SEEN, {}, "not seen stopped twice"),
    ("seen just now", lost, State.RUNNING, SEEN, {"stopped_seen": NOW - STOPPED_TWICE_S + 1}, "not seen stopped"),
    ("order young", lost, State.RUNNING, SEEN, SEEN | {"order_at": NOW - YOUNG_ORDER_S + 1}, "young"),
)


@pytest.mark.parametrize(
    ("why", "call", "state", "good", "bad", "said"), REFUSED, ids=lambda v: v if isinstance(v, str) else ""
)
def test_refused_when_read_and_when_written(  # noqa: PLR0917
    why: str, call: Call, state: State, good: dict[str, Any], bad: dict[str, Any], said: str
) -> None:
    assert said in words(call(lease(state, **bad)))
    outcome = call(lease(state, **good))
    assert applies(lease(state, **good), outcome)
    assert not applies(lease(state, **bad), outcome), f"{why}: not checked in the table"


@pytest.mark.parametrize("call", [ready, veto, stop, reboot])
def test_every_write_of_the_agent_names_its_machine(call: Call) -> None:
    before = lease(State.STARTING if call is ready else State.DRAINING)
    assert not applies(replace(before, instance_id="i-2"), call(before))
    assert not applies(replace(before, boot_id="b-9"), call(before))


def test_adopt_waits_after_stopped() -> None:
    assert "less than" in words(adopt(lease(State.STOPPED, since=NOW - STOPPED_TWICE_S + 1)))


def test_adopt_of_a_failed_start_waits_until_it_was_seen_stopped() -> None:
    assert "not seen stopped" in words(adopt(lease(State.FAILED)))


def test_an_adopted_or_rebooted_machine_leaves_no_order_to_repeat() -> None:
    for before, call in ((lease(State.STOPPED), adopt), (lease(State.RUNNING), reboot)):
        now = after(before, call(before))
        assert now.attempts == START_ATTEMPTS
        assert isinstance(protocol.repeat_start(now, **AT), Refused)


# ---------------------------------------------------------------- what a transition sets and clears
def test_a_start_may_carry_its_own_wake_request() -> None:
    for before in (lease(State.STOPPED), lease(State.FAILED, **SPENT_WAKE_REQUEST)):
        now = after(before, wake(before))
        assert (now.state, now.reason) == (State.STARTING, "wanted by relay")
        assert written(wake(before)).event.facts == {"wanted_by": "relay"}, "for who reads the history"
        assert (now.wake_by, now.wake_at, now.wake_until) == ("relay", NOW, NOW + 60)


def test_a_start_never_shortens_a_wake_request() -> None:
    before = lease(State.STOPPED, **WAKE_REQUEST | {"wake_until": NOW + 600})
    assert after(before, wake(before)).wake_until == NOW + 600
    assert not applies(before, wake(lease(State.STOPPED))), "one that came meanwhile"


def test_a_wake_request_that_is_over_starts_nothing() -> None:
    assert words(protocol.start(lease(State.STOPPED), by="relay", wake_until=NOW, **AT)) == "nobody wants the host"
    standing = protocol.start(lease(State.STOPPED, **WAKE_REQUEST), by="relay", wake_until=NOW, **AT)
    assert after(lease(State.STOPPED, **WAKE_REQUEST), standing).wake_until == NOW + 60


def test_another_s_wake_request_that_was_refused_meanwhile_starts_nothing() -> None:
    before = lease(State.STOPPED, **WAKE_REQUEST)
    refused = after(before, protocol.drop_wake_request(before, nonce="budget"))
    assert not applies(refused, start(before))


def test_start_begins_a_new_boot_with_one_order() -> None:
    before = lease(State.FAILED, failure="capacity", ready_at=LONG_AGO, busy=3, **WAKE_REQUEST)
    now = after(before, start(before))
    assert (now.boot_id, now.order_at, now.attempts, now.failure, now.ready_at, now.busy) == ("", NOW, 1, "", None, 0)
    assert now.wanted(NOW)
    assert now.reason == "wanted by caller"


DEAD = {"dead": "a, b", "dead_at": LONG_AGO}


@pytest.mark.parametrize(("engines", "goes"), [(("a",), False), (("a", "b"), False), (("c", "a"), True), ((), False)])
def test_callers_resume_a_drain_only_for_an_engine_that_answers(engines: tuple[str, ...], goes: bool) -> None:
    draining = lease(State.DRAINING, **DEAD)
    outcome = protocol.resume(draining, by="relay", reason="demand", engines=engines, **AT)
    if not goes:
        assert "does not answer" in words(outcome)
        return
    assert after(draining, outcome).dead == "a, b"  # the engines are what they were
    assert not applies(replace(draining, dead="a, b, c"), outcome), "decided on which engines answer"


def test_what_is_said_of_engines_ends_with_their_run() -> None:
    running = lease(State.RUNNING, unknown_at=LONG_AGO, **DEAD)
    draining = after(running, protocol.drain(running, reason="idle", **AT))
    assert (draining.dead, draining.dead_at, draining.unknown_at) == ("a, b", LONG_AGO, LONG_AGO)
    stopping = after(running, protocol.force(running, by="reaper", reason="why", **AT))
    assert (stopping.dead, stopping.dead_at, stopping.unknown_at) == ("", None, None)


def test_a_stop_for_dead_engines_needs_one_that_still_is() -> None:
    running = lease(State.RUNNING, pin_until=NOW + 9, pin_who="ann", **DEAD)
    outcome = protocol.force(running, by="reaper", reason="why", dead=True, **AT)
    assert after(running, outcome).pin_who == "ann"
    assert not applies(replace(running, dead="", dead_at=None), outcome), "they answered meanwhile"
    assert "answers" in words(protocol.force(lease(State.RUNNING), by="reaper", reason="why", dead=True, **AT))


@pytest.mark.parametrize(("call", "state"), [(ready, State.STARTING), (resume, State.DRAINING), (veto, State.DRAINING)])
def test_every_step_into_running_clears_the_wake_request(call: Call, state: State) -> None:
    before = lease(state, **WAKE_REQUEST)
    now = after(before, call(before))
    assert (now.wake_by, now.wake_at, now.wake_until) == ("", None, None)


@pytest.mark.parametrize(
    ("call", "state"),
    [(stopped, State.STOPPING), (fail, State.STARTING), (force, State.DRAINING), (lost, State.DRAINING)],
)
def test_no_step_away_from_running_loses_the_wake_request(call: Call, state: State) -> None:
    before = lease(state, **SEEN, **WAKE_REQUEST)
    assert after(before, call(before)).wanted(NOW)


def test_an_operators_force_forgets_the_wake_request() -> None:
    before = lease(State.STARTING, **WAKE_REQUEST)
    outcome = protocol.force(before, by="operator", reason="fab stop", forget=True, **AT)
    assert not after(before, outcome).wanted(NOW)
    assert written(outcome).event.facts == {"forced": True}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "meanwhile", [WAKE_REQUEST, INHIBITOR, {"demand_at": NOW}], ids=["wake request", "hold", "demand"]
)
def test_force_was_decided_on_what_was_read(meanwhile: dict[str, Any]) -> None:
    before = lease(State.DRAINING, demand_at=LONG_AGO)
    assert not applies(replace(before, **meanwhile), force(before))
    assert applies(replace(before, **meanwhile), force(replace(before, **meanwhile)))


def test_ready_is_evidence_of_demand_and_keeps_the_order() -> None:
    before = lease(State.STARTING, order_at=NOW - 20, attempts=2, **WAKE_REQUEST)
    now = after(before, protocol.ready(before, boot_id="b-1", facts={"boot_s": 3.0}, **AT))
    assert (now.ready_at, now.demand_at, now.agent_at, now.order_at, now.attempts) == (NOW, NOW, NOW, NOW - 20, 0)


@pytest.mark.parametrize(("demand", "at"), [(True, NOW), (False, LONG_AGO)])
def test_resume_is_demand_only_if_there_was_some(demand: bool, at: float) -> None:
    before = lease(State.DRAINING, demand_at=LONG_AGO)
    outcome = protocol.resume(before, by="reaper", reason="late", demand=demand, **AT)
    assert after(before, outcome).demand_at == at


def test_a_failed_start_with_an_order_says_until_when_it_lands() -> None:
    before = lease(State.STARTING)
    now = after(before, fail_stop(before))
    assert (now.order_until, now.failure, now.stopped_seen) == (NOW + STOP_ORDER_LIFE_S, "late", None)


def test_a_failed_start_without_an_order_is_off() -> None:
    before = lease(State.STARTING, order_at=NOW)
    now = after(before, fail(before))
    assert (now.order_until, now.failure, now.stopped_seen) == (None, "capacity", NOW)


@pytest.mark.parametrize(("call", "state"), [(stopped, State.STOPPING), (lost, State.RUNNING)])
def test_off_means_no_boot_and_no_order(call: Call, state: State) -> None:
    before = lease(state, order_at=LONG_AGO, attempts=2, busy=4, **SEEN)
    now = after(before, call(before))
    assert (now.boot_id, now.order_at, now.attempts, now.busy, now.stopped_seen) == ("", None, 0, 0, None)


def test_a_reboot_under_the_lease_starts_over() -> None:
    before = lease(State.RUNNING, ready_at=LONG_AGO, busy=2)
    now = after(before, reboot(before))
    assert (now.boot_id, now.ready_at, now.busy, now.order_at) == ("b-2", None, 0, NOW)


def test_another_machine_is_new() -> None:
    before = lease(State.FAILED, failure="gone", order_until=NOW, order_at=NOW, **WAKE_REQUEST)
    now = after(before, renew(before))
    assert (now.instance_id, now.boot_id, now.failure, now.order_until, now.order_at) == ("i-2", "", "", None, None)
    assert now.wanted(NOW)
    assert "already" in words(protocol.new_machine(before, instance_id="i-1", by="deploy", **AT))


def test_a_write_repeated_in_place_changes_nothing_twice() -> None:
    before = lease(State.RUNNING)
    outcome = drain(before)
    once = protocol.apply(protocol.to_item(before), written(outcome))
    assert isinstance(outcome, Write)
    assert protocol.apply(once, outcome) is None
