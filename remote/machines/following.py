"""Journals followed as they grow, of all machines of a stack, until Ctrl-C. Nothing here wakes a host.

A machine that goes off, or whose connection breaks, is said so once and joins again when it answers, with the lines
that it wrote meanwhile. Each line begins with its machine.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from core.errors import DeployError
from remote.machines import journal
from remote.machines.inventory import Inventory
from remote.machines.journal import Wanted
from remote.machines.transport import Machine, Unreachable

AGAIN_S: Final = 5.0  # between two tries to reach a machine that is off
Say = Callable[[str | None], None]
Pause = Callable[[float], None]


def follow(inventory: Inventory, wanted: Wanted, *, engine: str = "", pause: Pause = time.sleep) -> None:
    """Print all journals together (or that of one engine). DeployError: the gateway does not answer to begin with."""
    said: queue.Queue[str | None] = queue.Queue()  # only this thread writes, so that its caller hears of a failure
    found = journal.machines(inventory, engine)
    next(iter(found)).connect()
    reading = 0
    for machine, units in found.items():
        if units:
            follower = Follower(machine, units, wanted, said.put, pause)
            threading.Thread(target=follower.run, daemon=True).start()
            reading += 1
    while reading:
        line = said.get()
        if line is None:
            reading -= 1
            continue
        print(line, flush=True)


class Follower:
    """One machine's journal."""

    def __init__(self, machine: Machine, units: tuple[str, ...], wanted: Wanted, say: Say, pause: Pause) -> None:
        self._machine, self._units, self._wanted = machine, units, wanted
        self._say, self._pause = say, pause
        self._told = Told()
        self._silent = False

    def run(self) -> None:
        """Say every line, and None at the end: where the machine refuses us, which no waiting mends."""
        try:
            while True:
                self._read()
                self._machine.close()
                self._pause(AGAIN_S)
        except DeployError as error:
            self._line(f"--- {error}")
        finally:
            self._say(None)

    def _read(self) -> None:
        """From where it ended until the machine is gone."""
        try:
            self._machine.connect()
            self._line("--- answers again" if self._silent else "--- begins")
            self._silent = False
            order = journal.command(self._units, self._wanted, follow=True, since=self._told.at)
            for line in self._told.new(lines(self._machine.stream(order))):
                self._line(line)
            self._gone("its journal ended: it shuts down, or its connection was closed.")
        except Unreachable as error:
            self._gone(str(error))

    def _gone(self, why: str) -> None:
        if not self._silent:
            self._line(f"--- {why} It is shown again once it answers; nothing here wakes it.")
        self._silent = True

    def _line(self, text: str) -> None:
        self._say(f"{self._machine.role:<7}  {text}")


class Told:
    """What was said already: the time of the last line, and the lines of that second."""

    def __init__(self) -> None:
        self.at: float | None = None
        self._lines: set[str] = set()

    def new(self, found: Iterable[str]) -> Iterator[str]:
        """Those of the lines that were not said yet. One without a time belongs to the one before it."""
        fresh = True
        for line in found:
            at = _time(line)
            if at is not None:
                fresh = self._note(at, line)
            if fresh:
                yield line

    def _note(self, at: float, line: str) -> bool:
        if self.at is not None and (at < self.at or (at == self.at and line in self._lines)):
            return False
        if at != self.at:
            self.at, self._lines = at, set()
        self._lines.add(line)
        return True


def _time(line: str) -> float | None:
    """Of a line of `journalctl -o short-iso`, seconds since 1970."""
    try:
        return datetime.fromisoformat(line.partition(" ")[0]).timestamp()
    except ValueError:
        return None


def lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Whole lines of a stream that comes in pieces; what is not UTF-8 is replaced."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")
