"""The policy on engines that do not answer, and on counters that nobody can read."""

from __future__ import annotations

from typing import Any

import pytest

from core.contract.intervals import SILENT_AFTER_S
from core.engines.health import ALERT_AFTER_S
from core.lease import Inhibitor, State, Write
from core.policy import Action, carry_out
from core.times.moments import next_month
from tests.core.policy_cases import IDLE, NOON, OFFICE, SETTINGS, WAKE_REQUEST, decided, lease

LIMIT = SETTINGS.engine_timeout_s
PINNED = {"pin_until": NOON + 3600, "pin_who": "ann"}


def dead(for_s: float, name: str = "a") -> dict[str, Any]:
    return {"dead": name, "dead_at": NOON - for_s}


@pytest.mark.parametrize(
    ("fields", "settings", "action"),
    [
        (dead(LIMIT - 1), {}, Action.KEEP),
        (dead(LIMIT), {}, Action.FORCE_DEAD),
        (dead(LIMIT) | PINNED, {}, Action.FORCE_DEAD),
        (dead(LIMIT), OFFICE, Action.FORCE_DEAD),
        (dead(LIMIT), {"stop_after_s": None}, Action.FORCE_DEAD),
        (dead(LIMIT), {"engine_timeout_s": LIMIT + 1}, Action.KEEP),
        (dead(LIMIT) | {"busy": 1}, {}, Action.KEEP),  # its other engines are in use
        (dead(LIMIT) | {"inhibitors": (Inhibitor("deploy", "x", NOON + 1),)}, {}, Action.KEEP),
        (dead(LIMIT) | {"agent_at": NOON - SILENT_AFTER_S}, {}, Action.KEEP),  # an old word
        (dead(30) | IDLE, {}, Action.DRAIN),  # nobody asks: an idle stop as ever
        # counters that cannot be read: neither idle nor demand
        (IDLE | {"unknown_at": NOON - 5}, {}, Action.KEEP),
        (IDLE | {"unknown_at": NOON - 5}, {"monthly_budget_usd": 1.0}, Action.KEEP),
        (IDLE | {"unknown_at": NOON - 5}, {"max_lease_s": 1800.0}, Action.FORCE),
    ],
)
def test_actions(fields: dict[str, Any], settings: dict[str, Any], action: Action) -> None:
    spent = {"spent_usd": 2.0} if "monthly_budget_usd" in settings else {}
    marked = {"spent_until": next_month(NOON)} if spent else {}
    assert decided(lease(State.RUNNING, **fields, **marked), facts=spent, **settings).action is action


@pytest.mark.parametrize("state", [State.RUNNING, State.DRAINING])
def test_an_alert_after_a_minute_says_which_engine_and_what_is_done(state: State) -> None:
    assert not decided(lease(state, **dead(ALERT_AFTER_S - 1))).alert
    found = decided(lease(state, **dead(ALERT_AFTER_S, "a, b")))
    assert found.alert == "engine-dead"
    assert "the engine a, b has not answered for 1m" in found.words
    assert "its unit is restarted, and the host in 9m" in found.words


def test_the_alert_says_what_stands_in_the_way() -> None:
    assert "other engines are in use" in decided(lease(State.RUNNING, busy=2, **dead(LIMIT))).words
    held = lease(State.RUNNING, inhibitors=(Inhibitor("deploy", "x", NOON + 9),), **dead(LIMIT))
    assert "left alone while the host is inhibited" in decided(held).words


def test_counters_that_stay_unreadable_are_an_alert() -> None:
    assert not decided(lease(State.RUNNING, unknown_at=NOON - 59)).alert
    found = decided(lease(State.RUNNING, unknown_at=NOON - 60))
    assert (found.alert, found.stops_at) == ("counters", None)
    assert "cannot be read" in found.words


def test_the_forced_stop_keeps_wake_request_and_pin_and_names_what_it_was_decided_on() -> None:
    """So that who waits is served by the next start; an engine that answered meanwhile is not cut off."""
    of = lease(State.RUNNING, **dead(LIMIT), **PINNED, **WAKE_REQUEST)
    step = carry_out.carry_out(of, decided(of), SETTINGS, now=NOON, nonce="n")
    assert isinstance(step.write, Write)
    assert not {"pin_until", "wake_until"} & set(step.write.sets)
    assert {"dead", "dead_at"} <= {clause.name for clause in step.write.clauses}
    assert step.write.event is not None
    assert "the engine a has not answered for 10m, the limit is 10m" in step.write.event.reason
