"""`fab status`: what each host does and why, how long it has, what it cost today, how long its last wake took.

`status` is the look at one stack; `as_dict` is how programs read it and `Listing` how people read several.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from core import money
from core.errors import DeployError, PilotlightError, SettingsError
from core.lease import Event, Lease, State
from core.money import ledger
from core.money.ledger import Ledger, spending
from core.money.prices import PriceUnknown
from core.policy import Case, Decision, Facts, decide, with_spent
from core.policy.forecast import forecast, goes_off
from core.settings import shape
from core.times import moments
from core.times.durations import show
from core.wakes import Attempt, attempts
from remote import stack_files
from remote.machines.lease_client import NOT_ASKED, Instance
from remote.verbs.lease import Front, Record, Seen, front, host_record, look

COLUMNS: Final = ("stack", "state", "for", "why", "idle", "stops in", "today", "last wake")
WIDE: Final = 100  # columns of a terminal
HORIZON_S: Final = 86400.0  # "stops in" is looked for this far
HISTORY_S: Final = 7 * 86400.0  # today's cost and the last wake
BUDGET_HISTORY_S: Final = 32 * 86400.0  # and, where there is a budget, the month's spending


@dataclass(frozen=True)
class Status:
    """One stack's host at `now` (table time, s). `lease` None: no `fab deploy` yet, and nothing else is known then.

    `idle_s`: since the last demand; None where the host is off or in use. `stops_at`: when it stops if nobody asks;
    None: it is off, or on for the next HORIZON_S. Costs None: no price is known, or there is no budget.
    """

    stack: str
    zone: str
    api_url: str
    now: float
    why: str
    lease: Lease | None = None
    machine: Instance = NOT_ASKED
    decision: Decision | None = None
    idle_s: float | None = None
    stops_at: float | None = None
    cost_today_usd: Decimal | None = None
    spent_month_usd: float | None = None
    cost_problem: str = ""
    last_wake: Attempt | None = None
    redis_problem: str = ""  # why the gateway counts and caches nothing

    @property
    def for_s(self) -> float | None:
        """How long the lease has been in its state, seconds."""
        return None if self.lease is None else max(0.0, self.now - self.lease.since)

    @property
    def stops_in_s(self) -> float | None:
        """Seconds until `stops_at`."""
        return None if self.stops_at is None else max(0.0, self.stops_at - self.now)


@dataclass(frozen=True)
class Unknown:
    """A stack that could not be looked at, and why, in one line; not `begun` where nobody has filled in its file."""

    stack: str
    error: str
    begun: bool = True


def fronts(stacks: Sequence[str], identity: str = "") -> list[tuple[str, Front | Unknown]]:
    """Each stack with its client, or with why it has none; without `stacks` all that have a file.

    A stack that was asked for alone fails loudly.
    """
    if len(stacks) == 1:
        return [(stacks[0], front(stacks[0], identity))]
    found: list[tuple[str, Front | Unknown]] = []
    for name in stacks or stack_files.names():
        try:
            found.append((name, front(name, identity)))
        except PilotlightError as error:
            begun = bool(stacks) or not isinstance(error, SettingsError)
            found.append((name, Unknown(name, error.line, begun=begun)))
    if not found:
        raise DeployError("There are no stacks. Write stacks/Pulumi.NAME.yaml first.")
    return found


def statuses(fronts: Sequence[tuple[str, Front | Unknown]]) -> list[Status | Unknown]:
    """Every stack; one among several that does not answer is `Unknown`."""
    if len(fronts) == 1 and isinstance(alone := fronts[0][1], Front):
        return [status(alone)]
    return [_status_or_error(name, at) for name, at in fronts]


def _status_or_error(name: str, at: Front | Unknown) -> Status | Unknown:
    if isinstance(at, Unknown):
        return at
    try:
        return status(at)
    except PilotlightError as error:
        return Unknown(name, error.line)


def status(at: Front) -> Status:
    """One stack: the lease, and what follows from it."""
    return of(at, see(at))


def see(at: Front) -> Seen:
    """A look with as much history as status and forecast need."""
    return look(at, history_s=BUDGET_HISTORY_S if at.inventory.settings.budget else HISTORY_S)


def facts(seen: Seen) -> Facts:
    """What the policy sees, the month's spending included where there is a budget."""
    spent = spending(books(seen), seen.settings, seen.machine.instance_type, seen.now)
    return with_spent(seen.facts(), spent)


def books(seen: Seen) -> Ledger:
    """The host's ledger, as far back as the look went: over the turn of the month, where there is a budget."""
    return ledger.of(seen.events, since=moments.first_of_month(seen.now), state=_lease_state(seen))


def _lease_state(seen: Seen) -> State:
    return seen.lease.state if seen.lease else State.STOPPED


def of(at: Front, seen: Seen) -> Status:
    """What a look says; no network."""
    known, lease, now = at.inventory, seen.lease, seen.now
    if lease is None:
        return Status(known.stack, at.zone, known.api_url, now, "no lease yet; run `fab deploy`", machine=seen.machine)
    known_facts = facts(seen)
    decision = decide(lease, known_facts, seen.settings, now)
    today, cost_problem = _today(at, seen)
    return Status(
        known.stack,
        at.zone,
        known.api_url,
        now,
        decision.words,
        lease,
        seen.machine,
        decision,
        idle_s=_idle(Case(lease, known_facts, seen.settings, now)),
        stops_at=_stops_at(lease, seen, known_facts, decision),
        cost_today_usd=today,
        spent_month_usd=known_facts.spent_usd,
        cost_problem=cost_problem,
        last_wake=last_wake(seen.events),
        redis_problem="" if seen.redis == "ok" else seen.redis,
    )


def _stops_at(lease: Lease, seen: Seen, known: Facts, decision: Decision) -> float | None:
    """The policy's own moment where it names one, so that column and reason agree; else the forecast's minute."""
    if decision.stops_at is not None:
        return decision.stops_at
    until = seen.now + HORIZON_S
    return goes_off(forecast(lease, known, seen.settings, now=seen.now, until=until, ledger=books(seen)))


def _idle(case: Case) -> float | None:
    return None if case.lease.in_use or case.lease.state is not State.RUNNING else case.without_demand


def _today(at: Front, seen: Seen) -> tuple[Decimal | None, str]:
    """US dollars since midnight, what goes on while the host is off included; None: no price, and why."""
    since, kind = moments.midnight(seen.now, at.zone), seen.machine.instance_type
    state = _lease_state(seen)
    try:
        shown = shape(at.inventory.settings)
        return money.spent_since(shown, seen.events, since=since, now=seen.now, state=state, instance_type=kind), ""
    except PriceUnknown as error:
        return None, str(error)


def last_wake(events: Sequence[Event]) -> Attempt | None:
    """The last time that the host became ready."""
    return next((each for each in reversed(attempts(events)) if not each.failure), None)


# ---------------------------------------------------------------- for programs
def as_dict(one: Status | Unknown) -> Record:
    """One stack as `--json` prints it (docs/json.md)."""
    if isinstance(one, Unknown):
        return {"stack": one.stack, "error": one.error}
    return {
        "stack": one.stack,
        "error": None,
        "time_zone": one.zone,
        "api_url": one.api_url,
        "host": host_record(one.lease, one.now, one.zone),
        "machine": _machine(one.machine),
        "why": one.why,
        "decision": one.decision and _decision(one.decision),
        "for_s": one.for_s,
        "idle_s": one.idle_s,
        "stops_in_s": one.stops_in_s,
        "stops_at": None if one.stops_at is None else moments.iso(one.stops_at, one.zone),
        "cost_today_usd": None if one.cost_today_usd is None else float(one.cost_today_usd),
        "spent_month_usd": one.spent_month_usd,
        "cost_problem": one.cost_problem or None,
        "last_wake": one.last_wake and _wake(one.last_wake, one.zone),
        "redis_problem": one.redis_problem or None,
    }


def _machine(seen: Instance) -> Record:
    return {
        "instance_id": seen.instance_id or None,
        "state": seen.state or None,
        "instance_type": seen.instance_type or None,
        "zone": seen.zone or None,
    }


def _decision(decision: Decision) -> Record:
    return {"action": decision.action.value, "reason": decision.words, "alert": decision.alert or None}


def _wake(wake: Attempt, zone: str) -> Record:
    at = moments.iso(wake.at, zone)
    times = {"took_s": wake.took_s, "boot_s": wake.boot_s, "engines_s": dict(wake.engines_s)}
    return {"at": at, "who": wake.who or None, **times}


# ---------------------------------------------------------------- for people
@dataclass(frozen=True)
class Listing:
    """A row a stack; on less than WIDE columns a paragraph a stack, since a folded row cannot be read."""

    records: Sequence[Status | Unknown]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """The one or the other, for rich."""
        if options.max_width >= WIDE:
            yield self._table()
            return
        for one in self.records:
            yield from _paragraph(_row(one))

    def _table(self) -> Table:
        shown = Table(box=None, pad_edge=False, header_style="bold")
        for column in COLUMNS:
            shown.add_column(column, overflow="fold", no_wrap=column in ("stack", "state"))
        for one in self.records:
            shown.add_row(*_row(one))
        return shown


def _paragraph(row: Sequence[str]) -> Iterator[RenderableType]:
    """`qwen7b  RUNNING for 5m`, why, and what else is known with its column's name."""
    stack, state, for_, why, *rest = row
    yield Text.assemble((stack, "bold"), f"  {state}", f" for {for_}" if for_ else "")
    known = [f"{name} {cell}" for name, cell in zip(COLUMNS[4:], rest, strict=True) if cell]
    for line in (why, ", ".join(known)):
        if line:
            yield Padding(Text(line), (0, 0, 0, 2))


def _row(one: Status | Unknown) -> list[str]:
    if isinstance(one, Unknown):
        return [one.stack, "-", "", one.error, "", "", "", ""]
    return [
        one.stack,
        _state(one),
        _time(one.for_s),
        one.why + (f"; Redis is down, nothing is counted or cached: {one.redis_problem}" if one.redis_problem else ""),
        _time(one.idle_s),
        _time(one.stops_in_s),
        "" if one.cost_today_usd is None else f"${one.cost_today_usd:.2f}",
        one.last_wake.words if one.last_wake else "",
    ]


def _state(one: Status) -> str:
    """`RUNNING (pinned; engine a does not answer)`, `STARTING (for key ann)`."""
    if one.lease is None:
        return "not deployed"
    also = ["pinned"] if one.lease.pinned(one.now) else []
    also += [f"for {one.lease.wake_by}"] if one.lease.state is State.STARTING and one.lease.wake_by else []
    also += [f"engine {one.lease.dead} does not answer"] if one.lease.dead else []
    return one.lease.state.value + (f" ({'; '.join(also)})" if also else "")


def _time(seconds: float | None) -> str:
    return "" if seconds is None else show(seconds)
