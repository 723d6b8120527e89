"""Memory and time of processes with their children, as the kernel has them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12  # fields of /proc/PID/stat behind the program's name (proc(5))


def resident_mib(parents: Sequence[int]) -> float:
    """Of all these processes and what they started, MiB. A page that two of them share counts twice."""
    return sum(_kib(pid) for parent in parents for pid in _family(parent)) / 1024


def cpu_s(parents: Sequence[int]) -> float:
    """Processor time of all these processes and what they started, s so far."""
    fields = [_stat(pid) for parent in parents for pid in _family(parent)]
    return sum(int(each[_UTIME]) + int(each[_STIME]) for each in fields) / _TICKS_A_SECOND


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _family(pid: int) -> Iterator[int]:
    yield pid
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in tasks.read_text().split():
            yield from _family(int(child))


def _kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
