"""The named idle policies. A profile is a default; what a stack file says beside it wins.

To add one: a line in PROFILES, and a row in `tests/core/test_settings.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

MINUTE: Final = 60.0


@dataclass(frozen=True)
class Schedule:
    """When the host is on: two cron expressions, read in the stack's time zone. Both empty: no schedule."""

    start_at: str = ""
    stop_at: str = ""


@dataclass(frozen=True)
class Profile:
    """`stop_after_s` without demand the host stops; None means never for being idle. `why` is for people."""

    stop_after_s: float | None
    schedule: Schedule
    why: str


WORKDAYS: Final = Schedule("0 9 * * mon-fri", "0 18 * * mon-fri")

PROFILES: Final = MappingProxyType(
    {
        "dev": Profile(15 * MINUTE, Schedule(), "one developer: stops 15 min after the last demand"),
        "demo": Profile(None, Schedule(), "never stopped for being idle; stop it by hand (`fab stop`)"),
        "online": Profile(30 * MINUTE, Schedule(), "a team: stops 30 min after the last demand"),
        "batch": Profile(5 * MINUTE, Schedule(), "batches: stops 5 min after the last demand, so soon after a batch"),
        "office-hours": Profile(5 * MINUTE, WORKDAYS, "on Mon-Fri 9-18 in the stack's time zone, else 5 min"),
    }
)
