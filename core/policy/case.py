"""What a rule of the policy sees (`Case`) and says (`Decision`)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from core.contract.documents import UnitSettings
from core.lease import Lease
from core.money.ledger import Spent
from core.overrides import Limits, limits
from core.soon import Soon
from core.wakes import Wake, flaps, longest_s

UP: Final = frozenset({"pending", "running"})
GONE: Final = frozenset({"shutting-down", "terminated", "missing"})
PRE_WARM_EXTRA_S: Final = 60.0  # the reaper's own minute
FLAP_FACTOR: Final = 2.0  # a host that flaps may idle so much longer


class Action(StrEnum):
    """What the reaper is to do. Every action but KEEP names a transition, a note or an order of the lease's table."""

    KEEP = "keep"
    CREATE = "create"  # (none) → NEW, a machine that is up and has no lease
    SEEN = "seen"  # note that EC2 says `stopped` (or no longer does)
    LOST = "lost"  # → STOPPED, the machine stopped without us
    ADOPT = "adopt"  # → STARTING, somebody started the machine by hand
    STOPPED = "stopped"  # STOPPING → STOPPED
    BACKSTOP = "backstop"  # StopInstances for a machine that should be off
    REPEAT = "repeat"  # the start order once more
    FAIL = "fail"  # STARTING → FAILED, no order (the machine is off)
    FAIL_STOP = "fail-stop"  # STARTING → FAILED and StopInstances
    RESUME = "resume"  # DRAINING → RUNNING, took too long
    CLIMB = "climb"  # EC2 let a start fall back to `stopped` for want of capacity: the ladder
    RESTORE = "restore"  # the preferred type again, after the ladder
    START = "start"
    PRE_WARM = "pre-warm"  # a wake request of the schedule's own, then a start
    MARK = "mark"  # the lease is to say that the budget is spent
    UNMARK = "unmark"  # and that it no longer is
    REFUSE = "refuse"  # the budget deletes the wake request
    DRAIN = "drain"
    FORCE = "force"
    FORCE_DEAD = "force-dead"  # the same for a host whose engine does not answer: it is to start again if wanted


@dataclass(frozen=True)
class Facts:
    """What was seen from outside. `machine`: EC2's state name or `missing`; `spent_usd`: this month's, None unknown."""

    machine: str
    state_reason: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    spent_usd: float | None = None
    problem: str = ""  # why `spent_usd` is unknown although there is a budget
    wakes: tuple[Wake, ...] = ()  # past ones, oldest first; asked for where `asks_past` says so
    instance_type: str = ""  # "": not known
    ours: bool = True  # the machine's own tags name this unit and this control (`machine.names`)
    spent_day_usd: float | None = None  # this day's (UTC), None unknown
    duplicates: tuple[str, ...] = ()  # other machines that carry this unit's tag, each with its state: "i-2 (running)"


@dataclass(frozen=True)
class Decision:
    """`reason` is for people, and for the lease's history where something is done. `look_again_at`: table time, s.

    `alert` is a stable key, sent once until it changes. `also` says what is wrong all the time, if that is the alert.
    `stops_at`: when it is asked to stop for being idle if nobody asks meanwhile. `soon`: a stop to be announced now.
    """

    action: Action
    reason: str
    look_again_at: float | None = None
    alert: str = ""
    also: str = ""
    stops_at: float | None = None
    soon: Soon | None = None
    until: float | None = None  # of MARK: when the budget begins anew (table time, s)

    @property
    def words(self) -> str:
        """Everything, for people."""
        return f"{self.reason}; {self.also}" if self.also else self.reason


def allowed_idle_s(stop_after_s: float | None, past: Sequence[Wake]) -> float | None:
    """The idle time that is allowed, s: `stop_after_s`, longer for a host that flaps; None: any."""
    return stop_after_s * FLAP_FACTOR if stop_after_s is not None and flaps(past) else stop_after_s


def pre_warm_s(past: Sequence[Wake], start_timeout_s: float) -> float:
    """How long before the hour a schedule starts the host, s: the longest of the last wakes, else a guess."""
    longest = longest_s(past)
    return min(start_timeout_s / 2 if longest is None else longest, start_timeout_s) + PRE_WARM_EXTRA_S


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
    def flaps(self) -> bool:
        """Woken three times within an hour."""
        return flaps(self.facts.wakes)

    @property
    def stop_after_s(self) -> float | None:
        """The idle time that is allowed, longer for a host that flaps; None: any."""
        return allowed_idle_s(self.limits.stop_after_s, self.facts.wakes)

    @property
    def pre_warm_s(self) -> float:
        """How long before the hour the schedule starts the host."""
        return pre_warm_s(self.facts.wakes, self.settings.start_timeout_s)

    @property
    def over_budget(self) -> bool:
        """This month's money is spent, or this day's, and nobody pays over it."""
        return (self.over_month or self.over_day) and not self.lease.paid(self.now)

    @property
    def over_month(self) -> bool:
        """This month's is spent."""
        return _over(self.facts.spent_usd, self.settings.monthly_budget_usd)

    @property
    def over_day(self) -> bool:
        """This day's is spent."""
        return _over(self.facts.spent_day_usd, self.settings.daily_budget_usd)

    @property
    def budget_words(self) -> str:
        """What was spent of what, for reasons."""
        month = (self.facts.spent_usd, self.settings.monthly_budget_usd, "this month")
        day = (self.facts.spent_day_usd, self.settings.daily_budget_usd, "today")
        told = [each for each in (month, day) if each[0] is not None and each[1] is not None]
        of_day = day in told and (month not in told or (self.over_day and not self.over_month))
        spent, limit, when = day if of_day else month
        return f"budget: {spent or 0.0:.2f} of {limit or 0.0:.2f} USD spent {when}"


def _over(spent: float | None, limit: float | None) -> bool:
    return limit is not None and spent is not None and spent >= limit


Rule = Callable[[Case], Decision | None]


def with_spent(facts: Facts, spent: Spent) -> Facts:
    """The facts with what the host's hours cost so far."""
    told = {"spent_usd": spent.month_usd, "spent_day_usd": spent.day_usd, "problem": spent.problem}
    return dataclasses.replace(facts, **told)  # type: ignore[arg-type]  # by their names


def keep(reason: str, again: float | None = None, alert: str = "") -> Decision:
    """Nothing is to be done, and why."""
    return Decision(Action.KEEP, reason, again, alert)
