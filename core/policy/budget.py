"""The rule that writes the budget's end into the lease: the relay refuses starts by it, without knowing any money."""

from __future__ import annotations

from core.policy.case import Action, Case, Decision
from core.times.moments import next_midnight, next_month


def mark(case: Case) -> Decision | None:
    """Spent and not marked, or marked and no longer spent (a higher budget, none): the lease is to say what is.

    Also where the month's money went after the day's: at midnight the relay would start what nobody pays for.
    """
    settings, marked = case.settings, case.lease.spent(case.now)
    if not settings.budgeted:
        return Decision(Action.UNMARK, "there is no budget any more") if marked else None
    if case.facts.spent_usd is None or (case.over_budget == marked and not _too_short(case)):
        return None
    if marked and not case.over_budget:
        paid = f"overridden by {case.lease.paid_who}; {case.budget_words}"
        return Decision(Action.UNMARK, paid if case.lease.paid(case.now) else f"within its {case.budget_words}")
    until = next_month(case.now) if case.over_month else next_midnight(case.now)
    return Decision(Action.MARK, case.budget_words, until=until)


def _too_short(case: Case) -> bool:
    """The lease says that it is spent until midnight, and the month's money is."""
    until = case.lease.spent_until
    return (
        case.over_budget
        and case.over_month
        and until is not None
        and until <= next_midnight(case.now) < next_month(case.now)
    )
