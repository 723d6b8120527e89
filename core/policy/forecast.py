"""What the policy will decide, minute by minute, if nobody asks: the policy itself, run on a host that is played.

`forecast` starts from a lease as it is (or from `unborn`, for a stack that is not deployed) and asks `core.policy`
every minute, as the reaper does. What a decision writes and orders is `core.policy.carry_out`'s, as at the reaper; the
machine and its agent are played: they obey at once, a start takes `start_s`. Nothing here knows a rule or an action by
its meaning, so a new one needs no line here; a new *order* to EC2 needs one in `_Host._obey`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from core import lease as protocol
from core.contract.documents import UnitSettings
from core.contract.intervals import SILENT_AFTER_S
from core.lease import Event, Lease, Outcome, Refused, State
from core.money.ledger import Ledger, spending
from core.policy import RULES, Action, Case, Decision, Facts, with_spent
from core.policy.carry_out import GOES_ON, ROUNDS, Order, Step, carry_out, taken
from core.times.schedule import next_change
from core.wakes import wakes

STEP_S: Final = 60.0  # the reaper's own interval
LEAP_S: Final = 900.0  # where nothing changes, so many minutes are one
START_GUESS_S: Final = 180.0  # of a host that has never started
_BOOT: Final = "forecast"
_DURATIONS: Final = re.compile(r"\d+[dhms]( \d+[dhms])?")


@dataclass(frozen=True)
class Span:
    """From `start` to `end` (s since 1970) the policy says the same; `reason`, `rule`, `action` are the first ones."""

    start: float
    end: float
    state: State
    rule: str
    action: Action
    reason: str

    @property
    def phase(self) -> str:
        """`on`, `off`, `starting` or `stopping`, for people."""
        return _PHASES[self.state]


_PHASES: Final[Mapping[State, str]] = {
    State.NEW: "on",
    State.RUNNING: "on",
    State.DRAINING: "stopping",
    State.STOPPING: "stopping",
    State.STARTING: "starting",
    State.STOPPED: "off",
    State.FAILED: "off",
}


def unborn(unit: str, now: float) -> Lease:
    """The lease of a host that is off and that nobody wants, to begin with where there is none."""
    return Lease(unit, State.STOPPED, 1, now, "nobody asked", "forecast", instance_id="forecast")


def forecast(
    lease: Lease,
    facts: Facts,
    settings: UnitSettings,
    *,
    now: float,
    until: float,
    start_s: float = START_GUESS_S,
    ledger: Ledger | None = None,
) -> list[Span]:
    """Runs of equal decisions from `now` to `until`, without a gap; the last ends at `until`.

    Args:
        lease: as read; is not changed.
        facts: what EC2 says at `now`, and the past wakes; tags stay what they are.
        settings: the unit's.
        now: table time, s.
        until: end of the forecast, s.
        start_s: how long a start takes.
        ledger: what the host has cost so far: the hours that are played count against the budget, and a month's end
            ends them. Without it the spending stays what `facts` say.
    """
    host = _Host(lease, facts, settings, start_s, ledger, silent=_silent(lease, now))
    spans: list[Span] = []
    for minute, rule, decision in _played(host, now, until):
        if spans and _same(spans[-1], host.lease.state, decision.reason):
            continue
        if spans:
            spans[-1] = dataclasses.replace(spans[-1], end=minute)
        spans.append(Span(minute, minute, host.lease.state, rule, decision.action, decision.reason))
    if spans:
        spans[-1] = dataclasses.replace(spans[-1], end=until)
    return spans


def goes_off(spans: list[Span]) -> float | None:
    """When the host that is on goes off, None where it is off, or stays on as long as was looked."""
    if not spans or spans[0].phase == "off":
        return None
    return next((span.start for span in spans if span.phase in ("stopping", "off")), None)


def _played(host: _Host, now: float, until: float) -> Iterator[tuple[float, str, Decision]]:
    """The rule and decision of `now` and of every whole minute, but for those of a rest: nothing is done, the decision
    does not ask to be looked at again, the schedule's hours neither begin nor end, and LEAP_S later it is the same.
    """
    minute, walked = now, now  # up to `walked` a rest was looked for, and there is none
    while minute < until:
        rule, decision = host.minute(minute)
        yield minute, rule, decision
        while minute >= walked:
            later = _floor(minute) + LEAP_S
            again = math.inf if decision.look_again_at is None else decision.look_again_at
            if later >= min(until, again, host.hours_change(minute)):
                break
            rests = host.rests(later, rule, decision)
            minute, walked = (later, later) if rests else (minute, later)
        minute = _floor(minute) + STEP_S


def _floor(now: float) -> float:
    return math.floor(now / STEP_S) * STEP_S


def _same(one: Span, state: State, reason: str) -> bool:
    """One line for people: a change in progress is one span, else the words must be equal but for their durations."""
    phase = _PHASES[state]
    if one.phase != phase:
        return False
    return phase in ("starting", "stopping") or one.reason == reason or _words(one.reason) == _words(reason)


@functools.lru_cache(maxsize=1024)
def _words(reason: str) -> str:
    return _DURATIONS.sub("", reason)


def _silent(lease: Lease, now: float) -> bool:
    return lease.state is State.RUNNING and now - (lease.agent_at or lease.since) >= SILENT_AFTER_S


class _Host:
    """A played host: lease, machine and agent at one minute after the other."""

    def __init__(
        self,
        lease: Lease,
        facts: Facts,
        settings: UnitSettings,
        start_s: float,
        ledger: Ledger | None,
        *,
        silent: bool,
    ) -> None:
        self.lease, self._facts, self._settings = lease, facts, settings
        self._start_s, self._silent, self._ledger = start_s, silent, ledger
        self._began = Event(lease.epoch, lease.since, "", lease.state, lease.by, lease.reason)

    def minute(self, now: float) -> tuple[str, Decision]:
        """Play the agent, decide, do it; the rule that won last, and what it said."""
        self._agent(now)
        self._spend(now)
        for _ in range(ROUNDS):
            rule, decision = _decide(Case(self.lease, self._facts, self._settings, now))
            step = carry_out(self.lease, decision, self._settings, now=now, nonce=_BOOT)
            if not self._carry_out(step, now) or decision.action not in GOES_ON:
                break
        return rule, decision

    def hours_change(self, now: float) -> float:
        """When the schedule's hours begin or end next, s; infinity without a schedule."""
        schedule = Case(self.lease, self._facts, self._settings, now).limits.schedule
        return math.inf if schedule is None else next_change(schedule, now)

    def rests(self, later: float, rule: str, decision: Decision) -> bool:
        """At `later` the decision is still the same, and to do nothing; else nothing was played."""
        before = self.lease, self._facts, self._ledger, self._began
        if decision.action is Action.KEEP:
            span = Span(later, later, self.lease.state, rule, decision.action, decision.reason)
            then, found = self.minute(later)
            same = (then, found.action, self.lease.epoch) == (rule, decision.action, before[0].epoch)
            if same and _same(span, self.lease.state, found.reason):
                return True
        self.lease, self._facts, self._ledger, self._began = before
        return False

    def _spend(self, now: float) -> None:
        """The month's money so far, as the reaper counts it before it decides."""
        if self._ledger is not None:
            spent = spending(self._ledger, self._settings, self._facts.instance_type, now)
            self._facts = with_spent(self._facts, spent)

    def _agent(self, now: float) -> None:
        """What machine and agent have done since the last minute."""
        lease = self.lease
        if lease.state is State.STOPPING and self._facts.machine in ("running", "pending", "stopping"):
            self._machine_is("stopped")
        self._look(now)
        if lease.state is State.STARTING and now - lease.since >= self._start_s:
            self._ready(now)
            lease = self.lease
        if lease.state is State.RUNNING and not self._silent:
            demand = now if lease.busy else lease.demand_at
            self.lease = dataclasses.replace(lease, agent_at=now, busy=0, demand_at=demand)

    def _ready(self, now: float) -> None:
        """The start ended in time, also where the forecast looks only at whole minutes."""
        at = min(now, self.lease.since + self._start_s)
        self.lease = dataclasses.replace(self.lease, boot_id=_BOOT)
        self._machine_is("running")
        self._write(protocol.ready(self.lease, boot_id=_BOOT, now=at, nonce=_BOOT))
        self.lease = dataclasses.replace(self.lease, agent_at=now)

    def _look(self, now: float) -> None:
        """An agent that is asked to stop finds nobody and stops."""
        if self.lease.state is State.DRAINING:
            self._write(protocol.stop(self.lease, boot_id=self.lease.boot_id, now=now, nonce=_BOOT))

    def _carry_out(self, step: Step, now: float) -> bool:
        """What the reaper does, to a machine that obeys. False where the lease refuses."""
        if step.write is not None and not self._write(step.write):
            return False
        self._obey(step, now)
        if (news := taken(self.lease, step.order, nonce=_BOOT)) is not None:
            self._write(news)
        self._look(now)
        return True

    def _obey(self, step: Step, now: float) -> None:
        match step.order:
            case Order.START:
                self._machine_is("running")
            case Order.STOP:
                self._machine_is("stopped")
            case Order.SET_TYPE:
                self._facts = dataclasses.replace(self._facts, instance_type=step.instance_type)
            case Order.CLIMB:  # the same type once more, and now there is room
                lease = self.lease
                self._write(protocol.climb(lease, rung=lease.rung, tried=lease.tried, now=now, nonce=_BOOT))
                self._machine_is("running")

    def _machine_is(self, state: str) -> None:
        """EC2's words were for the state before."""
        self._facts = dataclasses.replace(self._facts, machine=state, state_reason="")

    def _write(self, outcome: Outcome) -> bool:
        """The lease after a write; a refusal changes nothing, as at the reaper."""
        if isinstance(outcome, Refused):
            return False
        after = protocol.apply(protocol.to_item(self.lease), outcome)
        if after is None:
            return False
        self.lease = protocol.from_item(after)
        if outcome.event is not None:
            self._happened(outcome.event)
        return True

    def _happened(self, event: Event) -> None:
        """A wake that is played is a past one for the next, and its hours cost money, as at the reaper."""
        if self._ledger is not None:
            self._ledger = self._ledger.add([event])
        if event.after == State.STARTING:
            self._began = event
        elif event.after == State.RUNNING:
            woken = wakes([self._began, event])
            self._facts = dataclasses.replace(self._facts, wakes=(*self._facts.wakes, *woken))


def _decide(case: Case) -> tuple[str, Decision]:
    """The rule that wins, by name, and what it says."""
    for rule in RULES:
        if (found := rule(case)) is not None:
            return rule.__name__, found
    raise LookupError("the last rule has an opinion on every host")
