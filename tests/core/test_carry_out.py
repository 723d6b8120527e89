"""What each decision writes and orders: every action, and that what the write sets is what the action means."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from core.lease import Lease, Refused, State, Write
from core.policy import Action, Decision
from core.policy.carry_out import Order, Step, carry_out, taken
from tests.samples import unit_settings

NOW = 1_000_000.0
SETTINGS = unit_settings(instance_types=("g6.xlarge", "g5.xlarge"))


def lease(state: State, **fields: Any) -> Lease:
    base = Lease("demo/host", state, 7, NOW - 100, "x", "agent", instance_id="i-1", boot_id="b")
    return dataclasses.replace(base, **fields)


def step(of: Lease, action: Action, **decision: Any) -> Step:
    return carry_out(of, Decision(action, "because", **decision), SETTINGS, now=NOW, nonce="n")


REQUESTED = {"wake_by": "ann", "wake_until": NOW + 60}
ON, OFF = lease(State.RUNNING), lease(State.STOPPED, **REQUESTED)
ROWS: list[tuple[Action, Lease, State | None, Order]] = [
    (Action.KEEP, ON, None, Order.NONE),
    (Action.SEEN, ON, None, Order.NONE),
    (Action.LOST, dataclasses.replace(ON, stopped_seen=NOW - 60), State.STOPPED, Order.NONE),
    (Action.ADOPT, lease(State.STOPPED), State.STARTING, Order.NONE),
    (Action.STOPPED, lease(State.STOPPING), State.STOPPED, Order.NONE),
    (Action.BACKSTOP, lease(State.STOPPING), None, Order.STOP),
    (Action.REPEAT, lease(State.STARTING, attempts=1), None, Order.START),
    (Action.FAIL, lease(State.STARTING), State.FAILED, Order.NONE),
    (Action.FAIL_STOP, lease(State.STARTING), State.FAILED, Order.STOP),
    (Action.RESUME, lease(State.DRAINING), State.RUNNING, Order.NONE),
    (Action.CLIMB, lease(State.STARTING), None, Order.CLIMB),
    (Action.RESTORE, lease(State.STOPPED, rung="g5.xlarge"), None, Order.SET_TYPE),
    (Action.START, OFF, State.STARTING, Order.START),
    (Action.PRE_WARM, lease(State.STOPPED), State.STARTING, Order.START),
    (Action.MARK, OFF, None, Order.NONE),
    (Action.UNMARK, OFF, None, Order.NONE),
    (Action.REFUSE, OFF, None, Order.NONE),
    (Action.DRAIN, ON, State.DRAINING, Order.NONE),
    (Action.FORCE, ON, State.STOPPING, Order.NONE),
    (Action.FORCE_DEAD, dataclasses.replace(ON, dead="a", dead_at=NOW - 600), State.STOPPING, Order.NONE),
]


@pytest.mark.parametrize(("action", "of", "after", "order"), ROWS, ids=[row[0] for row in ROWS])
def test_every_action(action: Action, of: Lease, after: State | None, order: Order) -> None:
    found = step(of, action, alert="code")
    assert found.order is order
    if action in (Action.KEEP, Action.CLIMB):
        assert found.write is None
        return
    assert isinstance(found.write, Write)
    assert (None if found.write.event is None else found.write.event.after) == after
    assert found.write.nonce == "n"


def test_no_action_is_left_out() -> None:
    assert {row[0] for row in ROWS} == set(Action) - {Action.CREATE}  # which has no lease to be carried out on


def test_a_failure_keeps_its_code_and_with_an_order_says_until_when_it_may_land() -> None:
    stays, stopped = (step(lease(State.STARTING), a, alert="code") for a in (Action.FAIL, Action.FAIL_STOP))
    assert isinstance(stays.write, Write)
    assert isinstance(stopped.write, Write)
    assert stays.write.sets["failure"] == stopped.write.sets["failure"] == "code"
    assert "order_until" in stopped.write.sets
    assert "order_until" not in stays.write.sets


def test_a_pre_warm_is_one_write_that_carries_its_own_wake_request() -> None:
    for fields, by in (({}, "schedule"), ({"pin_until": NOW + 9, "pin_who": "ann"}, "pin of ann")):
        found = step(lease(State.STOPPED, **fields), Action.PRE_WARM)
        assert isinstance(found.write, Write)
        assert found.write.sets["wake_by"] == by
        assert found.write.sets["wake_until"] == NOW + SETTINGS.start_timeout_s + 600
        assert found.write.event is not None
        assert (found.write.event.by, found.write.event.reason) == ("reaper", f"wanted by {by}")


def test_the_type_goes_back_and_the_news_of_it_follows_the_order() -> None:
    found = step(lease(State.STOPPED, rung="g5.xlarge"), Action.RESTORE)
    assert found.instance_type == "g6.xlarge"
    news = taken(lease(State.STOPPED, rung="g5.xlarge", type_at=NOW), Order.SET_TYPE, nonce="m")
    assert isinstance(news, Write)
    assert news.sets["rung"] is None
    assert {taken(ON, order, nonce="m") for order in Order if order is not Order.SET_TYPE} == {None}


def test_what_the_lease_refuses_is_refused() -> None:
    assert isinstance(step(lease(State.STOPPED), Action.START).write, Refused)
