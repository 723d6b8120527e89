"""Paths as users type them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from core.errors import SettingsError

PICTURES: Final = (".png", ".svg")  # how the files of a picture end, both of which are written


def typed(text: str) -> Path:
    """With `~` as a shell reads it. SettingsError: nobody knows that home folder."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        whose = text.partition("/")[0]
        raise SettingsError(f'"{text}": the home folder of {whose} is not known here; write the whole path.') from error


def picture(text: str) -> Path:
    """Where a picture goes, without an ending that says what is written anyway. SettingsError: it names no file."""
    found = typed(text)
    if found.name in ("", ".."):
        raise SettingsError(f'"{text}" names no file: write a picture\'s path without an ending, e.g. pictures/may.')
    return found.with_suffix("") if found.suffix in PICTURES else found
