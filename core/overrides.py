"""The limits of one host: the stack's settings, and the tags by which operations override them in the console.

A tag is read by the stack file's own rule (`core.times.bounds`, `core.times.schedule_words.parse`). What a tag
that cannot be read may have meant is never guessed: it is reported, and until it is corrected nothing stops the host
for being idle. Every other tag counts as before, and so does maxLease: a typo never runs without an end.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.contract.documents import UnitSettings
from core.contract.tags import TAG_AUTO_STOP, TAG_MAX_LEASE, TAG_SCHEDULE
from core.errors import SettingsError
from core.times import bounds, schedule_words
from core.times.schedule import Schedule


@dataclass(frozen=True)
class Limits:
    """`stop_after_s` None: never for being idle. `max_lease_s` 0: off. `problem` says which tags cannot be read."""

    stop_after_s: float | None
    max_lease_s: float
    schedule: Schedule | None
    problem: str = ""


def limits(settings: UnitSettings, tags: Mapping[str, str]) -> Limits:
    """Settings, then tags."""
    result, problems = _from_settings(settings), list[str]()
    for tag, (read, without) in _TAGS.items():
        if tag not in tags:
            continue
        try:
            result = dataclasses.replace(result, **read(tags[tag], settings))
        except SettingsError as error:
            result = dataclasses.replace(result, **without)
            problems.append(f"tag {tag}: {error}")
    if wrong := _wrong(result.schedule):
        result = dataclasses.replace(result, schedule=None)
        problems.append(f"schedule: {wrong}")
    if not problems:
        return result
    bound = "; maxLease still ends it" if result.max_lease_s else ""
    words = f"{'; '.join(problems)}; not stopped for being idle until that is corrected{bound}"
    return dataclasses.replace(result, stop_after_s=None, problem=words)


def _from_settings(settings: UnitSettings) -> Limits:
    schedule = None
    if settings.schedule_on and settings.schedule_off:
        schedule = Schedule(settings.schedule_on, settings.schedule_off, settings.time_zone)
    return Limits(settings.stop_after_s, settings.max_lease_s, schedule)


@functools.lru_cache(maxsize=1024)
def _wrong(schedule: Schedule | None) -> str:
    """Why a schedule cannot be read (the zone or an expression, of a stack that an older version deployed), or ""."""
    try:
        if schedule is not None:
            schedule.check()
    except SettingsError as error:
        return str(error)
    return ""


Changes = dict[str, Any]


def _auto_stop(text: str, _: UnitSettings) -> Changes:
    return {"stop_after_s": bounds.STOP_AFTER.limit(text)}


def _max_lease(text: str, _: UnitSettings) -> Changes:
    return {"max_lease_s": bounds.MAX_LEASE.limit(text) or 0.0}


def _schedule(text: str, settings: UnitSettings) -> Changes:
    return {"schedule": schedule_words.parse(text, settings.time_zone)}


# By tag: how it is read, and what counts where it cannot be. An unreadable maxLease leaves the stack file's.
_TAGS: Final[Mapping[str, tuple[Callable[[str, UnitSettings], Changes], Changes]]] = {
    TAG_AUTO_STOP: (_auto_stop, {}),
    TAG_MAX_LEASE: (_max_lease, {}),
    TAG_SCHEDULE: (_schedule, {"schedule": None}),
}
