"""What a verb says while it works: one line a thing, with the seconds since it began."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

SAY_AFTER_S: Final = 20.0  # a step that lasts is mentioned again after this


@dataclass
class Progress:
    """Prints lines from any thread. `quiet` sends them to standard error, so that --json stays clean."""

    quiet: bool = False
    began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def seconds(self) -> float:
        """Since the verb began."""
        return time.monotonic() - self.began

    def say(self, line: str) -> None:
        """One line, at once."""
        self.print(f"{self.seconds:6.1f} s  {line}")

    def print(self, text: str) -> None:
        """Without the time: what belongs to the line before."""
        with self._lock:
            print(text, file=sys.stderr if self.quiet else sys.stdout, flush=True)

    @contextmanager
    def during(self, line: str) -> Iterator[None]:
        """Say what begins, and again every few seconds while it lasts."""
        self.say(line)
        done = threading.Event()

        def remind() -> None:
            while not done.wait(SAY_AFTER_S):
                self.say(f"{line} …")

        thread = threading.Thread(target=remind, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
