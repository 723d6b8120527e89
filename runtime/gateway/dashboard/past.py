"""What is asked for only because people look: the events of this month, the unit's settings, what EC2 says.

Read in a thread, at most every REFRESH_S, and again after every transition; nobody looks, nothing is read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from core.contract.documents import RelayUnit, UnitSettings
from core.errors import ContractError, LeaseError
from core.lease import Event
from core.times import moments
from runtime.backends.leases import LeaseStore, StoreUnavailable
from runtime.backends.power import Machine, Power, PowerRefused, PowerUnanswered

log = logging.getLogger(__name__)

REFRESH_S: Final = 60.0
HISTORY_S: Final = 7 * 86400.0  # at the begin of a month the last week's wakes are shown all the same


@dataclass(frozen=True)
class Past:
    """The events, oldest first, the settings (None: the table has none), and the machine (None: it was not told).

    `problem`: why events or settings could not be read.
    """

    events: Sequence[Event] = ()
    settings: UnitSettings | None = None
    machine: Machine | None = None
    problem: str = ""


class Run(Protocol):
    """Runs what blocks beside the event loop."""

    def __call__(self, call: Callable[..., Any], /, *args: Any) -> Awaitable[Any]: ...


class PastReader:
    """One unit's past, kept for a while. `run` as `Threads.run`."""

    def __init__(self, config: RelayUnit, store: LeaseStore, power: Power, run: Run) -> None:
        self._config, self._store, self._power, self._run = config, store, power, run
        self._kept = Past()
        self._of: tuple[int, float] | None = None  # the epoch, and when it was read (table time)
        self._one = asyncio.Lock()  # pages that open at once read it once

    async def at(self, epoch: int, now: float) -> Past:
        """The past of a unit whose lease has this epoch."""
        async with self._one:
            if self._of is None or self._of[0] != epoch or not 0 <= now - self._of[1] < REFRESH_S:
                self._kept = await self._run(self._read, now)
                self._of = epoch, now
            return self._kept

    def _read(self, now: float) -> Past:
        since, unit = min(moments.first_of_month(now), now - HISTORY_S), self._config.unit
        try:
            return Past(self._store.events(unit, since=since), self._store.settings(unit), self._machine())
        except (StoreUnavailable, LeaseError, ContractError) as error:
            return Past(problem=str(error))

    def _machine(self) -> Machine | None:
        """Its tags bend the policy. Where EC2 does not answer, the page says less and goes on."""
        try:
            return self._power.describe(self._config.instance_id)
        except (PowerRefused, PowerUnanswered) as error:
            log.info("machine not told", extra={"facts": {"unit": self._config.unit, "error": str(error)}})
            return None
