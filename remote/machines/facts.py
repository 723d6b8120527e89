"""A machine's facts: what one round trip found out. Reading and changing are separate: nothing here changes anything.

To know one more thing: a field in `Query` and `Facts`, and a line in `scripts/gather.py`, which runs on the machine.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from core.errors import DeployError

GATHER: Final = Path(__file__).parents[1] / "scripts" / "gather.py"


@dataclass(frozen=True)
class FileFact:
    """A file as it is: SHA-256 of its content, permission bits, names of its owners."""

    sha256: str
    mode: int
    owner: str
    group: str


@dataclass(frozen=True)
class UnitFact:
    """A unit as systemd sees it; `active` is ActiveState, `enabled` UnitFileState. `restarts` counts automatic ones."""

    load: str
    active: str
    sub: str
    enabled: str
    restarts: int

    @classmethod
    def read(cls, raw: Mapping[str, str]) -> UnitFact:
        """From `systemctl show`'s properties."""
        restarts = raw.get("NRestarts", "0")
        return cls(
            load=raw.get("LoadState", ""),
            active=raw.get("ActiveState", ""),
            sub=raw.get("SubState", ""),
            enabled=raw.get("UnitFileState", ""),
            restarts=int(restarts) if restarts.isdigit() else 0,
        )


@dataclass(frozen=True)
class ContainerFact:
    """A container as Docker sees it: its image's id, its state, and what its health check says ("" without one)."""

    image: str
    state: str
    health: str


@dataclass(frozen=True)
class Query:
    """What to find out, by name or path. Unions of queries ask for all of both."""

    packages: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()  # folders: one hash over all of it
    tree_files: tuple[str, ...] = ()  # folders: a hash of each file
    bodies: tuple[str, ...] = ()  # files: their whole text
    texts: tuple[str, ...] = ()  # small files: their text without the white space around it
    listings: tuple[str, ...] = ()  # folders: the names in it
    paths: tuple[str, ...] = ()  # does it exist?
    units: tuple[str, ...] = ()
    listeners: tuple[str, ...] = ()  # TCP ports: who listens there
    maps: tuple[str, ...] = ()  # "<admin socket> <path>": a map as the running HAProxy has it
    images: tuple[str, ...] = ()  # container images, by reference
    containers: tuple[str, ...] = ()
    gpu: tuple[str, ...] = ()  # not empty: ask nvidia-smi

    @classmethod
    def union(cls, queries: Iterable[Query]) -> Query:
        """One query that asks for all that the others ask for, each thing once."""
        found: dict[str, dict[str, None]] = {f.name: {} for f in dataclasses.fields(cls)}
        for query in queries:
            for name, wanted in found.items():
                wanted.update(dict.fromkeys(getattr(query, name)))
        return cls(**{name: tuple(wanted) for name, wanted in found.items()})


@dataclass(frozen=True)
class Facts:
    """What was found; the fields mirror `Query`. A file that is not there is not in `files`."""

    os: str = ""  # debian | ubuntu | …
    os_version: str = ""
    machine: str = ""  # x86_64 | aarch64
    gpu: str = ""
    packages: frozenset[str] = frozenset()
    users: Mapping[str, frozenset[str]] = field(default_factory=dict)
    files: Mapping[str, FileFact] = field(default_factory=dict)
    trees: Mapping[str, str] = field(default_factory=dict)
    tree_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    bodies: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    listings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    paths: frozenset[str] = frozenset()
    units: Mapping[str, UnitFact] = field(default_factory=dict)
    listeners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # port → programs
    maps: Mapping[str, str] = field(default_factory=dict)  # as `show map` prints it; none where no HAProxy runs
    images: Mapping[str, str] = field(default_factory=dict)  # reference → id
    containers: Mapping[str, ContainerFact] = field(default_factory=dict)
    free_gib: float = 0.0

    def running(self, unit: str) -> bool:
        """The unit is active, or on its way."""
        found = self.units.get(unit)
        return found is not None and found.active in ("active", "activating", "reloading")


def script(query: Query) -> str:
    """The program to send to `python3 -` on the machine."""
    return f"{GATHER.read_text(encoding='utf-8')}\n\nmain(json.loads({json.dumps(dataclasses.asdict(query))!r}))\n"


def read(text: str, machine: str) -> Facts:
    """Facts from what the program printed. DeployError where it is not JSON; `machine` names it in the message."""
    try:
        raw: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise DeployError(f"The {machine} did not tell its facts: {text.strip()[-300:] or error}") from error
    return Facts(
        os=raw["os"],
        os_version=raw["os_version"],
        machine=raw["machine"],
        gpu=raw["gpu"],
        packages=frozenset(raw["packages"]),
        users={name: frozenset(groups) for name, groups in raw["users"].items()},
        files={path: FileFact(**fact) for path, fact in raw["files"].items() if fact},
        trees=raw["trees"],
        tree_files=raw["tree_files"],
        bodies=raw["bodies"],
        texts=raw["texts"],
        listings={path: tuple(names) for path, names in raw["listings"].items()},
        paths=frozenset(raw["paths"]),
        units={name: UnitFact.read(properties) for name, properties in raw["units"].items()},
        listeners={port: tuple(programs) for port, programs in raw["listeners"].items()},
        maps=raw["maps"],
        images=raw["images"],
        containers={name: ContainerFact(**fact) for name, fact in raw["containers"].items()},
        free_gib=raw["free_gib"],
    )
