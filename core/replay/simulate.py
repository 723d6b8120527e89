"""One rule over one trace: when the host would have been on, and who would have waited. Pure; numpy.

The work is done pause by pause: between two pauses that could end in a stop nothing is decided. Everything that is a
rule comes from `core.policy`: how long idling is allowed (`allowed_idle_s`), how early a schedule starts a host
(`pre_warm_s`), what the adaptive rule has learned (`adaptive`).
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from core.money.ledger import Interval
from core.policy import adaptive
from core.policy.adaptive import Ahead, Pause
from core.policy.case import allowed_idle_s, pre_warm_s
from core.replay.trace import Floats, Indexes, Trace
from core.times.schedule import Schedule, is_on, next_change
from core.wakes import Wake

TICK_S: Final = 60.0  # the reaper's own interval
START_TIMEOUT_S: Final = 900.0  # of a stack that says nothing else


def tick(at: float) -> float:
    """The reaper's first look at or after `at`."""
    return math.ceil(at / TICK_S) * TICK_S


class IdleRule(Protocol):
    """How long a host may idle: asked once a pause, and told how each pause ended."""

    @property
    def shortest_s(self) -> float | None:
        """No pause up to this long ever ends in a stop, s; None: none does."""

    def stop_after_s(self, idle_from: float, wakes: list[Wake]) -> float | None:
        """The idle time that is allowed in a pause that begins at `idle_from`."""

    def ahead(self, idle_from: float, off_at: float) -> Ahead | None:
        """When it starts of its own accord in a pause in which it went off at `off_at`."""

    def ended(self, idle_from: float, at: float) -> None:
        """A pause is over: the next request came `at`."""

    def waited(self, waiting_s: float) -> None:
        """Callers waited so long, all together, for a start that the first of them caused."""


@dataclass(frozen=True)
class Fixed:
    """`stopAfter`, always the same; None: never for being idle."""

    limit_s: float | None

    @property
    def shortest_s(self) -> float | None:
        return self.limit_s

    def stop_after_s(self, idle_from: float, wakes: list[Wake]) -> float | None:  # noqa: ARG002
        return allowed_idle_s(self.limit_s, wakes)

    def ahead(self, idle_from: float, off_at: float) -> Ahead | None:  # noqa: ARG002
        return None

    def ended(self, idle_from: float, at: float) -> None:
        """Nothing is learned."""

    def waited(self, waiting_s: float) -> None:
        """Nothing is learned."""


@dataclass
class Adaptive:
    """`core.policy.adaptive` with what it has learned so far. `waiting_price`: seconds of the host's price that a
    second of waiting costs.
    """

    start_s: float
    waiting_price: float
    zone: str
    past: list[Pause] = field(default_factory=list)
    starts: int = 1  # one caller who waits for all of a start, to begin with
    all_waiting_s: float = 0.0

    def __post_init__(self) -> None:
        self.all_waiting_s = self.start_s

    @property
    def stake(self) -> adaptive.Stake:
        """What a start has cost on average."""
        return adaptive.Stake(self.start_s, self.waiting_price * self.all_waiting_s / self.starts)

    @property
    def shortest_s(self) -> float | None:
        """A start never costs less than the first one was taken to."""
        return adaptive.LAMBDA * self.stake.b_s

    def stop_after_s(self, idle_from: float, wakes: list[Wake]) -> float | None:  # noqa: ARG002
        return adaptive.stop_after_s(self.past, self.stake, idle_from, self.zone)

    def ahead(self, idle_from: float, off_at: float) -> Ahead | None:
        return adaptive.ahead(self.past, self.stake, idle_from, off_at, self.zone)

    def ended(self, idle_from: float, at: float) -> None:
        self.past = [*self.past[-adaptive.KEPT :], Pause(idle_from, at)]

    def waited(self, waiting_s: float) -> None:
        self.starts, self.all_waiting_s = self.starts + 1, self.all_waiting_s + waiting_s


@dataclass(frozen=True)
class Outcome:
    """What a replay found. `waits_s`: of the requests that waited, in order; the rest was answered at once.

    `waiting_s`: callers' waiting together. Who waits with several requests for one start waits once, from the first.
    """

    on: tuple[Interval, ...]
    waits_s: Floats
    waiting_s: float
    requests: int

    @property
    def on_s(self) -> float:
        """Billed seconds of the host: each start at least a minute, as EC2 bills."""
        return sum(interval.billed_s for interval in self.on)

    @property
    def cold_hits(self) -> int:
        """Requests that came while the host was not awake."""
        return len(self.waits_s)

    def wait_s(self, percentile: float) -> float:
        """The waiting time that so many per cent of all requests do not exceed, s."""
        if not self.requests:
            return 0.0
        rank = math.ceil(percentile / 100 * self.requests) - (self.requests - self.cold_hits)
        return 0.0 if rank <= 0 else float(np.partition(self.waits_s, rank - 1)[rank - 1])


def windows(schedule: Schedule, since: float, until: float) -> list[tuple[float, float]]:
    """The hours of a schedule that touch the time from `since` to `until`; the first may have begun before."""
    found, at = list[tuple[float, float]](), since
    begin = since if is_on(schedule, since) else next_change(schedule, since)
    while begin < until:
        at = next_change(schedule, begin)
        found.append((begin, at))
        begin = next_change(schedule, at)
    return found


@dataclass
class _Host:
    """A host that is played. `idle_from`: nothing is in flight since then; `on_since` None: it is off."""

    trace: Trace
    rule: IdleRule
    start_s: float
    start_timeout_s: float
    hours: list[tuple[float, float]]
    on_since: float | None = None
    ready: float = -math.inf
    on: list[Interval] = field(default_factory=list)
    wakes: list[Wake] = field(default_factory=list)
    waited: list[Floats] = field(default_factory=list)
    waiting_s: float = 0.0
    counted: int = 0  # of the requests before this one it is known whether they waited

    def start(self, at: float) -> None:
        self.on_since, self.ready = at, at + self.start_s
        self.wakes = [*self.wakes[-4:], Wake(at, self.start_s)]

    def stop(self, at: float) -> None:
        if self.on_since is not None and at > self.on_since:
            self.on.append(Interval(self.on_since, at))
        self.on_since = None

    def rest(self, idle_from: float, until: float) -> None:
        """Nobody asks until `until`; the host idles since `idle_from`, or is off then."""
        began, hold_until, ahead = idle_from, -math.inf, None
        while True:
            if self.on_since is None:
                at = self._scheduled(idle_from)
                if ahead is not None and ahead.start_at < at:
                    at, hold_until = tick(ahead.start_at), ahead.until
                ahead = None
                if at >= until:
                    return
                self.start(at)
                idle_from = self.ready
            off_at = self._off_at(idle_from, hold_until)
            if off_at >= until:
                return
            self.stop(off_at)
            if hold_until == -math.inf:  # once in a pause
                ahead = self.rule.ahead(began, off_at)
            idle_from = off_at

    def _off_at(self, idle_from: float, hold_until: float) -> float:
        """The reaper's first look at which the host has idled long enough and no schedule keeps it."""
        if hold_until > -math.inf:
            at = tick(max(hold_until, idle_from))
        else:
            limit = self.rule.stop_after_s(idle_from, self.wakes)
            if limit is None:
                return math.inf
            at = tick(idle_from + limit)
        while (begin_end := self._hours(at)) is not None and at >= begin_end[0] - self._early_s():
            at = tick(begin_end[1])
        return at

    def _scheduled(self, off_at: float) -> float:
        """The reaper's look at which a schedule starts the host that is off since `off_at`."""
        found = self._hours(off_at)
        return math.inf if found is None else tick(max(off_at, found[0] - self._early_s()))

    def _hours(self, at: float) -> tuple[float, float] | None:
        """The schedule's hours that `at` lies in, or the next ones."""
        found = bisect.bisect_right(self.hours, at, key=lambda hours: hours[1])
        return self.hours[found] if found < len(self.hours) else None

    def _early_s(self) -> float:
        return pre_warm_s(self.wakes, self.start_timeout_s)


def replay(
    trace: Trace,
    rule: IdleRule,
    *,
    start_s: float,
    schedule: Schedule | None = None,
    start_timeout_s: float = START_TIMEOUT_S,
) -> Outcome:
    """What `rule` and `schedule` would have made of a trace; a start takes `start_s`."""
    hours = [] if schedule is None else windows(schedule, trace.since, trace.until)
    host = _Host(trace, rule, start_s, start_timeout_s, hours)
    arrivals, busy_until = trace.arrivals, trace.busy_until
    idle_from, late = trace.since, -math.inf  # `late`: until then those are served who waited
    shortest = rule.shortest_s
    before = np.empty(0, np.int64) if shortest is None else trace.before_pauses(shortest)
    firsts = [] if not len(arrivals) else [0, *(before + 1).tolist()]
    for first, last in zip(firsts, [*(n - 1 for n in firsts[1:]), len(arrivals) - 1], strict=bool(firsts)):
        came = float(arrivals[first])
        if idle_from < came:
            host.rest(idle_from, came)
            if first:
                rule.ended(idle_from, came)
        if host.on_since is None:
            host.start(came)
        if host.ready > came and first >= host.counted:
            late = max(late, _wait(host, first))
        idle_from = max(float(busy_until[last]), late)
    if idle_from < trace.until:
        host.rest(idle_from, trace.until)
    host.stop(trace.until)
    waited = np.concatenate(host.waited) if host.waited else np.empty(0)
    return Outcome(tuple(host.on), waited, host.waiting_s, len(arrivals))


def _wait(host: _Host, first: int) -> float:
    """Everybody who comes before the host is ready waits for it; when the last of them is served."""
    last = int(np.searchsorted(host.trace.arrivals, host.ready, side="left"))
    waits, host.counted = host.ready - host.trace.arrivals[first:last], last
    host.waited.append(waits)
    waited_s = waiting_s(waits, host.trace.callers[first:last])
    host.waiting_s += waited_s
    if host.on_since == host.trace.arrivals[first]:
        host.rule.waited(waited_s)
    return host.ready + float(host.trace.durations[first:last].max())


def waiting_s(waits: Floats, callers: Indexes) -> float:
    """The waiting of callers whose requests wait for one start, s: each caller's first request counts."""
    _, firsts = np.unique(callers, return_index=True)
    return float(waits[firsts].sum())
