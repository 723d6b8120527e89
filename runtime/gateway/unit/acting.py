"""Which of the gateway's relays acts on a unit's lease: the one that holds a lock on a file.

The kernel takes the lock back when its process ends, however it ends, so the other relay has it within a moment.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Protocol
from urllib.parse import quote


class Acting(Protocol):
    """Whether this relay acts. Only the watch's task takes and releases, between two rounds."""

    @property
    def held(self) -> bool:
        """This relay acts."""

    def take(self) -> bool:
        """Act from now on, unless another relay does. True where this relay acts."""

    def release(self) -> None:
        """Act no longer; again is harmless."""


class Lock:
    """The lock of one unit, a file in `folder` that stays. OSError where it cannot be opened."""

    def __init__(self, folder: Path, unit: str) -> None:
        self._path = folder / f"acting-{quote(unit, safe='')}"
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """This process has the lock."""
        return self._file is not None

    def take(self) -> bool:
        """Never waits."""
        if self._file is None:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._file = file
            if self._file is None:
                os.close(file)
        return self.held

    def release(self) -> None:
        """Closing gives it back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
