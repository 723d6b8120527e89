"""Which stop is to be announced now. It reads what the rules have decided, and adds only how long before.

An idle stop is announced when the policy itself says "stops in …": so never while the host is inhibited, pinned,
wanted, busy or on by its schedule. maxLease and hardCap stop a host all the same, and are announced all the same; an
inhibitor alone keeps maxLease off.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from core.lease import State
from core.policy import on
from core.policy.case import UP, Action, Case, Decision
from core.soon import IDLE, Soon

LEAD_S: Final = 300.0  # an idle stop is announced this long before, or a quarter of stopAfter


def lead_s(stop_after_s: float) -> float:
    """How long before an idle stop it is announced, s."""
    return min(LEAD_S, stop_after_s / 4)


def soon(case: Case, decision: Decision) -> Soon | None:
    """The first stop that is near, or None."""
    if decision.action is not Action.KEEP or case.lease.state not in (State.NEW, State.RUNNING):
        return None
    if case.facts.machine not in UP:
        return None
    return min((*_idle(case, decision), *_forced(case)), key=lambda s: s.at, default=None)


def _idle(case: Case, decision: Decision) -> Iterator[Soon]:
    limit, at = case.stop_after_s, decision.stops_at
    if at is None or limit is None or case.lease.wanted(case.now):
        return
    if at - case.now <= lead_s(limit):
        yield Soon(IDLE, at, case.now - case.idle, limit)


def _forced(case: Case) -> Iterator[Soon]:
    inhibited = case.lease.inhibited_past_max_lease(case.now)
    return (near for near in on.forced_soon(case) if near.bound == on.HARD_CAP or not inhibited)
