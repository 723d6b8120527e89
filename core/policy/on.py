"""Rules for a host that is on: what bounds it, what keeps it, when it is asked to stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from core.codes import Alert
from core.contract import intervals
from core.lease import State
from core.policy.case import Action, Case, Decision, keep
from core.soon import Soon
from core.times.durations import show
from core.times.schedule import is_on, next_change

BOUNDED: Final = frozenset({State.NEW, State.RUNNING, State.DRAINING})  # STARTING has its own time-out
WARN_BEFORE_S: Final = 900.0  # a forced stop is announced this long before (or a quarter of its limit)
HARD_CAP: Final = "hardCap"
MAX_LEASE: Final = "maxLease"
WARNINGS: Final[Mapping[str, str]] = {HARD_CAP: Alert.HARD_CAP_SOON, MAX_LEASE: Alert.MAX_LEASE_SOON}
BUDGET_IDLE_S: Final = 60.0  # with the budget spent a host stops this soon after its last demand


def hard_cap(case: Case) -> Decision | None:
    """Bounds everything, inhibitors and demand too. Off by default."""
    cap, up = case.settings.hard_cap_s, case.age(case.lease.ready_at)
    if not cap or up < cap or case.lease.state not in BOUNDED:
        return None
    return Decision(Action.FORCE, f"hardCap: up for {show(up)}, the limit is {show(cap)}", alert=Alert.HARD_CAP)


def draining(case: Case) -> Decision | None:
    """A drain is over within minutes: the agent stops or vetoes, or the reaper gives up on it."""
    lease = case.lease
    if lease.state is not State.DRAINING:
        return None
    if lease.pinned(case.now):
        return Decision(Action.RESUME, f"pinned by {lease.pin_who} meanwhile")
    if case.age(None) >= intervals.DRAIN_TIMEOUT_S:
        return Decision(Action.RESUME, f"not done draining within {show(intervals.DRAIN_TIMEOUT_S)}")
    return keep(f"draining: {lease.reason}", lease.since + intervals.DRAIN_TIMEOUT_S)


def inhibited(case: Case) -> Decision | None:
    """Somebody is at work on the host: nothing below stops it, but for maxLease where all of them are sessions."""
    inhibitor = case.lease.inhibitor(case.now)
    if inhibitor is None or case.lease.state in (State.STOPPED, State.FAILED):
        return None
    if not case.lease.inhibited_past_max_lease(case.now) and (over := max_lease(case)):
        return over
    return keep(
        f"inhibited by {inhibitor.who} ({inhibitor.why}) for another {show(inhibitor.until - case.now)}",
        inhibitor.until,
    )


def max_lease(case: Case) -> Decision | None:
    """Bounds the time without evidence of demand, never demand itself."""
    limit, idle = case.limits.max_lease_s, case.without_demand
    if case.lease.state not in BOUNDED or not limit or case.lease.busy or idle < limit:
        return None
    reason = f"maxLease: no demand for {show(idle)}, the limit is {show(limit)}"
    return Decision(Action.FORCE, reason, alert=Alert.MAX_LEASE)


def warning(case: Case) -> tuple[str, str]:
    """A forced stop that is near, as alert key and words; two empty strings where none is."""
    near = next(iter(forced_soon(case)), None)
    if near is None:
        return "", ""
    return WARNINGS[near.bound], f"{near.bound} stops it in {show(near.at - case.now)}"


def forced_soon(case: Case) -> Iterator[Soon]:
    """The forced stops that are near, the one that bounds everything first."""
    if case.lease.state not in BOUNDED:
        return
    bounds = [(HARD_CAP, case.settings.hard_cap_s, case.age(case.lease.ready_at))]
    if not case.lease.busy:
        bounds.append((MAX_LEASE, case.limits.max_lease_s, case.without_demand))
    for name, limit, so_far in bounds:
        if limit and so_far >= limit - min(WARN_BEFORE_S, limit / 4):
            yield Soon(name, case.now + limit - so_far, case.now - so_far, limit)


def new(case: Case) -> Decision | None:
    """Never ready yet: nothing but maxLease stops it; somebody hears of it after half an hour."""
    if case.lease.state is not State.NEW:
        return None
    age = case.age(None)
    if age >= intervals.NEW_ALERT_S:
        return keep(f"new for {show(age)} and never ready; run `fab deploy -s {case.settings.stack}`", alert=Alert.NEW)
    return keep(f"new for {show(age)}; not deployed yet", case.lease.since + intervals.NEW_ALERT_S)


def pinned(case: Case) -> Decision | None:
    """Somebody wants it on until a time, whether anybody asks or not; maxLease and hardCap still bound it."""
    lease = case.lease
    if not lease.pinned(case.now) or lease.pin_until is None:
        return None
    silent = lease.state is State.RUNNING and case.age(lease.agent_at) >= intervals.SILENT_AFTER_S
    why = f" ({lease.pin_why})" if lease.pin_why else ""
    words = f"pinned by {lease.pin_who}{why} for another {show(lease.pin_until - case.now)}"
    return keep(words, lease.pin_until, Alert.SILENT if silent else "")


def scheduled(case: Case) -> Decision | None:
    """The hours of the schedule, and the minutes of warming up before them."""
    schedule = case.limits.schedule
    if schedule is None:
        return None
    change = next_change(schedule, case.now)
    silent = case.lease.state is State.RUNNING and case.age(case.lease.agent_at) >= intervals.SILENT_AFTER_S
    if is_on(schedule, case.now):
        alert = Alert.SILENT if silent else ""
        return keep(f"the schedule says on for another {show(change - case.now)}", change, alert)
    if case.now >= change - case.pre_warm_s:
        return keep(f"the schedule says on in {show(change - case.now)}", change)
    return None


def silent(case: Case) -> Decision | None:
    """The agent's silence is activity, but not for ever: nothing before `maxSilence`, then the stop is forced.

    Comes before every rule that drains, since a silent agent cannot check.
    """
    lease, limit = case.lease, case.settings.max_silence_s
    quiet = case.age(lease.agent_at)
    if lease.state is not State.RUNNING or quiet < intervals.SILENT_AFTER_S:
        return None
    if quiet >= limit:
        reason = f"the agent was silent for {show(quiet)}, the limit is {show(limit)}"
        return Decision(Action.FORCE, reason, alert=Alert.SILENT)
    left = limit - quiet
    return keep(f"the agent is silent for {show(quiet)}; stopped by force in {show(left)}", case.now + left, "silent")


def budget(case: Case) -> Decision | None:
    """With the budget spent it goes on as usual until nobody asks."""
    if not case.over_budget:
        return None
    idle = case.idle
    if case.lease.in_use or idle < BUDGET_IDLE_S:
        return keep(f"in use; {case.budget_words}", alert=Alert.BUDGET)
    return _drain(case, f"{case.budget_words}; no demand for {show(idle)}", alert=Alert.BUDGET)


def idle(case: Case) -> Decision | None:
    """Nobody asked for `stopAfter`: the agent is asked to check."""
    stop_after = case.stop_after_s
    if stop_after is None or case.lease.in_use:
        return None
    idle = case.idle
    if idle < stop_after:
        return None
    return _drain(case, f"no demand for {show(idle)}, the limit is {show(stop_after)}{_flap_words(case)}")


def _flap_words(case: Case) -> str:
    return " (twice the usual: woken three times within an hour)" if case.flaps else ""


def _drain(case: Case, reason: str, alert: str = "") -> Decision:
    if case.lease.wanted(case.now):
        return keep(f"wanted by {case.lease.wake_by}", case.lease.wake_until)
    return Decision(Action.DRAIN, reason, alert=alert)


def running(case: Case) -> Decision:
    """Keep, with the reason in words."""
    if case.lease.busy:
        return keep(f"{case.lease.busy} requests in the engines")
    if case.lease.in_use:
        return keep("what the engines do cannot be read: counts as in use")
    idle, stop_after = case.idle, case.stop_after_s
    if stop_after is None:
        return keep(f"last demand {show(idle)} ago; never stopped for being idle")
    left = stop_after - idle
    words = f"last demand {show(idle)} ago; stops in {show(left)}{_flap_words(case)}"
    return Decision(Action.KEEP, words, case.now + left, stops_at=case.now + left)
