"""Within which a duration of a stack file or of a tag makes sense, and why not below. A new duration: a line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from core.errors import SettingsError
from core.times import durations

YEAR_S: Final = 366 * 86400.0


@dataclass(frozen=True)
class Bounds:
    """The shortest and the longest, both allowed; `because` says why a shorter one would be wrong."""

    least_s: float
    because: str
    most_s: float = YEAR_S

    def read(self, text: str) -> float:
        """Seconds. SettingsError: no duration, or out of bounds."""
        seconds = durations.positive(text, self.most_s)
        if seconds < self.least_s:
            least = durations.spell(self.least_s)
            raise SettingsError(f'"{text}" is less than {least}: {self.because}; write {least} or more')
        return seconds

    def limit(self, text: object) -> float | None:
        """The same for a limit, which may be `off`: None."""
        return durations.limit(text, self.read)

    def __str__(self) -> str:
        return f"{durations.spell(self.least_s)} to {durations.spell(self.most_s)}"


STOP_AFTER: Final = Bounds(5.0, "the host would stop between two requests")  # the tag pilotlight:auto-stop too
MAX_LEASE: Final = Bounds(300.0, "the host would stop while it is still loading its model")  # pilotlight:max-lease too
HARD_CAP: Final = MAX_LEASE
START_TIMEOUT: Final = Bounds(30.0, "a machine takes longer to boot")
MAX_SILENCE: Final = Bounds(60.0, "an agent that is restarted says nothing for some seconds")
ENGINE_TIMEOUT: Final = Bounds(60.0, "an engine takes longer to load its model after it was restarted")
# HAProxy (`timeout server` in haproxy.cfg.j2) ends a request that was silent for an hour, and the engine needs some
QUEUE_TIMEOUT: Final = Bounds(1.0, "nobody could wait for a start", 1800.0)
CACHE: Final = Bounds(1.0, "nobody would find it again", 30 * 86400.0)  # how long an answer is kept
