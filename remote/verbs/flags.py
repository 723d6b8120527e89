"""Flags whose values are numbers: text that is none becomes one clear message, not Python's."""

from __future__ import annotations

from core.errors import SettingsError


def whole(flag: str, text: str | int) -> int:
    """A whole number, 0 or more. SettingsError names the flag and what it got."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise SettingsError(f'--{flag} "{text}" is not a whole number, 0 or more; write e.g. --{flag} 20.')
    return number
