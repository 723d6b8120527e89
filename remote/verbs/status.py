"""`fab status`: what each host does and why, how long it has, what it cost today, how long its last wake took.

`status` is the look at one stack as a plain record; `table` is how people read several.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

from rich.table import Table

from core import moments, money
from core.durations import show
from core.errors import DeployError, PilotlightError
from core.lease import Event, Lease, State
from core.money import ledger
from core.money.ledger import Ledger, spending
from core.money.prices import PriceUnknown
from core.policy import Case, Facts, decide
from core.policy.forecast import forecast, goes_off
from core.settings import shape
from remote import stack_files
from remote.verbs.lease import Front, Record, Seen, front, look

HORIZON_S: Final = 86400.0  # "stops in" is looked for this far
HISTORY_S: Final = 7 * 86400.0  # today's cost and the last wake
BUDGET_HISTORY_S: Final = 32 * 86400.0  # and, where there is a budget, the month's spending


def fronts(stacks: Sequence[str], identity: str = "") -> list[tuple[str, Front | str]]:
    """Each stack with its client, or with why it has none; without `stacks` all that have a file.

    A stack that was asked for alone fails loudly.
    """
    if len(stacks) == 1:
        return [(stacks[0], front(stacks[0], identity))]
    found: list[tuple[str, Front | str]] = []
    for name in stacks or stack_files.names():
        try:
            found.append((name, front(name, identity)))
        except PilotlightError as error:
            found.append((name, str(error).splitlines()[0]))
    if not found:
        raise DeployError("There are no stacks. Write stacks/Pulumi.NAME.yaml first.")
    return found


def statuses(fronts: Sequence[tuple[str, Front | str]]) -> list[Record]:
    """Every stack's record; one among several that does not answer is a record with `error`."""
    if len(fronts) == 1 and isinstance(alone := fronts[0][1], Front):
        return [status(alone)]
    return [_status_or_error(name, at) for name, at in fronts]


def _status_or_error(name: str, at: Front | str) -> Record:
    if isinstance(at, str):
        return {"stack": name, "error": at}
    try:
        return status(at)
    except PilotlightError as error:
        return {"stack": name, "error": str(error).splitlines()[0]}


def status(at: Front) -> Record:
    """One stack: the lease, and under `decision`, `stops_in_s`, `cost_today_usd`, `last_wake` what follows from it."""
    return record(at, see(at))


def see(at: Front) -> Seen:
    """A look with as much history as status and forecast need."""
    return look(at, history_s=BUDGET_HISTORY_S if at.inventory.settings.budget else HISTORY_S)


def facts(seen: Seen) -> Facts:
    """What the policy sees, the month's spending included where there is a budget."""
    spent, problem = spending(books(seen), seen.settings, _type(seen), seen.now)
    return dataclasses.replace(seen.facts(spent), problem=problem)


def books(seen: Seen) -> Ledger:
    """The host's ledger, as far back as the look went: over the turn of the month, where there is a budget."""
    return ledger.of(seen.events, since=moments.first_of_month(seen.now), state=_lease_state(seen))


def _lease_state(seen: Seen) -> State:
    return seen.lease.state if seen.lease else State.STOPPED


def _type(seen: Seen) -> str:
    return str(seen.machine.get("instance_type") or "")


def record(at: Front, seen: Seen) -> Record:
    """The record of a look; no network."""
    known = at.inventory
    base: Record = {"stack": known.stack, "api_url": known.api_url, "time_zone": at.zone, **seen.raw}
    if seen.lease is None:
        return base | {"decision": None, "why": "no lease yet; run `fab deploy`"}
    lease, now = seen.lease, seen.now
    known_facts = facts(seen)
    decision = decide(lease, known_facts, seen.settings, now)
    spans = forecast(lease, known_facts, seen.settings, now=now, until=now + HORIZON_S, ledger=books(seen))
    off_at = goes_off(spans)
    today, cost_problem = _today(at, seen)
    return base | {
        "decision": {"action": decision.action.value, "reason": decision.words, "alert": decision.alert},
        "why": decision.words,
        "for_s": max(0.0, now - lease.since),
        "idle_s": _idle(Case(lease, known_facts, seen.settings, now)),
        "stops_in_s": None if off_at is None else off_at - now,
        "pin": _pin(lease, now),
        "cost_today_usd": today,
        "spent_month_usd": known_facts.spent_usd,
        "cost_problem": cost_problem,
        "last_wake": last_wake(seen.events),
    }


def _idle(case: Case) -> float | None:
    """Seconds since the last demand; None where the host is off or in use."""
    return None if case.lease.in_use or case.lease.state is not State.RUNNING else case.without_demand


def _pin(lease: Lease, now: float) -> Record | None:
    if not lease.pinned(now):
        return None
    return {"who": lease.pin_who, "why": lease.pin_why, "until": lease.pin_until}


def _today(at: Front, seen: Seen) -> tuple[float | None, str]:
    """US dollars since midnight, what goes on while the host is off included; None: no price, and why."""
    since = moments.midnight(seen.now, at.zone)
    if seen.events and not seen.events[0].before:  # made since then
        since = max(since, seen.events[0].at)
    on = ledger.intervals(seen.events, now=seen.now, since=since, state=_lease_state(seen), instance_type=_type(seen))
    try:
        return money.bill(shape(at.inventory.settings), on, since=since, now=seen.now).spent_usd, ""
    except PriceUnknown as error:
        return None, str(error)


def last_wake(events: Sequence[Event]) -> Record | None:
    """The last time that the host became ready: when, seconds in all, and the parts that the agent measured."""
    places = [i for i, event in enumerate(events) if event.after == State.RUNNING and event.before == State.STARTING]
    if not places:
        return None
    ready = events[places[-1]]
    began = next((e for e in reversed(events[: places[-1]]) if e.after == State.STARTING), None)
    return {"at": ready.at, "took_s": None if began is None else ready.at - began.at, "parts": dict(ready.facts)}


# ---------------------------------------------------------------- for people
def table(records: Sequence[Record]) -> Table:
    """One row a stack."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("stack", "state", "for", "why", "idle", "stops in", "today", "last wake"):
        shown.add_column(column, overflow="fold", no_wrap=column in ("stack", "state"))
    for one in records:
        shown.add_row(*_row(one))
    return shown


def _row(one: Record) -> list[str]:
    if "error" in one:
        return [one["stack"], "-", "", one["error"], "", "", "", ""]
    cost = one.get("cost_today_usd")
    return [
        one["stack"],
        _state(one),
        _time(one.get("for_s")),
        one["why"],
        _time(one.get("idle_s")),
        _time(one.get("stops_in_s")),
        "" if cost is None else f"${cost:.2f}",
        wake_words(one.get("last_wake")),
    ]


def _state(one: Record) -> str:
    """`RUNNING (pinned; engine a does not answer)`."""
    also = ["pinned"] if one.get("pin") else []
    also += [f"engine {one['dead']} does not answer"] if one.get("dead") else []
    return (one.get("state") or "not deployed") + (f" ({'; '.join(also)})" if also else "")


def _time(seconds: Any) -> str:
    return "" if seconds is None else show(float(seconds))


def wake_words(wake: Record | None) -> str:
    """`42s: boot 3.1s, engine a 20.5s`."""
    if wake is None:
        return ""
    seconds = {k.removesuffix("_s").replace("_", " ", 1): v for k, v in wake["parts"].items() if k.endswith("_s")}
    parts = ", ".join(f"{name} {value}s" for name, value in seconds.items())
    total = "" if wake["took_s"] is None else show(wake["took_s"])
    return ": ".join(words for words in (total, parts) if words)
