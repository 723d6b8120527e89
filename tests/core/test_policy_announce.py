"""Which stop is announced: a table of when it is, and when it must not be."""

from __future__ import annotations

from typing import Any

import pytest

from core.contract.intervals import SILENT_AFTER_S
from core.contract.tags import TAG_AUTO_STOP
from core.lease import Inhibitor, State
from core.policy.on import WARN_BEFORE_S
from core.soon import Soon
from core.wakes import Wake
from tests.core.policy_cases import NOON, OFFICE, decided, lease

NEAR: dict[str, Any] = {"demand_at": NOON - 1500}  # stopAfter is 30 min: 5 min are left
INHIBITED = {"inhibitors": (Inhibitor("deploy", "x", NOON + 60),), "inhibited_until": NOON + 60}
PINNED = {"pin_until": NOON + 60, "pin_who": "ann"}
WANTED = {"wake_by": "relay", "wake_at": NOON, "wake_until": NOON + 60}
HALF_A_DAY = {"max_lease_s": 43200.0, "stop_after_s": None}
LONG_IDLE: dict[str, Any] = {
    "since": NOON - 43200 + WARN_BEFORE_S,
    "ready_at": NOON - 43200 + WARN_BEFORE_S,
    "demand_at": NOON - 43200 + WARN_BEFORE_S,
}


def announced(state: State = State.RUNNING, machine: str = "running", **given: Any) -> Soon | None:
    settings = {k: given.pop(k) for k in list(given) if k in {"stop_after_s", "max_lease_s", "hard_cap_s", *OFFICE}}
    facts = given.pop("facts", None)
    return decided(lease(state, **given), machine, facts=facts, **settings).soon


@pytest.mark.parametrize(
    ("given", "bound"),
    [
        (NEAR, "idle"),
        ({"demand_at": NOON - 1499}, None),
        ({"demand_at": NOON - 1799}, "idle"),
        ({"demand_at": NOON - 1800}, None),  # it is asked to stop now
        ({"demand_at": NOON - 44, "stop_after_s": 60.0}, None),
        ({"demand_at": NOON - 45, "stop_after_s": 60.0}, "idle"),  # a quarter of stopAfter
        (NEAR | {"stop_after_s": None}, None),
        (NEAR | {"facts": {"tags": {TAG_AUTO_STOP: "2h"}}}, None),
        (NEAR | {"facts": {"tags": {TAG_AUTO_STOP: "30 minuts"}}}, None),
        (NEAR | INHIBITED, None),
        (NEAR | PINNED, None),
        (NEAR | WANTED, None),
        (NEAR | {"busy": 1}, None),
        (NEAR | OFFICE, None),  # a Friday noon
        (NEAR | {"agent_at": NOON - SILENT_AFTER_S}, None),  # the alert says when
        (NEAR | {"machine": "stopped"}, None),
        (NEAR | {"state": State.DRAINING}, None),
        (NEAR | {"facts": {"wakes": tuple(Wake(NOON - 600 * n, 40.0) for n in (3, 2, 1))}}, None),  # flaps: twice
        # forced
        (LONG_IDLE | HALF_A_DAY, "maxLease"),
        (LONG_IDLE | HALF_A_DAY | {"demand_at": NOON - 43200 + WARN_BEFORE_S + 1}, None),
        (LONG_IDLE | HALF_A_DAY | INHIBITED, None),  # an inhibitor keeps maxLease off
        (LONG_IDLE | HALF_A_DAY | PINNED, "maxLease"),  # a pin does not
        (LONG_IDLE | HALF_A_DAY | OFFICE, "maxLease"),
        (LONG_IDLE | HALF_A_DAY | {"busy": 1}, None),
        (LONG_IDLE | HALF_A_DAY | {"machine": "stopped", "stopped_seen": NOON - 1}, None),
        ({"ready_at": NOON - 6300, "hard_cap_s": 7200.0}, "hardCap"),
        ({"ready_at": NOON - 6300, "hard_cap_s": 7200.0} | INHIBITED, "hardCap"),
        ({"ready_at": NOON - 6300, "hard_cap_s": 7200.0} | PINNED | {"busy": 1}, "hardCap"),
        ({"ready_at": NOON - 6299, "hard_cap_s": 7200.0}, None),
        (NEAR | {"ready_at": NOON - 7190, "hard_cap_s": 7200.0}, "hardCap"),  # the first of two
        (NEAR | {"ready_at": NOON - 6400, "hard_cap_s": 7200.0}, "idle"),
    ],
    ids=str,
)
def test_a_stop_that_is_near_is_announced(given: dict[str, Any], bound: str | None) -> None:
    found = announced(**given)
    assert (found.bound if found else None) == bound


def test_the_same_stop_has_the_same_name_until_somebody_asks() -> None:
    before = decided(lease(State.RUNNING, **NEAR)).soon
    later = decided(lease(State.RUNNING, **NEAR | {"agent_at": NOON + 115}), now=NOON + 120).soon
    assert before is not None
    assert later is not None
    assert (before.key, before.at) == (later.key, later.at) == (before.key, NOON + 300)
    asked = decided(lease(State.RUNNING, demand_at=NOON + 1, agent_at=NOON + 1600), now=NOON + 1601).soon
    assert asked is not None
    assert asked.key != before.key


def test_a_veto_begins_another_idle_time() -> None:
    vetoed = decided(lease(State.RUNNING, demand_at=NOON - 9000, since=NOON - 1500)).soon
    assert vetoed is not None
    assert vetoed.at == NOON + 300
