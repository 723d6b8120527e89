"""Admission: while it is closed, new connections to the engines are refused and open ones are left alone.

nftables on the SYN itself. `ct state new` is no substitute: it was seen to reset open connections where tracking was
not active before, and to let requests through on pooled ones. From outside (hook input) everybody is refused; over
loopback (hook output, for `gateway: none`) everybody but root, so that the agent still reads the engines' counters.
The table lives in the kernel: it survives the agent's death and dies with the boot, or with a flush of the ruleset: who
relies on it asks `is_closed` again.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from typing import Final, Protocol

TABLE: Final = "inet pilotlight_admission"
DEAD_MAN_TABLE: Final = "inet pilotlight_dead_man"  # the switch's own: neither opens what the other closed
COMMAND_S: Final = 10.0
RETRY_S: Final = 2.0  # before RUNNING the kernel is asked this rarely whether admission is still closed
_REFUSE: Final = "reject with tcp reset"
_CHAINS: Final = 2  # input and output, one rule each


class AdmissionError(Exception):
    """nftables did not do what it was asked; the message is its own."""


class AdmissionLike(Protocol):
    """What the agent needs of `Admission`."""

    def close(self) -> None: ...

    def open(self) -> None: ...

    def is_closed(self) -> bool: ...


class Admission:
    """Admission in front of `ports`."""

    def __init__(self, ports: Sequence[int], *, table: str = TABLE) -> None:
        self._table = table
        self._ports = ", ".join(str(p) for p in sorted(ports))

    def close(self) -> None:
        """Refuse new connections from now on. Idempotent, one transaction."""
        syn = f"tcp dport {{ {self._ports} }} tcp flags & (syn | ack) == syn"
        _nft(
            f"table {self._table} {{}}\ndelete table {self._table}\n"
            f"table {self._table} {{\n"
            f"  chain in {{ type filter hook input priority -10; iif != lo {syn} {_REFUSE}; }}\n"
            f"  chain out {{ type filter hook output priority -10; oif lo meta skuid != 0 {syn} {_REFUSE}; }}\n"
            "}\n"
        )

    def open(self) -> None:
        """Accept connections again. Idempotent."""
        _nft(f"table {self._table} {{}}\ndelete table {self._table}\n")

    def is_closed(self) -> bool:
        """What the kernel says: a firewall script may have flushed everything, or emptied the table."""
        if f"table {self._table}\n" not in _nft("list tables\n"):
            return False
        return _nft(f"list table {self._table}\n").count(_REFUSE) == _CHAINS


class AdmissionState:
    """What a program has done with its admission, so that the kernel is asked only where that says nothing.

    `say` takes what goes wrong where the caller goes on all the same; `clock` is monotonic, s.
    """

    def __init__(self, admission: AdmissionLike, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._admission, self._say, self._clock = admission, say, clock
        self._open: bool | None = None  # None: not known yet; a program before this one may have left it closed
        self._again = clock()

    def open(self) -> None:
        """Open it, once. AdmissionError."""
        if self._open is not True:
            self._admission.open()
            self._open = True

    def close(self) -> None:
        """Close it, once. AdmissionError: it may be closed all the same, so that the next `open` asks the kernel."""
        if self._open is not False:
            self._open = None
            self._admission.close()
            self._open = False

    def found_closed(self) -> bool:
        """A program before this one left it closed: then it counts as closed by this one. AdmissionError."""
        if self._open is not None or not self._admission.is_closed():
            return False
        self._open = False
        return True

    def is_closed(self) -> bool:
        """What the kernel says. AdmissionError."""
        return self._admission.is_closed()

    def until_ready(self) -> None:
        """Closed before RUNNING, and again where somebody flushed the firewall. One that does not close is said and
        tried again, and the host starts all the same: one that never starts serves nobody.
        """
        if self._clock() >= self._again:
            self._again = self._clock() + RETRY_S
            self.keep_closed("before this boot is ready")

    def keep_closed(self, when: str) -> None:
        """Closed by what the kernel says, not by what was done; what goes wrong is said."""
        try:
            if not self._admission.is_closed():
                self._open = None
                self._admission.close()
            self._open = False
        except AdmissionError as error:
            self._say(f"does not close {when}: {error}")


def _nft(script: str) -> str:
    try:
        done = subprocess.run(
            ["nft", "-f", "-"], input=script, capture_output=True, text=True, timeout=COMMAND_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AdmissionError(f"nft: {error}") from error
    if done.returncode:
        raise AdmissionError(f"nft: {done.stderr.strip()}")
    return done.stdout
