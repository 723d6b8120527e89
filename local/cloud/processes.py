"""Finding a cloud's processes: the daemon and all that it started carry MARK in their environment, and keep it when the
daemon is killed. Linux's /proc is the only source, so nothing is left behind when a pid file is lost.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from local.cloud.site import MARK


def of_cloud(name: str) -> list[int]:
    """Process ids of this cloud, without ourselves."""
    wanted = f"{MARK}={name}".encode()
    found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [pid for pid in found if pid != os.getpid() and wanted in _environment(pid)]


def end(name: str, patience_s: float = 10.0) -> list[int]:
    """Ask them to end, then make them; returns whom."""
    pids = of_cloud(name)
    _send(pids, signal.SIGTERM)
    until = time.monotonic() + patience_s
    while (left := of_cloud(name)) and time.monotonic() < until:
        time.sleep(0.05)
    _send(left, signal.SIGKILL)
    while of_cloud(name):
        time.sleep(0.02)
    return pids


def _environment(pid: int) -> list[bytes]:
    """A process's environment; empty for one that is gone, a zombie, or another user's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


def _send(pids: list[int], what: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, what)
        except ProcessLookupError:
            continue
