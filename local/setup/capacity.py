"""Whether this computer is large enough, asked before anything is installed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import SetupError

GIB: Final = 1024**3
CACHE_NEEDS_GIB: Final = 16.0  # package caches 9, Go's caches while it builds 4, images and tools 3
DOCKER_NEEDS_GIB: Final = 8.0  # the image and two machines 6, the chat page's image on one of them 1, and while built 1
MEMORY_NEEDS_GIB: Final = 7.0  # vLLM with the small model 3, machines, moto and Pulumi 2, chat page, browser 1, build 1


@dataclass(frozen=True)
class Place:
    """A folder that will be written to. `device` tells whether two places share one disk."""

    path: Path
    needs_gib: float
    free_gib: float
    device: int


def measure(path: Path, needs_gib: float) -> Place:
    """The free space of the disk that the folder is, or will be, on."""
    there = next(p for p in (path, *path.parents) if p.exists())
    return Place(path, needs_gib, shutil.disk_usage(there).free / GIB, there.stat().st_dev)


def available_memory_gib(meminfo: str) -> float:
    """MemAvailable of /proc/meminfo's text, in GiB."""
    line = next(line for line in meminfo.splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024 / GIB


def check(places: list[Place], memory_gib: float) -> None:
    """SetupError where a disk or the memory is too small. Needs of places on one disk add up."""
    for device in {place.device for place in places}:
        here = [place for place in places if place.device == device]
        needs, free = sum(place.needs_gib for place in here), here[0].free_gib
        if free < needs:
            names = " and ".join(str(place.path) for place in here)
            raise SetupError(
                f"The disk of {names} has {free:.1f} GiB free; {needs:.0f} GiB are needed. "
                "Free some, or put the cache on a larger disk: `XDG_CACHE_HOME=/other/disk make setup`."
            )
    if memory_gib < MEMORY_NEEDS_GIB:
        raise SetupError(
            f"{memory_gib:.1f} GiB of memory are available; {MEMORY_NEEDS_GIB:.0f} GiB are needed "
            "(vLLM with the small model, machines, Pulumi, the chat page). End other programs or use a larger computer."
        )
