"""What should happen to a host now, and why: `decide(lease, facts, settings, now)`, pure and tested as a table.

The rules stand in `RULES` in the order of the design's section 7; the first that has an opinion wins. A rule takes a
`Case` and returns a `Decision`, or None: "not my business". To add a rule: a function in `reconcile.py` (EC2
disagrees), `off.py` or `on.py`, a place in `RULES`, rows in `tests/core/test_policy.py`. What is written and ordered
for an action is in `carry_out.py`; whether it may be is decided once more by the lease's condition, so a decision on
old facts does nothing rather than harm.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from core.codes import Alert
from core.contract.documents import UnitSettings
from core.lease import Lease, State
from core.policy import announce, budget, health, off, on, reconcile
from core.policy.case import PRE_WARM_EXTRA_S, Action, Case, Decision, Facts, Rule, with_spent
from core.policy.reconcile import without_lease
from core.times.schedule import is_on, next_on

__all__ = ["RULES", "Action", "Case", "Decision", "Facts", "Rule", "asks_past", "decide", "with_spent", "without_lease"]
SKEW_ALERT_S: Final = 5.0

RULES: Final[tuple[Rule, ...]] = (
    reconcile.foreign,  # before every rule that acts
    reconcile.gone,
    reconcile.stopping,
    reconcile.starting,
    reconcile.stopped_without_us,
    reconcile.up_without_us,
    budget.mark,
    on.hard_cap,
    on.draining,
    on.inhibited,
    off.restore,
    off.wanted_off,
    off.pinned,
    off.off,
    on.max_lease,
    on.new,
    health.dead,  # before what keeps a host on: who wants it is served by the next start
    on.pinned,
    on.scheduled,
    on.silent,  # before every rule that drains: a silent agent cannot check
    on.budget,
    on.idle,
    on.running,
)


def decide(lease: Lease, facts: Facts, settings: UnitSettings, now: float) -> Decision:
    """The first rule's opinion; every host gets one, in words. `now` is the table's time, s."""
    case = Case(lease, facts, settings, now)
    decision = next(d for d in (rule(case) for rule in RULES) if d is not None)
    announced = announce.soon(case, decision)
    decision = dataclasses.replace(decision, soon=announced) if announced else decision
    return decision if decision.alert else _with_standing_alert(case, decision)


def asks_past(lease: Lease, facts: Facts, settings: UnitSettings, now: float) -> bool:
    """Past wakes could change the decision: the host was idle for nearly long enough, or its schedule's hour is near.

    Reading a history costs a call a host; without this a pass over many hosts would pay it for each, every minute.
    """
    case = Case(lease, facts, settings, now)
    limit, schedule = case.limits.stop_after_s, case.limits.schedule
    idle = lease.state is State.RUNNING and not lease.in_use
    if idle and limit is not None and case.idle >= limit - announce.lead_s(limit):
        return True
    if schedule is None or is_on(schedule, now):
        return False
    return next_on(schedule, now) - now <= settings.start_timeout_s + PRE_WARM_EXTRA_S


def _with_standing_alert(case: Case, decision: Decision) -> Decision:
    """What is wrong all the time is told where nothing else is."""
    alert, words = next((s for s in _standing(case) if s[0]), ("", ""))
    also = "; ".join(part for part in (words, reconcile.foreign_type(case)) if part)
    if case.lease.state is State.FAILED and case.lease.failure:
        alert = case.lease.failure  # or each retry would tell again
    return dataclasses.replace(decision, alert=alert, also=also) if alert or also else decision


def _standing(case: Case) -> tuple[tuple[str, str], ...]:
    """Alert key and words of everything that may be wrong, the worst first; an empty key: it is not."""
    lease = case.lease
    ahead = max(t or 0.0 for t in (lease.since, lease.agent_at, lease.relay_at)) - case.now
    return (
        health.standing(case),
        on.warning(case),
        reconcile.duplicate(case),
        (Alert.TAG if case.limits.problem else "", case.limits.problem),
        (Alert.PRICE if case.facts.problem else "", case.facts.problem),
        (Alert.CLOCK if ahead > SKEW_ALERT_S else "", f"a clock is {ahead:.0f}s ahead of the table's"),
    )
