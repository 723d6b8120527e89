"""What should happen to a host now, and why: `decide(lease, facts, settings, now)`, pure and tested as a table.

The rules stand in `RULES` in the order of design.md section 7; the first that has an opinion wins. A rule takes a
`Case` and returns a `Decision`, or None: "not my business". To add a rule: a function, a place in `RULES`, rows in
`tests/core/test_policy.py`. What the reaper does for an action is in `runtime/reaper/`; whether it may is decided
once more by the lease's condition, so a decision on old facts does nothing rather than harm.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from core import contract
from core.contract import UnitSettings
from core.durations import show
from core.lease import Lease, State
from core.overrides import Limits, limits
from core.schedule import Schedule, is_on, next_change, next_on

UP: Final = frozenset({"pending", "running"})
GONE: Final = frozenset({"shutting-down", "terminated", "missing"})
BUDGET_IDLE_S: Final = 60.0  # with the budget spent a host stops this soon after its last demand
FAILED_RETRY_S: Final = 300.0  # a failure that is not capacity is tried again this rarely, while somebody waits
CAPACITY_RETRY_S: Final = 10.0
PRE_WARM_EXTRA_S: Final = 60.0  # the reaper's own minute
WARN_BEFORE_S: Final = 900.0  # maxLease and hardCap say so this long before


class Action(StrEnum):
    """What the reaper is to do. Every action but KEEP names a transition, a note or an order of the lease's table."""

    KEEP = "keep"
    SEEN = "seen"  # note that EC2 says `stopped` (or no longer does)
    LOST = "lost"  # → STOPPED, the machine stopped without us
    ADOPT = "adopt"  # → STARTING, somebody started the machine by hand
    STOPPED = "stopped"  # STOPPING → STOPPED
    BACKSTOP = "backstop"  # StopInstances for a machine that should be off
    REPEAT = "repeat"  # the start order once more
    FAIL = "fail"  # STARTING → FAILED, no order (the machine is off)
    FAIL_STOP = "fail-stop"  # STARTING → FAILED and StopInstances
    RESUME = "resume"  # DRAINING → RUNNING, took too long
    START = "start"
    PRE_WARM = "pre-warm"  # a wish of the schedule's own, then a start
    REFUSE = "refuse"  # the budget deletes the wish
    DRAIN = "drain"
    FORCE = "force"


@dataclass(frozen=True)
class Facts:
    """What was seen from outside. `machine`: EC2's state name or `missing`; `spent_usd`: this month's, None unknown."""

    machine: str
    state_reason: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    spent_usd: float | None = None


@dataclass(frozen=True)
class Decision:
    """`reason` is for people. `alert` is a stable key, sent once until it changes. `look_again_at`: table time, s."""

    action: Action
    reason: str
    look_again_at: float | None = None
    alert: str = ""


@dataclass(frozen=True)
class Case:
    """One host at one moment; ages never negative: a time in the future counts as now."""

    lease: Lease
    facts: Facts
    settings: UnitSettings
    now: float

    def age(self, then: float | None) -> float:
        """Seconds since `then`; never happened counts as the lease's last transition."""
        return max(0.0, self.now - (self.lease.since if then is None else then))

    @functools.cached_property
    def limits(self) -> Limits:
        """The stack's limits with the tags' overrides."""
        return limits(self.settings, self.facts.tags)

    @property
    def without_demand(self) -> float:
        """Seconds since the last evidence of demand; bounded by maxLease."""
        lease = self.lease
        return self.age(max(lease.demand_at or 0.0, lease.ready_at or 0.0) or None)

    @property
    def idle(self) -> float:
        """Seconds since demand or the last transition: a vetoed drain is not asked for again at once."""
        return min(self.without_demand, self.age(None))

    @property
    def over_budget(self) -> bool:
        """This month's money is spent."""
        budget, spent = self.settings.monthly_budget_usd, self.facts.spent_usd
        return budget is not None and spent is not None and spent >= budget


Rule = Callable[[Case], Decision | None]


def decide(lease: Lease, facts: Facts, settings: UnitSettings, now: float) -> Decision:
    """The first rule's opinion; every host gets one, in words."""
    case = Case(lease, facts, settings, now)
    decision = next(d for d in (rule(case) for rule in RULES) if d is not None)
    return _with_standing_alerts(case, decision)


def _with_standing_alerts(case: Case, decision: Decision) -> Decision:
    """What is wrong all the time is said too, behind what is wrong now."""
    if decision.alert:
        return decision
    if case.lease.state is State.FAILED and case.lease.failure:
        return _but(decision, alert=case.lease.failure, reason=decision.reason)  # or each retry would tell again
    if case.limits.problem:
        return _but(decision, alert="tag", reason=f"{decision.reason}; {case.limits.problem}")
    ahead = max(t or 0.0 for t in (case.lease.since, case.lease.agent_at, case.lease.relay_at)) - case.now
    if ahead > contract.SKEW_ALERT_S:
        return _but(decision, alert="clock", reason=f"{decision.reason}; a clock is {ahead:.0f}s ahead of the table's")
    return decision


def _but(decision: Decision, *, alert: str, reason: str) -> Decision:
    return Decision(decision.action, reason, decision.look_again_at, alert)


def _keep(reason: str, again: float | None = None, alert: str = "") -> Decision:
    return Decision(Action.KEEP, reason, again, alert)


# ---------------------------------------------------------------- EC2's own state
def _gone(case: Case) -> Decision | None:
    if case.facts.machine not in GONE or (case.lease.state is State.NEW and case.age(None) < contract.NEW_ALERT_S):
        return None
    if case.lease.state is State.STARTING:
        return Decision(Action.FAIL, f"the machine is {case.facts.machine}", alert="gone")
    return _keep(f"the machine is {case.facts.machine}; run `pulumi up -s {case.settings.stack}`", alert="gone")


def _stopping(case: Case) -> Decision | None:
    """STOPPING ends at `stopped`; a machine that is still up gets an order from outside, one at a time."""
    if case.lease.state is not State.STOPPING:
        return None
    if case.lease.order_alive(case.now):
        return _keep("a stop order may still land", (case.lease.order_until or 0.0) + contract.ORDER_MARGIN_S)
    if case.facts.machine == "stopped":
        return Decision(Action.STOPPED, case.lease.reason)
    if case.facts.machine in UP and case.age(None) >= contract.STOP_BACKSTOP_AFTER_S:
        return Decision(Action.BACKSTOP, f"still {case.facts.machine} {show(case.age(None))} after it should stop")
    return _keep(f"stopping, EC2 says {case.facts.machine}", case.lease.since + contract.STOP_BACKSTOP_AFTER_S)


def _starting(case: Case) -> Decision | None:
    """STARTING is bounded: by its time-out, and by the number of orders."""
    lease, settings = case.lease, case.settings
    if lease.state is not State.STARTING:
        return None
    off = case.facts.machine == "stopped"
    if case.age(None) >= settings.start_timeout_s and (off or not lease.held(case.now)):
        reason = f"not ready within {show(settings.start_timeout_s)}{_ec2_words(case)}"
        return Decision(Action.FAIL if off else Action.FAIL_STOP, reason, alert="start-timeout")
    if off and case.age(lease.order_at) >= contract.REPEAT_ORDER_S:
        if lease.boot_id or lease.attempts >= contract.START_ATTEMPTS:
            return Decision(Action.FAIL, f"the machine is back at stopped{_ec2_words(case)}", alert="start-refused")
        return Decision(Action.REPEAT, f"still stopped; start order {lease.attempts + 1}{_ec2_words(case)}")
    left = settings.start_timeout_s - case.age(None)
    if left <= 0:  # somebody is at work on it: a deployment may take longer than a start
        return _held(case)
    return _keep(f"starting for {show(case.age(None))}; gives up in {show(left)}", case.now + left)


def _ec2_words(case: Case) -> str:
    return f" (EC2: {case.facts.state_reason})" if case.facts.state_reason else ""


def _stopped_without_us(case: Case) -> Decision | None:
    """EC2 says `stopped` under a lease that says otherwise: believed when it says so twice, 30 s apart."""
    lease = case.lease
    if lease.state not in (State.NEW, State.RUNNING, State.DRAINING, State.FAILED):
        return None
    if case.facts.machine != "stopped":
        if lease.stopped_seen is not None and lease.state is not State.FAILED:
            return Decision(Action.SEEN, "EC2 no longer says stopped")
        return None
    if lease.order_at is not None and case.age(lease.order_at) < contract.YOUNG_ORDER_S:
        return None
    if lease.stopped_seen is None:
        return Decision(Action.SEEN, "EC2 says stopped", case.now + contract.STOPPED_TWICE_S)
    if lease.state is State.FAILED:
        return None
    if case.age(lease.stopped_seen) < contract.STOPPED_TWICE_S:
        return _keep("EC2 says stopped; asked again soon", lease.stopped_seen + contract.STOPPED_TWICE_S)
    return Decision(Action.LOST, f"the machine stopped without us{_ec2_words(case)}", alert="lost")


def _up_without_us(case: Case) -> Decision | None:
    """A machine that is up under STOPPED was started by hand; under FAILED its stop may have been lost."""
    lease = case.lease
    if lease.state not in (State.STOPPED, State.FAILED) or case.facts.machine not in UP:
        return None
    if lease.order_alive(case.now) or case.age(None) < contract.STOPPED_TWICE_S:
        return _keep(f"{lease.state.lower()}, EC2 says {case.facts.machine}; asked again soon")
    if lease.state is State.FAILED and lease.stopped_seen is None:
        return Decision(Action.BACKSTOP, f"failed, and still {case.facts.machine}")
    return Decision(Action.ADOPT, "somebody started the machine by hand")


# ---------------------------------------------------------------- bounds, holds, wishes
def _hard_cap(case: Case) -> Decision | None:
    cap, lease = case.settings.hard_cap_s, case.lease
    if not cap or lease.state not in (State.NEW, State.STARTING, State.RUNNING, State.DRAINING):
        return None
    up = case.age(lease.ready_at)
    if up >= cap:
        return Decision(Action.FORCE, f"hardCap: up for {show(up)}, the limit is {show(cap)}", alert="hard-cap")
    if up >= cap - min(WARN_BEFORE_S, cap / 4):
        return _warned(case, _hard_cap, f"hardCap stops it in {show(cap - up)}", "hard-cap-soon")
    return None


def _warned(case: Case, rule: Rule, warning: str, alert: str) -> Decision:
    """The rules behind `rule` decide as ever; the warning goes with what they say."""
    later = RULES[RULES.index(rule) + 1 :]
    decision = next(d for d in (rule(case) for rule in later) if d is not None)
    return _but(decision, alert=decision.alert or alert, reason=f"{decision.reason}; {warning}")


def _draining(case: Case) -> Decision | None:
    """A drain is over within minutes: the agent stops or vetoes, or the reaper gives up on it."""
    lease = case.lease
    if lease.state is not State.DRAINING:
        return None
    if case.age(None) >= contract.DRAIN_TIMEOUT_S:
        return Decision(Action.RESUME, f"not done draining within {show(contract.DRAIN_TIMEOUT_S)}")
    return _keep(f"draining: {lease.reason}", lease.since + contract.DRAIN_TIMEOUT_S)


def _held(case: Case) -> Decision | None:
    hold = case.lease.held(case.now)
    if hold is None or case.lease.state in (State.STOPPED, State.FAILED):
        return None
    return _keep(f"held by {hold.who} ({hold.why}) for another {show(hold.until - case.now)}", hold.until)


def _wanted_off(case: Case) -> Decision | None:
    """Wanted and off: start, or refuse for the budget, or say what it waits for."""
    lease, now = case.lease, case.now
    if lease.state not in (State.STOPPED, State.FAILED):
        return None
    if not lease.wanted(now):
        return None
    if case.over_budget:
        return Decision(Action.REFUSE, _budget_words(case), alert="budget")
    if lease.order_alive(now):
        return _keep("wanted; a stop order may still land", (lease.order_until or now) + contract.ORDER_MARGIN_S)
    if case.facts.machine != "stopped":
        return _keep(f"wanted; EC2 says {case.facts.machine}")
    wait = _retry_wait(lease)
    if case.age(None) < wait:
        return _keep(f"wanted; {lease.reason}; tried again in {show(wait - case.age(None))}", lease.since + wait)
    return Decision(Action.START, f"wanted by {lease.wish_by}")


def _retry_wait(lease: Lease) -> float:
    if lease.state is State.STOPPED:
        return 0.0
    return CAPACITY_RETRY_S if lease.failure == "capacity" else FAILED_RETRY_S


def _budget_words(case: Case) -> str:
    return f"budget: {case.facts.spent_usd:.2f} of {case.settings.monthly_budget_usd:.2f} USD spent this month"


def _off(case: Case) -> Decision | None:
    """Off and unwanted: the schedule may warm it up, so that it is ready at the hour."""
    lease, now, schedule = case.lease, case.now, case.limits.schedule
    if lease.state not in (State.STOPPED, State.FAILED):
        return None
    words = lease.reason if lease.state is State.STOPPED else f"failed: {lease.reason}"
    if schedule is None:
        return _keep(f"off: {words}")
    at = _warm_at(case, schedule)
    if now < at:
        return _keep(f"off: {words}; the schedule starts it in {show(at - now)}", at)
    if case.over_budget:
        return _keep(f"off, although the schedule says on; {_budget_words(case)}", alert="budget")
    if case.facts.machine != "stopped" or case.age(None) < _retry_wait(lease):
        return _keep(f"off, the schedule says on: {words}", case.now + _retry_wait(lease))
    return Decision(Action.PRE_WARM, f"the schedule says on ({schedule.on}, {schedule.zone})")


def _warm_at(case: Case, schedule: Schedule) -> float:
    """When the schedule's next start is due (now or before: at once); early by the start's own time-out's half."""
    if is_on(schedule, case.now):
        return case.now
    lead = case.settings.start_timeout_s / 2 + PRE_WARM_EXTRA_S
    return next_on(schedule, case.now) - lead


# ---------------------------------------------------------------- up: how long still
def _silent(case: Case) -> Decision | None:
    """The agent's silence is activity, but not for ever: nothing before `maxSilence`, then the stop is forced.

    Comes before every rule that drains, since a silent agent cannot look.
    """
    lease, limit = case.lease, case.settings.max_silence_s
    quiet = case.age(lease.agent_at)
    if lease.state is not State.RUNNING or quiet < contract.SILENT_AFTER_S:
        return None
    if quiet >= limit:
        reason = f"the agent was silent for {show(quiet)}, the limit is {show(limit)}"
        return Decision(Action.FORCE, reason, alert="silent")
    left = limit - quiet
    return _keep(f"the agent is silent for {show(quiet)}; stopped by force in {show(left)}", case.now + left, "silent")


def _max_lease(case: Case) -> Decision | None:
    """Bounds the time without evidence of demand, never demand itself."""
    limit = case.limits.max_lease_s
    if not limit or case.lease.busy:
        return None
    idle = case.without_demand
    if idle >= limit:
        reason = f"maxLease: no demand for {show(idle)}, the limit is {show(limit)}"
        return Decision(Action.FORCE, reason, alert="max-lease")
    if idle >= limit - min(WARN_BEFORE_S, limit / 4):
        return _warned(case, _max_lease, f"maxLease stops it in {show(limit - idle)}", "max-lease-soon")
    return None


def _new(case: Case) -> Decision | None:
    """Never ready yet: nothing but maxLease stops it; somebody hears of it after half an hour."""
    if case.lease.state is not State.NEW:
        return None
    age = case.age(None)
    if age >= contract.NEW_ALERT_S:
        return _keep(f"new for {show(age)} and never ready; run `fab deploy -s {case.settings.stack}`", alert="new")
    return _keep(f"new for {show(age)}; not deployed yet", case.lease.since + contract.NEW_ALERT_S)


def _scheduled(case: Case) -> Decision | None:
    schedule = case.limits.schedule
    if schedule is None:
        return None
    change = next_change(schedule, case.now)
    silent = case.lease.state is State.RUNNING and case.age(case.lease.agent_at) >= contract.SILENT_AFTER_S
    if is_on(schedule, case.now):
        alert = "silent" if silent else ""
        return _keep(f"the schedule says on for another {show(change - case.now)}", change, alert)
    lead = case.settings.start_timeout_s / 2 + PRE_WARM_EXTRA_S
    if case.now >= change - lead:
        return _keep(f"the schedule says on in {show(change - case.now)}", change)
    return None


def _budget(case: Case) -> Decision | None:
    if not case.over_budget:
        return None
    idle = case.idle
    if case.lease.busy or idle < BUDGET_IDLE_S:
        return _keep(f"in use; {_budget_words(case)}", alert="budget")
    return _drain(case, f"{_budget_words(case)}; no demand for {show(idle)}", alert="budget")


def _idle(case: Case) -> Decision | None:
    stop_after = case.limits.stop_after_s
    if stop_after is None or case.lease.busy:
        return None
    idle = case.idle
    if idle < stop_after:
        return None
    return _drain(case, f"no demand for {show(idle)}, the limit is {show(stop_after)}")


def _drain(case: Case, reason: str, alert: str = "") -> Decision:
    if case.lease.wanted(case.now):
        return _keep(f"wanted by {case.lease.wish_by}", case.lease.wish_until)
    return Decision(Action.DRAIN, reason, alert=alert)


def _running(case: Case) -> Decision:
    """Keep, with the reason in words."""
    if case.lease.busy:
        return _keep(f"{case.lease.busy} requests in the engines")
    idle, stop_after = case.idle, case.limits.stop_after_s
    if stop_after is None:
        return _keep(f"last demand {show(idle)} ago; never stopped for being idle")
    left = stop_after - idle
    return _keep(f"last demand {show(idle)} ago; stops in {show(left)}", case.now + left)


RULES: Final[tuple[Rule, ...]] = (
    _gone,
    _stopping,
    _starting,
    _stopped_without_us,
    _up_without_us,
    _hard_cap,
    _draining,
    _held,
    _wanted_off,
    _off,
    _max_lease,
    _new,
    _scheduled,
    _silent,
    _budget,
    _idle,
    _running,
)
