"""A pass, whoever asks for it: all units and the plain instances, or one unit for a relay that waits."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from runtime.backends import Backend
from runtime.reaper.plain import PlainInstances
from runtime.reaper.sweep import Report, Sweep

LINGER_S: Final = 12.0  # a relay's request waits for a retry that is this near
LINGER_ROUNDS: Final = 5
RESERVE_S: Final = 20.0  # a unit, a round, or a look at plain instances is begun only with this much time left
Left = Callable[[], float]  # how many seconds the caller has left

log = logging.getLogger("pilotlight.reaper")


@dataclass(frozen=True)
class Whom:
    """What a reaper is responsible for.

    `control` is what its machines' control tag says; `topic` hears of what is no readable unit's; `plain`: machines
    without an agent are looked after too.
    """

    control: str = ""
    topic: str = ""
    plain: bool = False


class Reaper:
    """Keeps between passes what `Sweep` and `PlainInstances` keep; `plain` None: nobody asked for the latter."""

    def __init__(self, sweep: Sweep, plain: PlainInstances | None = None) -> None:
        self._sweep, self._plain = sweep, plain

    def run(self, left: Left, unit: str | None = None) -> dict[str, Any]:
        """One pass over `unit`, or over all; its summary. Raises only where the pass could not do its work."""
        until = time.monotonic() + left() - RESERVE_S
        report = self._sweep.run(None if unit is None else [unit], until=until)
        if unit is not None:
            report = self._linger(unit, report, left)
        summary = report.summary() | (self._plain_instances(left) if unit is None else {})
        log.info("%d units, %d acted on", summary["units"], len(summary["acted"]), extra={"facts": summary})
        return summary

    def _linger(self, unit: str, report: Report, left: Left) -> Report:
        """Somebody waits for this unit: a retry that is due in seconds is made now, not at the next minute."""
        for _ in range(LINGER_ROUNDS):
            wait = report.due_in_s(unit)
            if wait is None or wait > LINGER_S or left() < RESERVE_S:
                break
            time.sleep(wait)
            report = self._sweep.run([unit])
        return report

    def _plain_instances(self, left: Left) -> dict[str, Any]:
        """For the summary; nothing where nobody asked for them, or time is short, or between looks."""
        if self._plain is None or left() < RESERVE_S:
            return {}
        said = self._plain.look()
        return {"plain": said} if said else {}


def reaper(backend: Backend, whom: Whom) -> Reaper:
    """The reaper of a backend's units."""
    told = backend.notifications
    sweep = Sweep(backend.leases, backend.power, told, whom.topic, whom.control)
    plain = PlainInstances(backend.plain, told, whom.topic) if whom.plain and backend.plain is not None else None
    return Reaper(sweep, plain)
