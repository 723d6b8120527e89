"""The idle check: is anything in flight? Asked with admission closed, twice, before the agent gives up its machine.

Engines get one connection per request, so every connection that still has something to carry is a request in flight:
established; a handshake under way that passed before admission closed (syn-recv); one whose caller has hung up and
whose engine has not noticed (close-wait); answers that are written and not yet acknowledged (fin-wait-1, closing,
last-ack).
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from runtime.agent.engines import Counters, Engine, Unreadable, total

COMMAND_S: Final = 5.0
CARRYING: Final = ("established", "syn-recv", "close-wait", "fin-wait-1", "closing", "last-ack")


@dataclass(frozen=True)
class IdleCheck:
    """One reading. `busy` says what is in flight, "" for nothing. `certain` is False where it could not read."""

    busy: str
    counters: Counters | None
    certain: bool = True


Lister = Callable[[Sequence[int]], str]


def idle_check(engines: Sequence[Engine], connections: Lister) -> IdleCheck:
    """One reading of connections and counters. What cannot be read counts as busy."""
    try:
        open_now = connections([e.port for e in engines])  # before the agent's own, which take a moment to go
        counters = total(e.counters() for e in engines)
    except (Unreadable, OSError) as error:
        return IdleCheck(f"could not check: {error}", None, certain=False)
    if counters.in_flight:
        return IdleCheck(f"{counters.in_flight} requests in the engines", counters)
    return IdleCheck(f"connections: {open_now}" if open_now else "", counters)


def connections_to(ports: Sequence[int]) -> str:
    """Peers with a connection to a port that still carries something, from `ss`; "" for none. OSError: `ss` failed."""
    states = [word for state in CARRYING for word in ("state", state)]
    sports = " or ".join(f"sport = :{p}" for p in ports)
    try:
        done = subprocess.run(
            ["ss", "-Htn", *states, f"( {sports} )"], capture_output=True, text=True, timeout=COMMAND_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(str(error)) from error
    if done.returncode:
        raise OSError(f"ss: {done.stderr.strip()}")
    return ", ".join(_peer(line) for line in done.stdout.splitlines() if line.strip())


def _peer(line: str) -> str:
    """`ESTAB 0 0 10.0.0.5:8100 10.0.0.9:41234` → `10.0.0.9:41234 ESTAB`."""
    words = line.split()
    return f"{words[-1]} {words[0]}"
