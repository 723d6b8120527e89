"""What the relay does next: a table."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from core.lease import Lease, State
from runtime.backends.power import Machine
from runtime.gateway.unit.steps import ORDER_FRESH_S, Act, Situation, next_act

NOW = 10_000.0
TTL = 1140.0


def lease(state: State, **changes: Any) -> Lease:
    return dataclasses.replace(Lease("u/host", state, 7, NOW - 100, "why", "agent"), **changes)


def machine(state: str) -> Machine:
    return Machine("i-1", state)


FRESH = {"wake_by": "relay", "wake_at": NOW, "wake_until": NOW + TTL}
OLD = {"wake_by": "relay", "wake_at": NOW - 100, "wake_until": NOW + TTL - 100}
OVER = {"wake_by": "relay", "wake_at": NOW - 2000, "wake_until": NOW - 1}
UNPAID = {"spent_until": NOW + 1}
WANTED = {"wanted": True}

TABLE: list[tuple[str, Lease, dict[str, Any], Act]] = [
    ("running: nothing", lease(State.RUNNING), {}, Act.WAIT),
    ("running: no wake request is written", lease(State.RUNNING), WANTED, Act.WAIT),
    ("running, engine refused: ask EC2", lease(State.RUNNING), {"doubted": True}, Act.DESCRIBE),
    ("running, asked a moment ago", lease(State.RUNNING), {"doubted": True, "machine": machine("running")}, Act.WAIT),
    ("draining: cordon", lease(State.DRAINING), {}, Act.CORDON),
    ("draining: no cordon while routes are open", lease(State.DRAINING), {"closed": False}, Act.WAIT),
    ("draining: cordoned once", lease(State.DRAINING, cordon_epoch=7), {}, Act.WAIT),
    ("draining: an older drain's cordon does not count", lease(State.DRAINING, cordon_epoch=5), {}, Act.CORDON),
    ("draining, demand: resume", lease(State.DRAINING), WANTED, Act.RESUME),
    ("draining, demand after the cordon", lease(State.DRAINING, cordon_epoch=7), WANTED, Act.RESUME),
    ("draining, another's wake request", lease(State.DRAINING, **FRESH), {}, Act.RESUME),
    ("draining, machine off", lease(State.DRAINING), WANTED | {"machine": machine("stopped")}, Act.WAIT),
    ("stopping, demand, nobody pays: no wake request", lease(State.STOPPING, **UNPAID), WANTED, Act.DESCRIBE),
    ("stopped, demand, nobody pays", lease(State.STOPPED, **UNPAID), WANTED, Act.WAIT),
    ("stopped, requested, nobody pays", lease(State.STOPPED, **FRESH, **UNPAID), {}, Act.WAIT),
    ("failed, demand, nobody pays", lease(State.FAILED, **UNPAID), WANTED, Act.WAIT),
    ("stopped, demand, a new month", lease(State.STOPPED, spent_until=NOW), WANTED, Act.START),
    ("draining, demand beyond the budget: resume", lease(State.DRAINING, **UNPAID), WANTED, Act.RESUME),
    ("new, demand: wake request", lease(State.NEW), WANTED, Act.REQUEST_WAKE),
    ("starting, nobody", lease(State.STARTING), {}, Act.WAIT),
    ("starting, demand: wake request", lease(State.STARTING), WANTED, Act.REQUEST_WAKE),
    ("starting, requested", lease(State.STARTING, **FRESH), WANTED, Act.WAIT),
    ("starting, wake request grows old", lease(State.STARTING, **OLD), WANTED, Act.REQUEST_WAKE),
    (
        "starting, order owed",
        lease(State.STARTING, **FRESH, order_at=NOW - ORDER_FRESH_S + 0.1),
        {"owed": True},
        Act.ORDER,
    ),
    (
        "starting, order owed for long",
        lease(State.STARTING, **FRESH, order_at=NOW - ORDER_FRESH_S),
        {"owed": True},
        Act.REPEAT,
    ),
    ("starting, an order's time unknown", lease(State.STARTING, **FRESH), {"owed": True}, Act.REPEAT),
    ("stopping: ask EC2", lease(State.STOPPING), {}, Act.DESCRIBE),
    ("stopping, still up", lease(State.STOPPING), {"machine": machine("running")}, Act.WAIT),
    ("stopping, off", lease(State.STOPPING), {"machine": machine("stopped")}, Act.STOPPED),
    (
        "stopping, off, a stop order may land",
        lease(State.STOPPING, order_until=NOW + 3),
        {"machine": machine("stopped")},
        Act.WAIT,
    ),
    (
        "stopping, demand: wake request first",
        lease(State.STOPPING),
        WANTED | {"machine": machine("stopped")},
        Act.REQUEST_WAKE,
    ),
    ("stopped, nobody", lease(State.STOPPED), {}, Act.WAIT),
    ("stopped, demand: start with its wake request", lease(State.STOPPED), WANTED, Act.START),
    ("stopped, demand, an old wake request", lease(State.STOPPED, **OLD), WANTED, Act.START),
    (
        "stopped, demand, a stop order may land: wake request",
        lease(State.STOPPED, order_until=NOW + 3),
        WANTED,
        Act.REQUEST_WAKE,
    ),
    ("stopped, demand, relay may not wake", lease(State.STOPPED, **OLD), WANTED | {"may_wake": False}, Act.WAIT),
    ("stopped, requested: start", lease(State.STOPPED, **FRESH), WANTED, Act.START),
    ("stopped, fab wake's wake_request: start", lease(State.STOPPED, **OLD), {}, Act.START),
    ("stopped, wake request is over", lease(State.STOPPED, **OVER), {}, Act.WAIT),
    ("stopped, a stop order may land", lease(State.STOPPED, **FRESH, order_until=NOW + 3), WANTED, Act.WAIT),
    ("stopped, relay may not wake", lease(State.STOPPED), WANTED | {"may_wake": False}, Act.WAIT),
    ("failed a while ago: ask EC2", lease(State.FAILED, **FRESH, failure="start-timeout"), {}, Act.DESCRIBE),
    (
        "failed a while ago, off: start",
        lease(State.FAILED, **FRESH, failure="start-timeout"),
        {"machine": machine("stopped")},
        Act.START,
    ),
    (
        "failed a while ago, still stopping",
        lease(State.FAILED, **FRESH, failure="start-timeout"),
        {"machine": machine("stopping")},
        Act.WAIT,
    ),
    ("failed just now", lease(State.FAILED, **FRESH, since=NOW - 5, failure="start-timeout"), {}, Act.WAIT),
    ("failed, no capacity: the reaper's", lease(State.FAILED, **FRESH, failure="capacity"), {}, Act.WAIT),
    ("failed, machine gone", lease(State.FAILED, **FRESH, failure="gone", since=0.0), {}, Act.WAIT),
    ("failed, demand: wake request", lease(State.FAILED, failure="capacity"), WANTED, Act.REQUEST_WAKE),
    (
        "failed a while ago, demand: wake request before EC2 is asked",
        lease(State.FAILED, failure="quota"),
        WANTED,
        Act.REQUEST_WAKE,
    ),
    (
        "failed a while ago, demand, off: start with its wake request",
        lease(State.FAILED, failure="quota"),
        WANTED | {"machine": machine("stopped")},
        Act.START,
    ),
    (
        "failed a while ago, demand, still stopping: wake request",
        lease(State.FAILED, failure="quota"),
        WANTED | {"machine": machine("stopping")},
        Act.REQUEST_WAKE,
    ),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_next_act(row: tuple[str, Lease, dict[str, Any], Act]) -> None:
    _, have, situation, wanted = row
    assert next_act(have, NOW, Situation(wake_request_ttl_s=TTL, **situation)) is wanted
