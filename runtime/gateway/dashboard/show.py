"""What the templates print, made of what is known: pure, so that a test is a table. Times are on the stack's clock.

What a visitor reads is made of `visitor` alone: no name, no reason and no money gets there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core import money
from core.contract.documents import ServiceRoute
from core.engines import health
from core.lease import Lease, State
from core.money import ledger
from core.money.prices import PriceUnknown
from core.policy import Facts, decide
from core.times import durations, moments, zones
from core.wakes import Attempt, attempts, wakes
from runtime.gateway.dashboard.look import Look
from runtime.gateway.dashboard.past import Past

WAKES_SHOWN: Final = 12
LEFT_STEP_S: Final = 5  # a time left is said in steps of so many seconds
ALMOST: Final = 97  # percent; a wake that takes longer than usual stays there
PINS: Final = ("1h", "2h", "4h", "8h", "24h")  # that the form offers; `fab pin` takes any
DOCS: Final = ("docs/operate/dashboard.md", "docs/operate/troubleshooting.md", "docs/operate/cost.md")
_STEPS: Final = ("The start is ordered", "The machine boots", "The engines load their models", "Ready")
_DOWN: Final = (State.STOPPED, State.STOPPING, State.FAILED)
# The state as a headline, and its tone: good | busy | off | bad
_WORDS: Final = {
    "running": ("Awake", "good"),
    "starting": ("Waking up", "busy"),
    "new": ("Starting for the first time", "busy"),
    "draining": ("Checking whether it may stop", "busy"),
    "stopping": ("Going off", "busy"),
    "stopped": ("Off", "off"),
    "failed": ("The start failed", "bad"),
    "not deployed": ("Not deployed yet", "bad"),
    "unknown": ("Not known yet", "bad"),
}


@dataclass(frozen=True)
class Step:
    """One stage of a wake. `state`: done | now | next."""

    name: str
    state: str


@dataclass(frozen=True)
class Progress:
    """A wake as it happens. `percent` None: how long it takes is not known."""

    words: str
    percent: int | None
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Service:
    """One service, what it does, and why."""

    name: str
    state: str
    tone: str
    why: str


@dataclass(frozen=True)
class Wake:
    """A row of the wakes' history."""

    at: str
    iso: str
    who: str
    took: str
    stages: str
    failure: str


@dataclass(frozen=True)
class Money:
    """US dollars as text; `problem`: why they are not known."""

    today: str = ""
    month: str = ""
    hour: str = ""
    budget: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Host:
    """One unit for an operator. `why_not_*`: why a button is off; "" where it is on."""

    unit: str
    id: str  # for HTML
    name: str
    state: str
    tone: str
    since: str
    since_iso: str
    why: str
    by: str
    notes: tuple[str, ...]
    services: tuple[Service, ...]
    progress: Progress | None
    pinned: bool
    why_not_wake: str
    why_not_stop: str
    wakes: tuple[Wake, ...]
    money: Money
    zone: str


@dataclass(frozen=True)
class Visitor:
    """What somebody without a session reads. `preparing`: somebody waits, or will."""

    words: str
    tone: str
    preparing: bool
    progress: Progress | None


# ---------------------------------------------------------------- a visitor
def visitor(looks: Sequence[Look]) -> Visitor:
    """Of all units together: whether something is being prepared, and how far that is."""
    waking = [(look, found) for look in looks if (found := progress(look)) is not None]
    if waking:
        return Visitor("Something is being prepared.", "busy", True, waking[0][1])
    if looks and all(look.awake for look in looks):
        return Visitor("Ready.", "good", False, None)
    return Visitor("Nothing is being prepared. It starts by itself when somebody asks.", "off", False, None)


# ---------------------------------------------------------------- a wake
def progress(look: Look) -> Progress | None:
    """How far a wake is; None where there is none under way."""
    lease = look.lease
    if lease is None or not _waking(lease, look.now):
        return None
    return Progress(_left(look.eta_s), _percent(lease, look), _steps(lease))


def _waking(lease: Lease, now: float) -> bool:
    wanted = lease.wanted(now) and not lease.unpaid(now)
    return lease.state in (State.NEW, State.STARTING) or (lease.state in _DOWN and wanted)


def _steps(lease: Lease) -> tuple[Step, ...]:
    """The agent claims the lease with the boot, so a boot in it means that the machine is up."""
    here = 0 if lease.state in _DOWN else 2 if lease.boot_id else 1
    return tuple(Step(name, "done" if n < here else "now" if n == here else "next") for n, name in enumerate(_STEPS))


def _percent(lease: Lease, look: Look) -> int | None:
    if look.eta_s is None:
        return None
    if lease.state is not State.STARTING:
        return 0
    gone = max(0.0, look.now - lease.since)
    return min(ALMOST, round(100 * gone / (gone + look.eta_s))) if gone + look.eta_s else ALMOST


def _left(left_s: float | None) -> str:
    if left_s is None:
        return "How long it takes is not known yet."
    steps = -(-left_s // LEFT_STEP_S)
    return f"About {durations.show(steps * LEFT_STEP_S)} left." if steps else "Any moment now."


# ---------------------------------------------------------------- an operator
def host(look: Look, past: Past) -> Host:
    """One unit with all that is known of it."""
    lease, zone = look.lease, _zone(past)
    headline, tone = _WORDS.get(look.state, (look.state, "busy"))
    since, why = lease.since if lease else look.now, _why(look, past)
    return Host(
        unit=look.unit.unit,
        id="".join(c if c.isalnum() else "-" for c in look.unit.unit),
        name=look.unit.unit.removesuffix("/host"),
        state=headline,
        tone=tone,
        since=moments.show(since, zone) if lease else "",
        since_iso=moments.iso(since, zone) if lease else "",
        why=why,
        by=lease.by if lease else "",
        notes=_notes(look, past, zone),
        services=tuple(_service(look, s, Service(s.name, headline, tone, why)) for s in look.unit.services),
        progress=progress(look),
        pinned=lease is not None and lease.pinned(look.now),
        why_not_wake=_why_not_wake(lease, look.now),
        why_not_stop=_why_not_stop(lease),
        wakes=tuple(_row(each, zone) for each in reversed(attempts(past.events)[-WAKES_SHOWN:])),
        money=_money(look, past, zone),
        zone=zone,
    )


def _zone(past: Past) -> str:
    name = past.settings.time_zone if past.settings else "UTC"
    return name if name in zones.names() else "UTC"


def _why(look: Look, past: Past) -> str:
    """Why it is in its state: of a host that is awake, for whom it was started."""
    if look.lease is None:
        return ""
    last = past.events[-1] if past.events else None
    if look.lease.state is State.RUNNING and last is not None and last.before == State.STARTING:
        who = attempts(past.events)[-1].who
        return f"started for {who}" if who else look.lease.reason
    return look.lease.reason


def _service(look: Look, route: ServiceRoute, as_its_host: Service) -> Service:
    """It does what its host does, unless its engine does not answer."""
    silent = dict(look.silent_s).get(route.engine)
    if silent is None:
        return as_its_host
    return Service(route.name, "Not answering", "bad", f"{health.words(route.engine, silent)}, it is being restarted")


def _notes(look: Look, past: Past, zone: str) -> tuple[str, ...]:
    """What else there is to say of a unit, a sentence each."""
    found = [f"The lease cannot be read now: {look.store_down}"] if look.store_down else []
    found += [f"The history cannot be read now: {past.problem}"] if past.problem else []
    if look.lease is not None:
        found += _of_lease(look.lease, look.now, zone)
    if plan := _plan(look, past, zone):
        found.append(plan)
    if look.waiting:
        found.append(f"{look.waiting} request{'s wait' if look.waiting > 1 else ' waits'} for it.")
    return tuple(found)


def _plan(look: Look, past: Past, zone: str) -> str:
    """What the policy makes of it, as the reaper decides: when it goes off, or why it stays as it is."""
    lease, machine, settings = look.lease, past.machine, past.settings
    if lease is None or machine is None or settings is None or progress(look) is not None:
        return ""
    books = ledger.of(past.events, since=moments.first_of_month(look.now), state=lease.state)
    spent = ledger.spending(books, settings, machine.instance_type, look.now)
    facts = Facts(
        *(machine.state, machine.state_reason, machine.tags, spent.month_usd, spent.problem),
        spent_day_usd=spent.day_usd,
        wakes=wakes(past.events), instance_type=machine.instance_type,
    )  # fmt: skip
    decision = decide(lease, facts, settings, look.now)
    if decision.stops_at is not None:
        return f"It goes off at {moments.clock(decision.stops_at, zone)} if nobody asks."
    if lease.pinned(look.now) or lease.inhibitor(look.now) or lease.busy or lease.reason in decision.words:
        return ""  # it is said already
    return f"{decision.words[:1].upper()}{decision.words[1:]}."


def _of_lease(lease: Lease, now: float, zone: str) -> list[str]:
    found = []
    if lease.unpaid(now):
        found.append(f"The budget is spent until {moments.show(lease.spent_until or now, zone)}.")
    if lease.pinned(now):
        why = f": {lease.pin_why}" if lease.pin_why else ""
        found.append(f"Pinned until {moments.show(lease.pin_until or now, zone)} by {lease.pin_who}{why}.")
    if lease.wanted(now) and lease.state not in (State.RUNNING, State.STARTING):
        found.append(f"Wanted by {lease.wake_by}.")
    found += [f"Kept on by {each.who}: {each.why}." for each in lease.inhibitors if each.until > now]
    if lease.busy and lease.state in (State.RUNNING, State.DRAINING):
        found.append(f"Requests in its engines at the last heartbeat: {lease.busy}.")
    return found


def _why_not_wake(lease: Lease | None, now: float) -> str:
    if lease is None:
        return "There is no lease yet."
    if lease.unpaid(now):
        return "The budget is spent."
    if lease.state in (State.RUNNING, State.NEW, State.STARTING):
        return "It is awake or waking already."
    return ""


def _why_not_stop(lease: Lease | None) -> str:
    return "" if lease is not None and lease.state is State.RUNNING else "Only a host that is awake can be stopped."


def _row(attempt: Attempt, zone: str) -> Wake:
    return Wake(
        at=moments.show(attempt.at, zone),
        iso=moments.iso(attempt.at, zone),
        who=attempt.who,
        took="" if attempt.took_s is None else durations.show(attempt.took_s),
        stages=attempt.stages,
        failure=attempt.failure,
    )


# ---------------------------------------------------------------- money
def _money(look: Look, past: Past, zone: str) -> Money:
    """As `fab status` counts it; the month is UTC's, as on AWS's bill."""
    shape, now, lease = look.unit.shape, look.now, look.lease
    if shape is None or lease is None or past.problem:
        return Money(problem="not counted")
    kind = lease.rung or shape.host_type

    def since(moment: float) -> str:
        state = lease.state if lease else State.STOPPED
        spent = money.spent_since(shape, past.events, since=moment, now=now, state=state, instance_type=kind)
        return f"${spent:,.2f}"

    try:
        return Money(
            today=since(moments.midnight(now, zone)),
            month=since(moments.first_of_month(now)),
            hour=f"${money.awake_hour(shape):,.2f}",
            budget=_budget(past),
        )
    except PriceUnknown as error:
        return Money(problem=str(error))


def _budget(past: Past) -> str:
    budget = past.settings.monthly_budget_usd if past.settings else None
    return "" if budget is None else f"${budget:,.2f}"
