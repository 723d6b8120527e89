"""How the story is told: one line a step with its time, a spinner on a terminal, plain lines elsewhere.

Everything that the demo prints goes through a `Narrator`, so that a log and a terminal show the same facts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Narrator:
    """Prints timed lines. `terminal` says whether a person watches."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.begun = time.monotonic()

    @property
    def terminal(self) -> bool:
        """A person watches: a spinner makes sense and the stack may stay up."""
        return self.console.is_terminal

    @contextmanager
    def step(self, doing: str) -> Iterator[list[str]]:
        """Show `doing` while the block runs, then one line with what the block put into the list."""
        said: list[str] = []
        start = time.monotonic()
        if self.terminal:
            with self.console.status(escape(doing)):
                yield said
        else:
            self._line("", f"[dim]{escape(doing)} …[/dim]")
            yield said
        self._line(f"{time.monotonic() - start:6.1f} s", " ".join(escape(s) for s in said) or escape(doing))

    def say(self, text: str) -> None:
        """A line without a duration."""
        self._line("", escape(text))

    def paste(self, lines: Iterable[str]) -> None:
        """Lines as they are, from the first column: to be copied."""
        for line in lines:
            self.console.print(line, markup=False)

    def asks(self, question: str) -> bool:
        """A person's yes or no; yes is taken where nobody can be asked, and for an empty line."""
        if not (self.terminal and sys.stdin.isatty()):
            return True
        return self.console.input(f"{escape(question)} [dim]\\[Y/n][/dim] ").strip().lower() not in ("n", "no")

    def _line(self, took: str, text: str) -> None:
        clock = time.monotonic() - self.begun
        self.console.print(f"[dim]{int(clock) // 60:02d}:{int(clock) % 60:02d}[/dim] [cyan]{took:>9}[/cyan]  {text}")
