"""A slow replay: the reaper's own `decide`, asked every minute about a lease that is made up from the requests."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.contract.documents import UnitSettings
from core.lease import Lease, State
from core.policy import Action, Facts, decide
from core.replay.simulate import TICK_S, tick
from core.replay.trace import Trace
from core.wakes import Wake


@dataclass
class SlowHost:
    trace: Trace
    settings: UnitSettings
    start_s: float
    on_since: float | None = None
    since: float = 0.0
    ready: float = 0.0
    ends: list[float] = field(default_factory=list)  # of the requests that were served since the start
    on: list[tuple[float, float]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    wakes: list[Wake] = field(default_factory=list)

    def run(self) -> None:
        requests = list(zip(self.trace.arrivals.tolist(), self.trace.durations.tolist(), strict=True))
        self.since, now = self.trace.since, tick(self.trace.since)
        while now < self.trace.until:
            while requests and requests[0][0] <= now:
                self.ask(*requests.pop(0))
            self.look(now)
            now += TICK_S
        for at, takes in requests:
            self.ask(at, takes)
        if self.on_since is not None:
            self.on.append((self.on_since, self.trace.until))

    def ask(self, at: float, takes: float) -> None:
        if self.on_since is None:
            self.start(at)
        if at < self.ready:
            self.waits.append(self.ready - at)
        self.ends.append(max(at, self.ready) + takes)

    def start(self, at: float) -> None:
        self.on_since, self.ready, self.ends = at, at + self.start_s, []
        self.wakes.append(Wake(at, self.start_s))

    def look(self, now: float) -> None:
        if self.on_since is not None and now < self.ready:
            return
        decision = decide(self.lease(now), self.facts(), self.settings, now)
        if decision.action is Action.DRAIN and self.on_since is not None:
            self.on.append((self.on_since, now))
            self.on_since, self.since = None, now
        elif decision.action is Action.PRE_WARM:
            self.start(now)
        else:
            assert decision.action is Action.KEEP, decision

    def lease(self, now: float) -> Lease:
        if self.on_since is None:
            return Lease(self.settings.unit, State.STOPPED, 1, self.since, "", "agent", instance_id="i-1")
        busy = sum(end > now for end in self.ends)
        return Lease(
            self.settings.unit,
            State.RUNNING,
            1,
            self.ready,
            "",
            "agent",
            instance_id="i-1",
            boot_id="b",
            ready_at=self.ready,
            agent_at=now,
            busy=busy,
            demand_at=now if busy else max(self.ends, default=None),
        )

    def facts(self) -> Facts:
        return Facts("stopped" if self.on_since is None else "running", wakes=tuple(self.wakes))
