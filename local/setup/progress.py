"""Shows the steps while they run: rows that move on a terminal, one plain line an event elsewhere."""

from __future__ import annotations

import threading
import time
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class PlainDisplay:
    """One line an event, with the seconds since set-up began; for logs and CI."""

    def __init__(self) -> None:
        """The clock starts here."""
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to take down."""

    def _print(self, step: str, text: str) -> None:
        with self._lock:
            print(f"{time.monotonic() - self._began:6.1f} s  {step:<10} {text}", flush=True)

    def began(self, step: str) -> None:
        """A step starts."""
        self._print(step, "…")

    def said(self, step: str, text: str) -> None:
        """A step tells something on its way."""
        self._print(step, text)

    def ended(self, step: str, text: str) -> None:
        """A step is done."""
        self._print(step, f"done: {text}")

    def failed(self, step: str) -> None:
        """A step failed; the message itself is printed at the end, once."""
        self._print(step, "failed")


class TerminalDisplay:
    """A row a step, with a spinner and the time it takes."""

    def __init__(self, console: Console) -> None:
        """Rows appear when the block is entered."""
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<10}"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[text]}"),
            console=console,
        )
        self._rows: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def began(self, step: str) -> None:
        """A row appears."""
        self._rows[step] = self._progress.add_task(step, total=1, text="")

    def said(self, step: str, text: str) -> None:
        """The row's text changes."""
        self._progress.update(self._rows[step], text=text)

    def ended(self, step: str, text: str) -> None:
        """The row gets its tick."""
        self._progress.update(self._rows[step], text=text, completed=1)

    def failed(self, step: str) -> None:
        """The row says so; the message itself is printed at the end, once."""
        self._progress.update(self._rows[step], text="[red]failed")


def display() -> PlainDisplay | TerminalDisplay:
    """The one that fits where the output goes."""
    console = Console()
    return TerminalDisplay(console) if console.is_terminal else PlainDisplay()
