"""The host's pulse: what the engines do, which of them answer, and the restart of those that do not come back.

One reading at a heartbeat. An engine that answers and whose counters make no sense (a gauge of NaN, a page that lacks
one) may be in use: nobody can tell. One that does not answer counts as dead by `core/engines/health.py`, and what it
may still have is nobody's answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from core.engines import health
from core.engines.health import ALIVE, Answer, Health
from runtime.agent.demand import DemandMeter
from runtime.agent.engines import Engine, Probe

log = logging.getLogger("pilotlight.agent")


class Units(Protocol):
    """What is needed of `machine.Machine`."""

    def engine_state(self, engine: str) -> str: ...

    def restart_engine(self, engine: str) -> bool: ...


@dataclass(frozen=True)
class Beat:
    """What a heartbeat says. `dead`: engines that do not answer, each with since when (the agent's clock, s)."""

    busy: int = 0
    unknown: bool = False
    demand: bool = False
    dead: Mapping[str, float] = field(default_factory=dict)


NOTHING: Final = Beat()


@dataclass(frozen=True)
class _Found:
    """One engine's reading, and systemd's word on its unit ("" where nobody asked)."""

    probe: Probe
    unit: str


class Pulse:
    """Remembers between heartbeats since when an engine is silent, and what its counters were. `clock` is monotonic."""

    def __init__(self, engines: Sequence[Engine], units: Units, clock: Callable[[], float]) -> None:
        self._engines, self._units, self._clock = engines, units, clock
        self._health: dict[str, Health] = {}
        self._demand = DemandMeter()
        self._found: dict[str, _Found] = {}
        self._said: dict[str, str] = {}

    def knew(self, dead: Mapping[str, float]) -> None:
        """What an agent before this one said of engines, unless they were read since."""
        for name, since in dead.items():
            self._health.setdefault(name, Health(since, down=True))

    def begin(self) -> None:
        """This boot is ready: tokens from here on are callers'. What was before is forgotten."""
        self._health.clear()
        self._demand.forget()
        self.take()

    def take(self) -> Beat:
        """One reading of every engine."""
        now = self._clock()
        self._found = {engine.name: self._reading(engine) for engine in self._engines}
        for name, found in self._found.items():
            self._health[name] = health.heard(self._health.get(name, ALIVE), found.probe.answer, found.unit, now)
        dead = {n: h.since for n, h in self._health.items() if h.since is not None and h.dead(now)}
        alive = {n: f.probe.counters for n, f in self._found.items() if n not in dead}
        demand = [self._demand.asked(name, counters) for name, counters in alive.items() if counters is not None]
        busy = sum(c.in_flight for c in alive.values() if c is not None)
        return Beat(busy, any(c is None for c in alive.values()), any(demand), dead)

    def restart_dead(self) -> None:
        """Restart the units of engines that will not come back by themselves, by what the last reading found."""
        now = self._clock()
        for name, found in self._found.items():
            known = self._health[name]
            if not health.restart_due(known, found.probe.answer, found.unit, now):
                continue
            log.error("%s; its unit is %s: restarting it", health.words(name, now - (known.since or now)), found.unit)
            self._units.restart_engine(name)
            self._health[name] = replace(known, restarted_at=now)

    def _reading(self, engine: Engine) -> _Found:
        probe = engine.probe()
        if self._said.get(engine.name, "") != probe.why:
            self._said[engine.name] = probe.why
            log.info("%s: %s", engine.name, probe.why or "well again")
        return _Found(probe, "" if probe.answer is Answer.YES else self._units.engine_state(engine.name))
