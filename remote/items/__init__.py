"""What a machine should have, one kind a file. An item is a frozen dataclass that says what it needs to know
(`query`), why it must change (`reason`, "" where all is well), and what to do about it (`orders`). All of it is pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from remote.machines.facts import Facts, Query

STAMPS: Final = "/var/lib/pilotlight/applied"  # on machines: what was applied last, one small file a thing


@dataclass(frozen=True)
class Order:
    """One shell script run as root on the machine, with `stdin` on its standard input.

    `failure` begins the message when it fails; the script's last lines follow. Seconds for `timeout_s`. With `tell` the
    last line that it prints is said to the user.
    """

    script: str
    stdin: bytes = b""
    timeout_s: float = 120.0
    failure: str = ""
    tell: bool = False


class Item(Protocol):
    """One thing that should be so."""

    @property
    def label(self) -> str:
        """What it is, in words, for plans and progress."""
        ...

    @property
    def slow(self) -> bool:
        """It may take over two seconds: say so before it begins."""
        ...

    def query(self) -> Query:
        """What it needs to know of the machine."""
        ...

    def reason(self, facts: Facts) -> str:
        """Why it must change; "" where it is as wanted."""
        ...

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        """What makes it so, in order. Safe to repeat after an interruption at any point."""
        ...
