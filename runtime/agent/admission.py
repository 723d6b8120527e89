"""Admission: while it is closed, new connections to the engines are refused and open ones are left alone.

nftables on the SYN itself. `ct state new` is no substitute: it was seen to reset open connections where tracking was
not active before, and to let requests through on pooled ones. From outside (hook input) everybody is refused; over
loopback (hook output, for `gateway: none`) everybody but root, so that the agent still reads the engines' counters.
The table lives in the kernel: it survives the agent's death and dies with the boot, or with a flush of the ruleset: who
relies on it asks `is_closed` again.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Final, Protocol

TABLE: Final = "inet pilotlight_admission"
DEAD_MAN_TABLE: Final = "inet pilotlight_dead_man"  # the switch's own: neither opens what the other closed
COMMAND_S: Final = 10.0
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
