"""A stop that is near, and the key by which it stands in the lease.

Outside `core/policy/`, which needs cronsim: the agent reads the key too, and a machine has only its program's packages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

IDLE: Final = "idle"


@dataclass(frozen=True)
class Soon:
    """A stop that is near. `bound` brings it (idle, maxLease, hardCap) `at` a table time, s, when it has counted up to
    `limit_s` from `since`; forced unless it is for being idle.
    """

    bound: str
    at: float
    since: float
    limit_s: float

    @property
    def forced(self) -> bool:
        """It comes whether or not the host could say no."""
        return self.bound != IDLE

    @classmethod
    def read(cls, key: str) -> Soon | None:
        """The stop that a `key` names; None for "" and what is none."""
        match = re.fullmatch(r"(\w+):(\d+)\+(\d+)", key)
        if match is None:
            return None
        since, limit = float(match[2]), float(match[3])
        return cls(match[1], since + limit, since, limit)

    @property
    def key(self) -> str:
        """The same for the same stop, whenever it is looked at: it is announced once."""
        return f"{self.bound}:{self.since:.0f}+{self.limit_s:.0f}"
