"""When the table was last heard of, from the agent to the dead-man's switch: a small file on tmpfs, in monotonic time.

Linux's monotonic clock is one for all processes of a boot, and the file dies with the boot.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from core.contract.paths import TABLE_SEEN_FILE

log = logging.getLogger("pilotlight.agent")


@dataclass(frozen=True)
class Answer:
    """The table answered `at`; whoever inhibited the stop then inhibits it until `inhibited_until` (0: nobody).
    Monotonic, s.
    """

    at: float
    inhibited_until: float = 0.0


class Heard:
    """The file. Writing never fails the agent: a file that grows old ends in an idle check, not in a lost request."""

    def __init__(self, path: str = TABLE_SEEN_FILE) -> None:
        self._path = Path(path)

    def write(self, answer: Answer) -> None:
        """Note an answer, whole or not at all."""
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(asdict(answer)))
            fresh.replace(self._path)
        except OSError as error:
            log.error("the dead-man's switch was not told: %s", error)

    def read(self) -> Answer | None:
        """The latest answer; None where there is none, or none that can be read."""
        try:
            raw = json.loads(self._path.read_text())
            return Answer(float(raw["at"]), float(raw["inhibited_until"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None
