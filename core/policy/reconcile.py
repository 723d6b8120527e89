"""Rules that reconcile the lease with what EC2 says: gone, stopping, starting, stopped or started without us.

At the end what is said of a unit beside its decision: no lease yet, duplicates, a type that nobody chose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core.capacity import ladder, power_errors
from core.capacity.power_errors import Kind
from core.codes import Alert, Failure
from core.contract import intervals
from core.contract.tags import TAG_CONTROL, TAG_UNIT
from core.lease import State
from core.policy.case import GONE, UP, Action, Case, Decision, keep
from core.policy.on import inhibited
from core.times.durations import show

REPEAT_ORDER_S: Final = 60.0  # a start order is repeated after this


def gone(case: Case) -> Decision | None:
    """There is no machine any more; a lease that is new may be younger than what EC2 tells."""
    if case.facts.machine not in GONE or (case.lease.state is State.NEW and case.age(None) < intervals.NEW_ALERT_S):
        return None
    if case.lease.state is State.STARTING:
        return Decision(Action.FAIL, f"the machine is {case.facts.machine}", alert=Failure.GONE)
    stack, now_is, was = case.settings.stack, case.settings.instance_id, case.lease.instance_id
    if now_is != was:
        return keep(f"the machine was replaced by {now_is}; run `fab deploy -s {stack}`", alert=Alert.REPLACED)
    return keep(f"the machine is {case.facts.machine}; run `pulumi up -s {stack}`", alert=Alert.GONE)


def names(tags: Mapping[str, str], unit: str, control: str) -> bool:
    """A machine's own tags say that it is the unit's, and that the control's reaper may act on it."""
    return tags.get(TAG_UNIT) == unit and tags.get(TAG_CONTROL, "") == control


def foreign(case: Case) -> Decision | None:
    """The lease names a machine whose own tags do not name this unit and control: nothing is done, on nobody's word."""
    if case.facts.ours:
        return None
    return keep(foreign_words(case.lease.instance_id, case.settings.stack), alert=Alert.FOREIGN)


def foreign_words(instance_id: str, stack: str) -> str:
    """What people are told of it; what the tags do say is not theirs to know."""
    return (
        f"the tags of {instance_id} do not say that it is this unit's and this control's: nothing is done to it; "
        f"`pulumi up -s {stack}` sets the tags of its own machine, `fab deploy -s {stack}` makes the lease name it"
    )


def stopping(case: Case) -> Decision | None:
    """STOPPING ends at `stopped`; a machine that is still up gets an order from outside, one at a time."""
    if case.lease.state is not State.STOPPING:
        return None
    if case.lease.order_alive(case.now):
        return keep("a stop order may still land", (case.lease.order_until or 0.0) + intervals.ORDER_MARGIN_S)
    if case.facts.machine == "stopped":
        return Decision(Action.STOPPED, case.lease.reason)
    if case.facts.machine in UP and case.age(None) >= intervals.STOP_BACKSTOP_AFTER_S:
        return Decision(Action.BACKSTOP, f"still {case.facts.machine} {show(case.age(None))} after it should stop")
    return keep(f"stopping; the machine is {case.facts.machine}", case.lease.since + intervals.STOP_BACKSTOP_AFTER_S)


def starting(case: Case) -> Decision | None:
    """STARTING is bounded: by its time-out, and by the number of orders."""
    lease, settings = case.lease, case.settings
    if lease.state is not State.STARTING:
        return None
    off = case.facts.machine == "stopped"
    if case.age(None) >= settings.start_timeout_s and (off or not lease.inhibitor(case.now)):
        reason = f"not ready within {show(settings.start_timeout_s)}{_ec2_words(case)}"
        return Decision(Action.FAIL if off else Action.FAIL_STOP, reason, alert=Failure.START_TIMEOUT)
    if off and (fallen := _fell_back(case)):
        return fallen
    if off and case.age(lease.order_at) >= REPEAT_ORDER_S:
        if lease.boot_id or lease.attempts >= intervals.START_ATTEMPTS:
            reason = f"the machine is back at stopped{_ec2_words(case)}"
            return Decision(Action.FAIL, reason, alert=Failure.START_REFUSED)
        return Decision(Action.REPEAT, f"still stopped; start order {lease.attempts + 1}{_ec2_words(case)}")
    left = settings.start_timeout_s - case.age(None)
    if left <= 0:  # somebody is at work on it: a deployment may take longer than a start
        return inhibited(case)
    tried = ladder.words(lease.rung, lease.tried, ladder.skipped_words(settings.skipped_types))
    return keep(f"starting{tried} for {show(case.age(None))}; gives up in {show(left)}", case.now + left)


def _fell_back(case: Case) -> Decision | None:
    """EC2 took the order and let the machine fall back to `stopped`: what its StateReason says about a repetition.

    Where no order counts (`attempts` 0), EC2 has not taken one yet, and its StateReason is of a start before.
    """
    lease, words = case.lease, case.facts.state_reason
    of = power_errors.kind_of_words(words)
    if lease.boot_id or lease.start_alive(case.now) or not lease.attempts or of is Kind.OTHER:
        return None
    if of is Kind.CAPACITY:
        return Decision(Action.CLIMB, words)
    reason = power_errors.with_fix(f"the machine is back at stopped (EC2: {words})", of)
    return Decision(Action.FAIL, reason, alert=of.value)


def _ec2_words(case: Case) -> str:
    return f" (EC2: {case.facts.state_reason})" if case.facts.state_reason else ""


def stopped_without_us(case: Case) -> Decision | None:
    """EC2 says `stopped` under a lease that says otherwise: believed when it says so twice, 30 s apart."""
    lease = case.lease
    if lease.state not in (State.NEW, State.RUNNING, State.DRAINING, State.FAILED):
        return None
    if case.facts.machine != "stopped":
        if lease.stopped_seen is not None and lease.state is not State.FAILED:
            return Decision(Action.SEEN, "the machine is no longer stopped")
        return None
    if lease.order_at is not None and case.age(lease.order_at) < intervals.YOUNG_ORDER_S:
        return None
    if lease.stopped_seen is None:
        return Decision(Action.SEEN, "the machine is stopped", case.now + intervals.STOPPED_TWICE_S)
    if lease.state is State.FAILED:
        return None
    if case.age(lease.stopped_seen) < intervals.STOPPED_TWICE_S:
        return keep("the machine is stopped; asked again soon", lease.stopped_seen + intervals.STOPPED_TWICE_S)
    return Decision(Action.LOST, f"the machine stopped without us{_ec2_words(case)}", alert=Alert.LOST)


def up_without_us(case: Case) -> Decision | None:
    """A machine that is up under STOPPED was started by hand; under FAILED its stop may have been lost."""
    lease = case.lease
    if lease.state not in (State.STOPPED, State.FAILED) or case.facts.machine not in UP:
        return None
    if lease.order_alive(case.now) or case.age(None) < intervals.STOPPED_TWICE_S:
        return keep(f"{lease.state.lower()}, and the machine is {case.facts.machine}; asked again soon")
    if lease.state is State.FAILED and lease.stopped_seen is None:
        return Decision(Action.BACKSTOP, f"failed, and still {case.facts.machine}")
    return Decision(Action.ADOPT, "somebody started the machine by hand")


def without_lease(machine: str) -> Decision:
    """A unit that has settings and no lease. Its machine, where it is up, would cost money with nobody looking."""
    if machine in UP:
        return Decision(
            Action.CREATE, f"the machine is {machine} and has no lease: it gets one, so that maxLease binds it"
        )
    return keep(f"no lease yet, the machine is {machine}; `fab deploy` or the agent makes it")


def duplicate(case: Case) -> tuple[str, str]:
    """Alert key and words for other machines with this unit's tag; the lease's machine alone is driven."""
    others, lease = case.facts.duplicates, case.lease
    if not others:
        return "", ""
    words = (
        f"{', '.join(others)} {'carries' if len(others) == 1 else 'carry'} this unit's tag too and nobody stops them; "
        f"the lease's machine is {lease.instance_id}"
    )
    stack, now_is = case.settings.stack, case.settings.instance_id
    if now_is != lease.instance_id and any(other.startswith(now_is) for other in others):
        return Alert.DUPLICATE, f"{words}; `pulumi up` made {now_is}: run `fab deploy -s {stack}`, then end the old one"
    return Alert.DUPLICATE, f"{words}; end the others, or take their tags pilotlight:unit and pilotlight:control away"


def foreign_type(case: Case) -> str:
    """The machine's type is none that the stack file names nor one that the ladder set; it is never changed back."""
    actual, lease, names = case.facts.instance_type, case.lease, case.settings.instance_types
    if not actual or actual in names or actual == lease.rung:
        return ""
    return f"the machine is {actual}, the stack file says {', '.join(names)}; it stays so"
