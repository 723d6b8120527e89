"""What the relay knows of a unit at this moment, without asking anybody: the page's first source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from core.contract.documents import RelayUnit
from core.lease import Lease
from runtime.gateway.unit import Unit

AGAIN_S: Final = 1.0  # a reading takes some milliseconds; a store that does not answer is not waited for


@dataclass(frozen=True)
class Look:
    """One unit now. `now` is the table's time, s. `lease` None: there is none, or it was never read.

    `state`: as the model list says it. `eta_s`: until it is awake; None: not known. `usual_s`: what past wakes took.
    `silent_s`: of engines of an awake unit that do not answer, how long. `store_down`: why the lease cannot be read.
    """

    unit: RelayUnit
    lease: Lease | None
    now: float
    state: str
    awake: bool
    eta_s: float | None = None
    usual_s: float | None = None
    waiting: int = 0
    store_down: str = ""
    silent_s: tuple[tuple[str, float], ...] = ()


class Seen(Protocol):
    """A unit as the dashboard reads it."""

    def look(self) -> Look:
        """Now; in the event loop."""

    async def look_again(self) -> None:
        """Somebody changed the lease: read it again now; returns when that was done, or after a moment."""


class LeaseUnit:
    """A unit that is driven by its lease, as the relay's watch keeps it. `again_s` is for tests."""

    def __init__(self, unit: Unit, config: RelayUnit, *, again_s: float = AGAIN_S) -> None:
        self._unit, self._config, self._again_s = unit, config, again_s

    def look(self) -> Look:
        """From the last reading of the lease."""
        view = self._unit.view
        silent = ((e.name, view.silent_s(e.name)) for e in self._config.engines)
        return Look(
            unit=self._config,
            lease=view.lease,
            now=view.now(),
            state=view.state,
            awake=view.awake,
            eta_s=view.eta_s(),
            usual_s=view.usual_wake_s,
            waiting=self._unit.queue.waiting,
            store_down=view.store_down,
            silent_s=tuple((name, seconds) for name, seconds in silent if seconds is not None),
        )

    async def look_again(self) -> None:
        """The watch reads the lease now."""
        self._unit.queue.arrived.set()
        await self._unit.changed(self._again_s)
