"""Paths as users type them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

from core.errors import DeployError, SettingsError

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


def replace(path: Path, text: str) -> None:
    """Write a file of the checkout: whole or, on a full disk or by Ctrl-C, as it was. DeployError: it cannot be."""
    part: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        part = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        part.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        part.replace(path)
    except OSError as error:
        raise DeployError(f"{path} cannot be written: {error.strerror}. It is as it was.") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
