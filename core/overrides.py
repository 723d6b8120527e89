"""The limits of one host: the stack's settings, and the tags by which operations override them in the console.

A tag that cannot be read is reported and the host kept running; what it may have meant is never guessed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from core import durations
from core.contract import TAG_AUTO_STOP, TAG_MAX_LEASE, TAG_SCHEDULE, UnitSettings
from core.errors import SettingsError
from core.schedule import Schedule, parse

OFF: Final = "off"


@dataclass(frozen=True)
class Limits:
    """`stop_after_s` None: never for being idle. `max_lease_s` 0: off. `problem` says which tag cannot be read."""

    stop_after_s: float | None
    max_lease_s: float
    schedule: Schedule | None
    problem: str = ""


def limits(settings: UnitSettings, tags: Mapping[str, str]) -> Limits:
    """Settings, then tags. With an unreadable tag nothing stops the host for being idle or for maxLease."""
    result = _from_settings(settings)
    for tag, read in _READERS.items():
        if tag not in tags:
            continue
        try:
            result = read(result, tags[tag], settings)
        except SettingsError as error:
            return Limits(None, 0.0, None, f"tag {tag}: {error}; kept running until it is corrected")
    return result


def _from_settings(settings: UnitSettings) -> Limits:
    schedule = None
    if settings.schedule_on and settings.schedule_off:
        schedule = Schedule(settings.schedule_on, settings.schedule_off, settings.time_zone)
    return Limits(settings.stop_after_s, settings.max_lease_s, schedule)


def _auto_stop(so_far: Limits, text: str, _: UnitSettings) -> Limits:
    return dataclasses.replace(so_far, stop_after_s=None if _off(text) else durations.parse(text))


def _max_lease(so_far: Limits, text: str, _: UnitSettings) -> Limits:
    return dataclasses.replace(so_far, max_lease_s=0.0 if _off(text) else durations.parse(text))


def _schedule(so_far: Limits, text: str, settings: UnitSettings) -> Limits:
    return dataclasses.replace(so_far, schedule=parse(text, settings.time_zone))


def _off(text: str) -> bool:
    return text.strip().lower() == OFF


_READERS: Final[Mapping[str, Callable[[Limits, str, UnitSettings], Limits]]] = {
    TAG_AUTO_STOP: _auto_stop,
    TAG_MAX_LEASE: _max_lease,
    TAG_SCHEDULE: _schedule,
}
