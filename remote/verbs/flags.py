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


def positive(flag: str, text: str) -> int | None:
    """A whole number, 1 or more; None where the flag was not given. SettingsError names the flag and what it got."""
    if not text:
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
    if number < 1:
        raise SettingsError(f'--{flag} "{text[:40]}" is not a whole number, 1 or more; without it there is no limit.')
    return number
