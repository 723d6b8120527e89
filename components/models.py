"""What is known of models outside the table: the lock file beside the stack files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.engines.sizing import lock
from core.engines.sizing.fit import Model

STACKS: Final = Path(__file__).resolve().parents[1] / "stacks"


def locked(folder: Path = STACKS) -> Mapping[str, Model]:
    """By their text in a stack file; none where there is no lock file. SettingsError: it holds something else."""
    path = folder / lock.NAME
    return lock.read(path.read_text(encoding="utf-8")) if path.exists() else {}
