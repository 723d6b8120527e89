"""What the policy will decide, minute by minute, if nobody asks: the policy itself, run on a host that is played.

`forecast` starts from a lease as it is (or from `unborn`, for a stack that is not deployed) and asks `core.policy`
every minute, as the reaper does. What it decides is done to the lease by the protocol's own transitions; the machine
and its agent are played: they obey at once, a start takes `start_s`. Nothing here knows a rule by its meaning, so a
new rule needs no line here. A new *action* that changes the lease needs one in `_DO`.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from core import lease as protocol
from core.contract import SILENT_AFTER_S, WISH_EXTRA_S, UnitSettings
from core.lease import Lease, Outcome, Refused, State
from core.moments import next_month
from core.policy import RULES, Action, Case, Decision, Facts

STEP_S: Final = 60.0  # the reaper's own interval
START_GUESS_S: Final = 180.0  # of a host that has never started
ROUNDS: Final = 3  # the reaper goes on at once after these
GOES_ON: Final = frozenset({Action.STOPPED, Action.LOST, Action.SEEN, Action.MARK, Action.UNMARK})
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
    lease: Lease, facts: Facts, settings: UnitSettings, *, now: float, until: float, start_s: float = START_GUESS_S
) -> list[Span]:
    """Runs of equal decisions from `now` to `until`, without a gap; the last ends at `until`.

    Args:
        lease: as read; is not changed.
        facts: what EC2 says at `now`; tags and spending stay what they are.
        settings: the unit's.
        now: table time, s.
        until: end of the forecast, s.
        start_s: how long a start takes.
    """
    host = _Host(lease, facts, settings, start_s, silent=_silent(lease, now))
    spans: list[Span] = []
    for minute in _minutes(now, until):
        found = host.minute(minute)
        if spans and _same(spans[-1], found):
            continue
        if spans:
            spans[-1] = dataclasses.replace(spans[-1], end=minute)
        spans.append(found)
    if spans:
        spans[-1] = dataclasses.replace(spans[-1], end=until)
    return spans


def goes_off(spans: list[Span]) -> float | None:
    """When the host that is on goes off, None where it is off, or stays on as long as was looked."""
    if not spans or spans[0].phase == "off":
        return None
    return next((span.start for span in spans if span.phase in ("stopping", "off")), None)


def _minutes(now: float, until: float) -> Iterator[float]:
    """`now`, then every whole minute."""
    yield now
    minute = math.floor(now / STEP_S) * STEP_S + STEP_S
    while minute < until:
        yield minute
        minute += STEP_S


def _same(one: Span, other: Span) -> bool:
    """One line for people: a change in progress is one span, else the words must be equal but for their durations."""
    if one.phase != other.phase:
        return False
    return one.phase in ("starting", "stopping") or _words(one) == _words(other)


def _words(span: Span) -> str:
    return _DURATIONS.sub("", span.reason)


def _silent(lease: Lease, now: float) -> bool:
    return lease.state is State.RUNNING and now - (lease.agent_at or lease.since) >= SILENT_AFTER_S


class _Host:
    """A played host: lease, machine and agent at one minute after the other."""

    def __init__(self, lease: Lease, facts: Facts, settings: UnitSettings, start_s: float, *, silent: bool) -> None:
        self.lease, self._facts, self._settings = lease, facts, settings
        self._machine, self._start_s, self._silent = facts.machine, start_s, silent

    def minute(self, now: float) -> Span:
        """Play the agent, decide, do it; the span that begins here."""
        self._agent(now)
        for _ in range(ROUNDS):
            facts = dataclasses.replace(self._facts, machine=self._machine)
            rule, decision = _decide(Case(self.lease, facts, self._settings, now))
            before = self.lease.state
            self._do(decision, now)
            if decision.action not in GOES_ON:
                break
        after = before if decision.action in _QUIET else self.lease.state
        return Span(now, now, after, rule, decision.action, decision.reason)

    def _agent(self, now: float) -> None:
        """What machine and agent have done since the last minute."""
        lease = self.lease
        if lease.state is State.STOPPING and self._machine in ("running", "pending", "stopping"):
            self._machine = "stopped"
        if lease.state is State.DRAINING:
            self._write(protocol.stop(lease, boot_id=lease.boot_id, now=now, nonce=_BOOT))
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
        self._machine = "running"
        self._write(protocol.ready(self.lease, boot_id=_BOOT, now=at, nonce=_BOOT))
        self.lease = dataclasses.replace(self.lease, agent_at=now)

    def _do(self, decision: Decision, now: float) -> None:
        if decision.action in _DO:
            self._write(_DO[decision.action](self.lease, decision, now))
        if decision.action is Action.DRAIN and self.lease.state is State.DRAINING:
            self._write(protocol.stop(self.lease, boot_id=self.lease.boot_id, now=now, nonce=_BOOT))
        if decision.action in (Action.PRE_WARM, Action.START):
            self._write(protocol.start(self.lease, by="forecast", now=now, nonce=_BOOT))
            self._machine = "running" if self.lease.state is State.STARTING else self._machine
        if decision.action in (Action.BACKSTOP, Action.FAIL_STOP):
            self._machine = "stopped"

    def _write(self, outcome: Outcome) -> None:
        """The lease after a write; a refusal changes nothing, as at the reaper."""
        if isinstance(outcome, Refused):
            return
        after = protocol.apply(protocol.to_item(self.lease), outcome)
        if after is not None:
            self.lease = protocol.from_item(after)


def _decide(case: Case) -> tuple[str, Decision]:
    """The rule that wins, by name, and what it says."""
    return next((rule.__name__, found) for rule in RULES if (found := rule(case)) is not None)


_QUIET: Final = frozenset({Action.KEEP, Action.SEEN, Action.REFUSE, Action.REPEAT, Action.BACKSTOP})


def _fail(lease: Lease, decision: Decision, now: float) -> Outcome:
    order = decision.action is Action.FAIL_STOP
    why, failure = decision.reason, decision.alert
    return protocol.fail(lease, by="reaper", now=now, nonce=_BOOT, reason=why, failure=failure, order=order)


def _wish(lease: Lease, _: Decision, now: float) -> Outcome:
    return protocol.wish(lease, by="forecast", now=now, until=now + WISH_EXTRA_S, nonce=_BOOT)


def _seen(lease: Lease, _: Decision, now: float) -> Outcome:
    return protocol.seen_stopped(lease, at=now if lease.stopped_seen is None else None, nonce=_BOOT)


def _resume(lease: Lease, d: Decision, now: float) -> Outcome:
    return protocol.resume(lease, by="reaper", now=now, nonce=_BOOT, reason=d.reason, demand=False)


_DO: Final[Mapping[Action, Callable[[Lease, Decision, float], Outcome]]] = {
    Action.PRE_WARM: _wish,
    Action.SEEN: _seen,
    Action.LOST: lambda v, d, now: protocol.lost(v, now=now, nonce=_BOOT, reason=d.reason),
    Action.ADOPT: lambda v, _, now: protocol.adopt(v, now=now, nonce=_BOOT),
    Action.STOPPED: lambda v, _, now: protocol.stopped(v, by="reaper", now=now, nonce=_BOOT),
    Action.BACKSTOP: lambda v, _, now: protocol.stop_order(v, now=now, nonce=_BOOT),
    Action.REPEAT: lambda v, _, now: protocol.repeat_start(v, now=now, nonce=_BOOT),
    Action.FAIL: _fail,
    Action.FAIL_STOP: _fail,
    Action.RESUME: _resume,
    Action.MARK: lambda v, _, now: protocol.spent(v, until=next_month(now), nonce=_BOOT),
    Action.UNMARK: lambda v, _, __: protocol.spent(v, until=None, nonce=_BOOT),
    Action.REFUSE: lambda v, _, __: protocol.drop_wish(v, nonce=_BOOT),
    Action.DRAIN: lambda v, d, now: protocol.drain(v, now=now, nonce=_BOOT, reason=d.reason),
    Action.FORCE: lambda v, d, now: protocol.force(v, by="reaper", now=now, nonce=_BOOT, reason=d.reason),
}
