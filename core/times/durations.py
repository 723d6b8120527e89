"""Durations as people write them: `90s`, `30m`, `1h30m`, `2d`. They become seconds once, here.

Used by the stack settings, by the tags that operations edit, and by whatever prints "stops in 29m20s".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from core.errors import SettingsError

EXAMPLES: Final = "30m, 1h30m, 20s"
OFF: Final = "off"
LONGEST_S: Final = 36500 * 86400.0  # about 100 years: `now` and this is still a date on every clock
_UNITS: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_SHOWN: Final = 40  # characters of a text in a message
_WHOLE: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)


def parse(text: str, most_s: float = LONGEST_S) -> float:
    """Seconds in a duration such as `1h30m`; units d, h, m, s in this order, each once.

    Raises:
        SettingsError: naming the text and what would be right. Zero is right only as `0s`, `0m`, …; more than `most_s`
            never is.
    """
    match = _WHOLE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or not any(match.groups()):
        raise SettingsError(f'"{text}" is not a duration; write e.g. {EXAMPLES}')
    seconds = sum(float(n) * unit for n, unit in zip(match.groups(), _UNITS.values(), strict=True) if n)
    if seconds > most_s:
        raise SettingsError(f'"{short(text)}" is longer than {show(most_s)}; write e.g. {EXAMPLES}')
    return seconds


def short(text: str) -> str:
    """A text as messages of this module have it."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def positive(text: str, most_s: float = LONGEST_S) -> float:
    """Seconds in a duration longer than 0, `most_s` at most. SettingsError: it is not, or it is no duration."""
    seconds = parse(text, most_s)
    if seconds <= 0:
        raise SettingsError(f'"{text}" must be longer than 0; write e.g. {EXAMPLES}')
    return seconds


def limit(text: object, read: Callable[[str], float] = positive) -> float | None:
    """A limit as a stack file or a tag says it: seconds as `read` has them, or `off`, which is None.

    `False` is off too: a YAML 1.1 reader makes it of a bare `off`.
    """
    if text is False or (isinstance(text, str) and text.strip().lower() == OFF):
        return None
    try:
        return read(text)  # type: ignore[arg-type]  # what is no text is refused in words
    except SettingsError as error:
        raise SettingsError(f"{error}, or {OFF}") from error


def show(seconds: float) -> str:
    """The two largest units of a duration: `29m 20s`, `2h 5m`, `3d`; under a second is `0s`."""
    left = max(0, _whole_s(seconds))
    parts = []
    for letter, size in _UNITS.items():
        count, left = divmod(left, int(size))
        if count:
            parts.append(f"{count}{letter}")
        if len(parts) == 2 or (parts and letter == "s"):
            break
    return " ".join(parts) or "0s"


def spell(seconds: float) -> str:
    """A duration as `parse` reads it, exact to the second: 5400 is `1h30m`, 0 is `0s`."""
    left = _whole_s(seconds)
    parts = []
    for letter, size in _UNITS.items():
        count, left = divmod(left, int(size))
        if count:
            parts.append(f"{count}{letter}")
    return "".join(parts) or "0s"


def _whole_s(seconds: float) -> int:
    try:
        return int(seconds)
    except (OverflowError, ValueError) as error:
        raise SettingsError(f"{seconds} s is not a duration; write e.g. {EXAMPLES}") from error
