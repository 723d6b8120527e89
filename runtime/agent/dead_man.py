"""`python -m runtime.agent.dead_man`: the switch that turns the host off when nobody reads its lease any more.

A program and a systemd unit of its own, so that an agent that crashed, hangs or lost the table cannot disarm it. It
knows neither table nor lease: only when the agent last heard the table (`table_seen.py`), what the engines' counters
say, and who is connected. No answer for `max_silence_s` and no demand for as long: its own admission closes (beside the
agent's, so that neither opens the other's), two idle checks, then off; whatever the idle checks find opens admission
and counts as demand. Its bounds: an inhibitor that the table knew of keeps the host on until it ends, and its own crash
begins the count anew, which is what the reaper's `maxSilence` is for.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from core.contract.documents import HostConfig
from core.contract.intervals import AGENT_TICK_S, HEARTBEAT_S
from core.errors import PilotlightError
from runtime.agent.admission import DEAD_MAN_TABLE, Admission, AdmissionError, AdmissionLike, AdmissionState
from runtime.agent.demand import DemandMeter
from runtime.agent.drain import Drain, Step
from runtime.agent.engines import Engine, Unreadable
from runtime.agent.idle_check import Lister, connections_to, idle_check
from runtime.agent.program import begin, machine_of
from runtime.agent.sessions import Sessions
from runtime.agent.table_seen import Answer, Heard

log = logging.getLogger("pilotlight.dead_man")
RETRY_POWER_OFF_S: Final = 10.0


class OffSwitch(Protocol):
    """What the switch needs of a machine. `boot_id` "": it is off."""

    @property
    def boot_id(self) -> str: ...

    def power_off(self, reason: str, *, idle_engines: Sequence[str]) -> bool: ...


class DeadMan:
    """The switch of one host. `heard` gives the agent's latest answer; `clock` is the same monotonic clock, s."""

    def __init__(
        self,
        config: HostConfig,
        machine: OffSwitch,
        engines: Sequence[Engine],
        *,
        admission: AdmissionLike,
        connections: Lister,
        heard: Callable[[], Answer | None],
        working: Callable[[], str] = lambda: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit, self._machine, self._engines = config.max_silence_s, machine, engines
        self._connections, self._heard, self._clock = connections, heard, clock
        self._admission = AdmissionState(admission, lambda wrong: log.error("admission: %s", wrong), clock)
        self._working = working
        self._answer = Answer(clock())
        self._demand_at = self._next_count = clock()
        self._demand = DemandMeter()
        self._drain: Drain | None = None
        self._off_again = 0.0
        self._said = ""

    def tick(self) -> float:
        """One round; returns how many seconds to sleep."""
        self._count_demand()
        try:
            if self._is_silent():
                self._try_to_stop(self._drain or self._begin())
            else:
                self._stand_by()
        except AdmissionError as error:
            log.error("admission: %s", error)
            return HEARTBEAT_S
        return AGENT_TICK_S if self._drain else HEARTBEAT_S

    def _is_silent(self) -> bool:
        """No answer and no demand for `max_silence_s`, and nobody inhibits the stop. A time to come is no answer.

        Engines that are off need no switch.
        """
        now, answer = self._clock(), self._heard()
        if answer is not None and self._answer.at <= answer.at <= now:
            self._answer = answer
        last = max(self._answer.at, self._demand_at)
        silent = now - last >= self._limit and now >= self._answer.inhibited_until
        return silent and bool(self._machine.boot_id)

    def _count_demand(self) -> None:
        """Requests in the engines, or tokens since the last time, are demand. Counters that cannot be read say nothing:
        the idle check decides then, and what it cannot see counts as busy.
        """
        if self._clock() < self._next_count:
            return
        self._next_count = self._clock() + HEARTBEAT_S
        troubles = []
        for engine in self._engines:
            try:
                if self._demand.in_use(engine.name, engine.counters()):
                    self._demand_at = self._clock()
            except Unreadable as error:
                troubles.append(str(error))
        self._say(", ".join(troubles))

    def _say(self, about_counters: str) -> None:
        """Log a trouble once, until it changes."""
        if self._said != about_counters:
            self._said = about_counters
            log.warning("counters: %s", about_counters or "well again")

    def _stand_by(self) -> None:
        if self._drain is not None:
            log.info("the table is heard of again, or somebody asked: standing by")
            self._drain = None
        self._admission.open()

    def _begin(self) -> Drain:
        log.warning("no answer from the table and no demand for %.0f s: checking", self._limit)
        self._drain = Drain(-1, self._clock())
        return self._drain

    def _try_to_stop(self, drain: Drain) -> None:
        """One step: admission, idle checks, off. There is no cordon to wait for: the relay would set it in the lease,
        which is not heard of.

        Somebody who is logged in and works may be here for that very silence.
        """
        if who := self._working():
            drain.given_up = f"somebody works here: {who}"
        step = drain.next(self._clock(), cordoned=True)
        if step is Step.CLOSE:
            self._admission.close()
            drain.closed_at = self._clock()
        elif step is Step.CHECK:
            drain.saw(idle_check(self._engines, self._connections), self._clock())
        elif step is Step.QUIET:
            drain.again()
            if not self._admission.is_closed():
                drain.given_up = "somebody opened admission"
                return
            drain.closed_at = self._clock()  # where systemd refuses: two fresh idle checks before the next order
            self._power_off()
        elif step is Step.GIVE_UP:
            log.info("not idle: %s", drain.given_up)
            self._demand_at = self._clock()
            self._stand_by()

    def _power_off(self) -> None:
        if self._clock() < self._off_again:
            return
        self._off_again = self._clock() + RETRY_POWER_OFF_S
        silent_s, quiet_s = self._clock() - self._answer.at, self._clock() - self._demand_at
        reason = f"dead-man's switch: no answer from the table for {silent_s:.0f} s, no demand for {quiet_s:.0f} s"
        self._machine.power_off(reason, idle_engines=[e.name for e in self._engines])


def main() -> int:
    """Run until SIGTERM. A configuration that cannot be read is one message and exit code 2."""
    try:
        config = begin("runtime.agent.dead_man", "Turns the host off when nobody reads its lease any more.")
    except PilotlightError as error:
        log.error("%s", error)
        return 2
    engines = [Engine(e) for e in config.engines]
    admission = Admission([e.port for e in engines], table=DEAD_MAN_TABLE)
    heard = Heard().read
    switch = DeadMan(
        config,
        machine_of(config),
        engines,
        admission=admission,
        connections=connections_to,
        heard=heard,
        working=(lambda: "") if config.stays_on else Sessions().working,
    )
    while True:
        time.sleep(switch.tick())


if __name__ == "__main__":
    sys.exit(main())
