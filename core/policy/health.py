"""Rules for engines that do not answer: an alert, and after `engineTimeout` the host is forced off.

The agent restarts units meanwhile (`runtime/agent/pulse.py`). A host whose engine does not come back by that is
restarted: forced off, and started again by whoever still wants it. A host that cannot answer does not stay on because
people keep asking; one whose other engines are in use does.
"""

from __future__ import annotations

from core.codes import Alert
from core.contract import intervals
from core.engines import health
from core.lease import State
from core.policy.case import Action, Case, Decision
from core.times.durations import show


def dead(case: Case) -> Decision | None:
    """What the agent said a moment ago; of a silent agent's last word nothing follows."""
    lease, limit = case.lease, case.settings.engine_timeout_s
    if lease.state is not State.RUNNING or not lease.dead or case.age(lease.agent_at) >= intervals.SILENT_AFTER_S:
        return None
    age = case.age(lease.dead_at)
    if lease.busy or age < limit:
        return None
    reason = f"{health.words(lease.dead, age)}, the limit is {show(limit)}"
    return Decision(Action.FORCE_DEAD, reason, alert=Alert.ENGINE_DEAD)


def standing(case: Case) -> tuple[str, str]:
    """Alert key and words of an engine that does not answer, or whose counters nobody can read."""
    lease = case.lease
    if lease.state not in (State.RUNNING, State.DRAINING):
        return "", ""
    if lease.dead:
        silent = case.age(lease.dead_at)
        key = Alert.ENGINE_DEAD if silent >= health.ALERT_AFTER_S else ""
        return key, f"{health.words(lease.dead, silent)}; {_next(case, silent)}"
    if lease.unknown_at is not None and case.age(lease.unknown_at) >= health.ALERT_AFTER_S:
        age = show(case.age(lease.unknown_at))
        return Alert.COUNTERS, f"what the engines do cannot be read for {age}: they count as in use until maxLease"
    return "", ""


def _next(case: Case, age: float) -> str:
    if case.lease.inhibitor(case.now):
        return "left alone while the host is inhibited"
    if case.lease.busy:
        return "its unit is restarted; the host stays on, since its other engines are in use"
    left = case.settings.engine_timeout_s - age
    return f"its unit is restarted, and the host in {show(left)}" if left > 0 else "the host is restarted"
