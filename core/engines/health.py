"""Whether an engine is alive, and what is done about one that is not. Pure: readings in, a judgement out.

The agent reads its engines at every heartbeat (`runtime/agent/pulse.py`), restarts a unit, and says in the lease which
engines are dead. The relay then lets callers wait for `GRACE_S` and refuses them afterwards, but not while somebody is
at work on the host (an inhibitor): a deployment restarts engines, which may take longer. The policy alerts after
`ALERT_AFTER_S`, and after the stack's `idle.engineTimeout` it forces the host off, which starts again if it is wanted
(`core/policy/health.py`). Times are seconds on one clock of the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from core.times.durations import show

SILENT_S: Final = 60.0  # an engine that accepts connections and says nothing may only be busy for so long
ALERT_AFTER_S: Final = 60.0
GRACE_S: Final = 120.0  # callers wait for so long: in that time systemd has restarted an engine with a 7B model
GIVEN_UP_S: Final = 60.0  # a unit that systemd has given up is restarted after this
HUNG_S: Final = 120.0  # and one that runs, accepts connections and never answers, after this
LOADING_S: Final = 300.0  # and one that runs and does not listen yet: it may be loading its model
GIVEN_UP: Final = frozenset({"failed", "inactive"})  # systemd's ActiveState


class Answer(StrEnum):
    """What an engine says when it is asked."""

    YES = "yes"  # /metrics or /health answers
    NO = "no"  # nobody listens on its port
    SILENT = "silent"  # it accepts the connection and answers neither, or not with 200


@dataclass(frozen=True)
class Health:
    """One engine's. `since` None: it answers; else since when it does not. `down`: it cannot be merely busy."""

    since: float | None = None
    down: bool = False
    restarted_at: float | None = None

    def dead(self, now: float) -> bool:
        """Nobody gets an answer from it."""
        return self.since is not None and (self.down or now - self.since >= SILENT_S)


ALIVE: Final = Health()


def heard(before: Health, answer: Answer, unit: str, now: float) -> Health:
    """The health after a reading. `unit` is systemd's ActiveState of the engine's unit, "" where it is not known."""
    if answer is Answer.YES:
        return ALIVE
    down = before.down or answer is Answer.NO or unit in GIVEN_UP
    return replace(before, since=now if before.since is None else before.since, down=down)


def restart_due(health: Health, answer: Answer, unit: str, now: float) -> bool:
    """The engine's unit is to be restarted: it will not come back by itself. Counts anew after each restart."""
    if health.since is None:
        return False
    running = HUNG_S if answer is Answer.SILENT else LOADING_S
    wait = GIVEN_UP_S if unit in GIVEN_UP else running
    return now - max(health.since, health.restarted_at or health.since) >= wait


def words(engines: str, silent_s: float) -> str:
    """What people are told of an engine that does not answer."""
    return f"the engine {engines} has not answered for {show(silent_s)}"
