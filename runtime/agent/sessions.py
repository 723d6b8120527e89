"""Who is logged in on this machine with a terminal, since when they are idle, and words on their terminals.

Read from the titles that sshd gives its processes ("sshd: ubuntu@pts/0"; "@notty" has no terminal) and the times of the
terminals under /dev, which the kernel keeps to 8 s: neither logind nor utmp is needed, of which some images have none.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from core import sessions as rules
from core.lease import Lease, Outcome
from core.sessions import Session
from core.soon import Soon

log = logging.getLogger("pilotlight.agent")
TITLE: Final = re.compile(r"sshd(?:-session)?: (\S+)@((?:pts/|tty)\S+)")


def read_sessions(
    proc: Path = Path("/proc"), dev: Path = Path("/dev"), clock: Callable[[], float] = time.time
) -> tuple[Session, ...]:
    """The sessions with a terminal; what ends while it is looked at is none."""
    found = (_of(title, dev, clock()) for title in _titles(proc))
    return tuple(session for several in found for session in several)


def _titles(proc: Path) -> Iterator[re.Match[str]]:
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        try:
            raw = (process / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended
        if (match := TITLE.match(raw.replace(b"\0", b" ").decode("utf-8", "replace"))) is not None:
            yield match


def _of(title: re.Match[str], dev: Path, now: float) -> list[Session]:
    """One connection may have several terminals: "ubuntu@pts/0,pts/1"."""
    found = []
    for tty in title[2].split(","):
        try:
            times = (dev / tty).stat()
        except OSError:
            continue
        found.append(Session(title[1], tty, max(0.0, now - max(times.st_atime, times.st_mtime))))
    return found


def write_to(sessions: Sequence[Session], words: str, dev: Path = Path("/dev")) -> None:
    """A line on each session's terminal; one that does not take it is left out."""
    for session in sessions:
        try:
            terminal = os.open(dev / session.tty, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            log.info("%s is not told: %s", session.tty, error)
            continue
        try:
            os.write(terminal, f"\r\n{words}\r\n".encode())
        except OSError as error:
            log.info("%s is not told: %s", session.tty, error)
        finally:
            os.close(terminal)


class Sessions:
    """The agent's view of them. What was said once about one stop is not said again."""

    def __init__(
        self,
        read: Callable[[], Sequence[Session]] = read_sessions,
        write: Callable[[Sequence[Session], str], None] = write_to,
    ) -> None:
        self._read, self._write = read, write
        self._said = ""

    def working(self) -> str:
        """Who works here now; "" for nobody."""
        return rules.working(self._read())

    def note(self, lease: Lease, *, now: float, nonce: str) -> Outcome | None:
        """What the lease is to say of them."""
        return rules.due(lease, self._read(), now=now, nonce=nonce)

    def running(self, lease: Lease, now: float) -> None:
        """A stop that was announced is said here too."""
        soon = Soon.read(lease.warned)
        if soon is not None and soon.at > now:
            self._tell(lease.warned, rules.announced(soon.at, now, soon.bound))

    def draining(self, lease: Lease) -> None:
        """Whoever is here may still prevent it."""
        self._tell(f"draining {lease.epoch}", rules.draining(lease.reason))

    def going_off(self, lease: Lease) -> None:
        """Nobody may any more."""
        self._tell(f"off {lease.epoch}", rules.going_off(lease.reason))

    def _tell(self, about: str, words: str) -> None:
        if about != self._said:
            self._said = about
            self._write(self._read(), words)


def nobody() -> Sessions:
    """Where nobody logs in."""
    return Sessions(lambda: (), lambda _, __: None)
