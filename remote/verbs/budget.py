"""`fab budget`: what is left of the month's budget, where it is going, and who pays over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from core import money
from core.contract.intervals import DRAIN_TIMEOUT_S
from core.errors import DeployError
from core.lease import Lease
from core.money.ledger import exact
from core.money.prices import PriceUnknown
from core.policy.on import BUDGET_IDLE_S
from core.settings import shape
from core.times import durations, moments
from core.times.durations import show
from remote.machines.lease_client import person
from remote.verbs import status as verbs_status
from remote.verbs.lease import Front, Record

OFF: Final = durations.OFF
PASS_S: Final = 60.0  # the reaper's
LONGEST_S: Final = 31 * 86400.0  # an override; a longer one is a higher budget
AFTER_S: Final = BUDGET_IDLE_S + PASS_S + DRAIN_TIMEOUT_S  # that a host without demand may still be on
EARLY_S: Final = 86400.0  # of a month: before that a forecast says nothing


@dataclass(frozen=True)
class Budget:
    """The month at `now` (table time, s), and the day where it has a limit. `spent_usd` None: not known, and `problem`
    says why, or there is no budget.

    `hour_usd`: what an hour of the host costs; None: no price.
    """

    stack: str
    zone: str
    now: float
    budget_usd: float | None
    spent_usd: float | None
    problem: str
    hour_usd: Decimal | None
    lease: Lease | None
    daily_usd: float | None = None
    spent_day_usd: float | None = None

    @property
    def left_usd(self) -> float | None:
        """What the host's hours may still cost; never negative."""
        if self.budget_usd is None or self.spent_usd is None:
            return None
        return max(0.0, self.budget_usd - self.spent_usd)

    @property
    def resets_at(self) -> float:
        """When the next month begins (UTC's)."""
        return moments.next_month(self.now)

    @property
    def forecast_usd(self) -> float | None:
        """The month's, if the rest of it is as its days so far; None on its first day."""
        first = moments.first_of_month(self.now)
        if self.spent_usd is None or self.now - first < EARLY_S:
            return None
        return self.spent_usd * (self.resets_at - first) / (self.now - first)

    @property
    def overshoot_usd(self) -> Decimal | None:
        """What a host without demand may cost beyond the budget until it is off."""
        return None if self.hour_usd is None else self.hour_usd * exact(AFTER_S) / 3600

    @property
    def refused(self) -> bool:
        """The host is not woken."""
        return self.lease is not None and self.lease.spent(self.now)

    @property
    def paid(self) -> Lease | None:
        """The lease, where somebody pays over the budget now."""
        return self.lease if self.lease is not None and self.lease.paid(self.now) else None

    def as_dict(self) -> Record:
        """For `--json` (docs/json.md)."""
        hour, beyond = (None if usd is None else round(float(usd), 4) for usd in (self.hour_usd, self.overshoot_usd))
        return {
            "budget_usd": self.budget_usd,
            "spent_usd": self.spent_usd,
            "left_usd": self.left_usd,
            "forecast_usd": self.forecast_usd,
            "daily_usd": self.daily_usd,
            "spent_day_usd": self.spent_day_usd,
            "problem": self.problem or None,
            "resets_at": moments.iso(self.resets_at, self.zone),
            "refused": self.refused,
            "hour_usd": hour,
            "overshoot_usd": beyond,
            "override": self.paid and _override(self.paid, self.zone),
        }


def _override(lease: Lease, zone: str) -> Record:
    until = None if lease.paid_until is None else moments.iso(lease.paid_until, zone)
    return {"who": lease.paid_who, "why": lease.paid_why or None, "until": until}


def seconds(override: str) -> float:
    """How long an override is to last, s; 0: none, or no longer. SettingsError: no duration, or longer than a month."""
    return 0.0 if override in ("", OFF) else durations.positive(override, LONGEST_S)


def override(at: Front, lasts_s: float, why: str) -> None:
    """Pay over the budget for so long, or (0) no longer. DeployError: the lease refuses it."""
    if lasts_s:
        answer = at.client.call("override-budget", "--who", person(), "--why", why, "--for", str(lasts_s))
    else:
        answer = at.client.call("end-override")
    if not answer.changed:
        raise DeployError(f"Nothing changed: {answer.why}.")


def budget(at: Front) -> Budget:
    """As the policy counts it, from the lease's history."""
    seen = verbs_status.see(at)
    known = verbs_status.facts(seen)
    limit = seen.settings.monthly_budget_usd
    try:
        hour: Decimal | None = money.awake_hour(shape(at.inventory.settings))
    except PriceUnknown:
        hour = None
    stack = at.inventory.stack
    of_month = (limit, known.spent_usd, known.problem)
    of_day = (seen.settings.daily_budget_usd, known.spent_day_usd)
    return Budget(stack, at.zone, seen.now, *of_month, hour, seen.lease, *of_day)


# ---------------------------------------------------------------- for people
def lines(found: Budget) -> Iterator[str]:
    """In sentences."""
    if found.budget_usd is None and found.daily_usd is None:
        yield f"{found.stack} has no budget: pilotlight:budget: {{monthlyUsd: 150}} and `pulumi up` set one."
        return
    resets, midnight = _when(found.resets_at, found.zone), _when(moments.next_midnight(found.now), found.zone)
    if found.spent_usd is None:
        yield f"What was spent is not known: {found.problem or 'no lease yet'}."
    left = f"${found.left_usd or 0:,.2f} are left until {resets}"
    yield from _left(found.budget_usd, found.spent_usd, f"is spent this month, {left}")
    yield from _left(found.daily_usd, found.spent_day_usd, f"is spent today, until {midnight}")
    if found.forecast_usd is not None and found.budget_usd is not None:
        what = f"${found.forecast_usd:,.2f}: {'over' if found.forecast_usd > found.budget_usd else 'within'} the budget"
        yield f"If the rest of the month is as its days so far, it comes to {what}."
    if found.refused:
        pays = f"`fab budget -s {found.stack} --override 2h --why …` pays meanwhile"
        until = found.lease.spent_until if found.lease and found.lease.spent_until else found.resets_at
        yield f"The host is not woken until {_when(until, found.zone)}; {pays}."
    yield from _beyond(found)
    if (lease := found.paid) and lease.paid_until is not None:
        why = f" ({lease.paid_why})" if lease.paid_why else ""
        left = f"{moments.show(lease.paid_until, found.zone)}, {show(lease.paid_until - found.now)} from now"
        yield f"{lease.paid_who} pays over the budget{why} until {left}."


def _when(moment: float, zone: str) -> str:
    return f"{moments.show(moment, zone)} ({zone})"


def _left(limit: float | None, spent: float | None, words: str) -> Iterator[str]:
    if limit is not None and spent is not None:
        yield f"${spent:,.2f} of ${limit:,.2f} ({spent / limit:.0%}) {words}."


def _beyond(found: Budget) -> Iterator[str]:
    if found.hour_usd is None or found.overshoot_usd is None:
        return
    idle = f"an idle one costs at most ${found.overshoot_usd:,.2f} more ({show(AFTER_S)})"
    yield f"At the limit a host in use goes on for ${found.hour_usd:,.2f} an hour until nobody asks; {idle}."
