"""Notifications that are no events of a history: a stop that is near, the budget, alerts and their end. Pure."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final

from core.codes import Alert
from core.lease import Lease, State
from core.notifications.record import Fact, Kind, Notification, notification
from core.policy import Action
from core.policy.on import WARNINGS
from core.soon import Soon
from core.times.durations import show

BUDGET_PARTS: Final = (50, 80, 100)  # per cent of the month's budget
_KEYS: Final = frozenset({Alert.BUDGET, *WARNINGS.values()})
_STARTS: Final = frozenset({Action.START, Action.PRE_WARM, Action.REPEAT, Action.CLIMB})
_EVENTS: Final = _STARTS | {Action.FAIL, Action.FAIL_STOP, Action.FORCE, Action.FORCE_DEAD, Action.LOST}
_HOUR_S: Final = 3600


def about_to_stop(lease: Lease, soon: Soon, *, stack: str, reason: str, now: float) -> Notification:
    """The stop that the policy has announced. A demand, an inhibitor or a pin may still keep the host on (not
    hardCap).
    """
    left = max(0.0, soon.at - now)
    how = f"is stopped by force in {show(left)} ({soon.bound})" if soon.forced else f"stops in {show(left)}"
    facts: dict[str, Fact] = {"bound": soon.bound, "forced": soon.forced, "limit_s": soon.limit_s, "epoch": lease.epoch}
    ident = f"{lease.unit}:{lease.epoch}:{Kind.ABOUT_TO_STOP}:{soon.key}"
    facts |= {"stops_in_s": round(left)}
    return notification(Kind.ABOUT_TO_STOP, lease.unit, how, id=ident, stack=stack, at=now, reason=reason, facts=facts)


def budget_part(lease: Lease, *, spent_usd: float | None, budget_usd: float | None, now: float) -> int:
    """The part of the month's budget (per cent) that is reached and was not told yet; 0: none. The month is UTC's."""
    if spent_usd is None or not budget_usd:
        return 0
    month, _, so_far = lease.budgeted.partition(":")
    told = int(so_far) if month == _month(now) and so_far.isdigit() else 0
    reached = max((part for part in BUDGET_PARTS if spent_usd * 100 >= part * budget_usd), default=0)
    return reached if reached > told else 0


def budget(
    lease: Lease, percent: int, *, stack: str, spent_usd: float, budget_usd: float, now: float
) -> tuple[str, Notification]:
    """What the lease remembers ("2026-11:80"), and the notification. A part that was jumped over is not told
    afterwards.
    """
    part = f"{_month(now)}:{percent}"
    what = "all of its budget" if percent >= 100 else f"{percent} % of its budget"
    spent = f"{spent_usd:.2f} of {budget_usd:.2f} USD"
    after = "it stops once nobody asks, and is not woken until the next month" if percent >= 100 else "it goes on"
    facts: dict[str, Fact] = {"percent": percent, "spent_usd": round(spent_usd, 2), "budget_usd": budget_usd}
    words = f"has spent {what} for {_month(now)}: {spent}"
    reason = f"the hours of the host cost {spent} this month; {after}"
    facts |= {"month": _month(now)}
    ident = f"{lease.unit}:{part}"
    return part, notification(Kind.BUDGET, lease.unit, words, id=ident, stack=stack, at=now, reason=reason, facts=facts)


def told_by_a_kind(lease: Lease, action: Action, key: str) -> bool:
    """A kind of its own tells what this alert of a decision is about: it is no alert to people.

    The alert of an action that ends in an event is the event's; one that stands besides is there in the next pass too.
    """
    if not key:
        return False
    return key in _KEYS or action in _EVENTS or (lease.state is State.FAILED and key == lease.failure)


def alert(lease: Lease, key: str, *, stack: str, reason: str, now: float) -> Notification:
    """Something is wrong; with an empty `key` what `lease.alerted` names is over.

    The hour in the id tells an alert that came back from one that is sent again.
    """
    named, over = key or lease.alerted, not key
    words = f"{named} is over" if over else f"{named}: {reason}"
    ident = f"{lease.unit}:{lease.epoch}:{Kind.ALERT}:{named}:{'over' if over else 'on'}:{int(now // _HOUR_S)}"
    facts: dict[str, Fact] = {"alert": named, "cleared": over, "epoch": lease.epoch}
    return notification(Kind.ALERT, lease.unit, words, id=ident, stack=stack, at=now, reason=reason, facts=facts)


def trouble(about: str, key: str, *, stack: str, reason: str, now: float) -> Notification:
    """An alert about what has no lease that can be read; the same reason has the same id."""
    digest = hashlib.sha256(reason.encode()).hexdigest()[:12]
    ident, words = f"{about}:{Kind.ALERT}:{key}:{digest}", f"{key}: {reason}"
    facts: dict[str, Fact] = {"alert": key, "cleared": False}
    return notification(Kind.ALERT, about, words, id=ident, stack=stack, at=now, reason=reason, facts=facts)


def _month(now: float) -> str:
    return f"{datetime.fromtimestamp(now, UTC):%Y-%m}"
