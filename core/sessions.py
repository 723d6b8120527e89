"""People who work on a host by SSH: what keeps it on, and for how long. Pure.

A session is one with a terminal. It counts while something is typed or printed in it, and for ACTIVE_S afterwards, so
that a forgotten window keeps no host on. The agent (`runtime/agent/sessions.py`) reads the sessions and renews one
inhibitor for all of them; unlike other inhibitors it gives way to maxLease. What has no terminal (`fab`, rsync, a
detached tmux) is no session: `fab pin` is for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core import lease as protocol
from core.lease import SESSIONS, Lease, Outcome, State
from core.times.durations import show

ACTIVE_S: Final = 1800.0
RENEW_S: Final = 60.0  # the inhibitor is written again once its end has moved by so much


@dataclass(frozen=True)
class Session:
    """`tty` as under /dev: "pts/0". `idle_s`: since something was typed or printed last."""

    user: str
    tty: str
    idle_s: float


def working(sessions: Sequence[Session]) -> str:
    """Who works on the host, in words; "" for nobody."""
    active = [s for s in sessions if s.idle_s < ACTIVE_S]
    return ", ".join(f"{s.user} on {s.tty}" for s in active)


def due(lease: Lease, sessions: Sequence[Session], *, now: float, nonce: str) -> Outcome | None:
    """The note that the lease needs about its sessions now, or None. `now` is the table's time, s."""
    mine = next((h for h in lease.inhibitors if h.who == SESSIONS and h.until > now), None)
    who = working(sessions)
    if not who:
        return protocol.release(lease, who=SESSIONS, now=now, nonce=nonce) if mine else None
    until = now + max(ACTIVE_S - s.idle_s for s in sessions)
    if lease.state not in (State.RUNNING, State.DRAINING) or (mine and until - mine.until < RENEW_S):
        return None
    return protocol.inhibit(lease, who=SESSIONS, why=who, now=now, until=until, nonce=nonce)


def login_message() -> str:
    """What somebody who logs in reads."""
    return (
        "pilotlight: this host turns itself off when nobody uses it. Your session keeps it on while you type or\n"
        f"something prints here, and for {show(ACTIVE_S)} afterwards, but not past maxLease. `fab pin` is for longer."
    )


def draining(reason: str) -> str:
    """Before a stop that can still be prevented."""
    return f"pilotlight: this host is about to turn itself off ({reason}). Press a key now to keep it on."


def announced(at: float, now: float, reason: str) -> str:
    """Of a stop that the policy announced for the time `at`."""
    return f"pilotlight: this host turns itself off in {show(max(0.0, at - now))} ({reason})."


def going_off(reason: str) -> str:
    """Right before the power-off."""
    return f"pilotlight: this host turns itself off now: {reason}"
