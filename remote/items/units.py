"""systemd units: enabled, running, and running *with the files that are on disk now*."""

from __future__ import annotations

import hashlib
import math
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from remote.items import STAMPS, Order
from remote.machines.facts import Facts, Query

DRAIN_LATE_S: Final = 15.0  # for a process to end, after its time to drain


class Hashed(Protocol):
    """Anything whose content has a hash."""

    @property
    def digest(self) -> str: ...


def digest_of(items: Iterable[Hashed]) -> str:
    """One hash over several items' hashes, in order."""
    return hashlib.sha256(" ".join(item.digest for item in items).encode()).hexdigest()


@dataclass(frozen=True)
class Unit:
    """A unit that is enabled and runs, started with `applied`: the hash of what it reads.

    A stamp on the machine keeps that hash, so that a deployment that died between a file and its restart is made good
    by the next one.
    """

    name: str
    applied: str
    reload: bool = False  # `reload-or-restart` instead of `restart`
    drain_s: float = 0.0  # `reload` ends it when nobody is inside, at the latest after so long; systemd starts it anew
    wait_for_inhibitor: bool = False  # apply.py starts it only when the inhibitor stands
    slow: bool = False

    @property
    def label(self) -> str:
        return self.name

    @property
    def stamp(self) -> str:
        """Path of the stamp on the machine."""
        return f"{STAMPS}/{self.name}"

    def query(self) -> Query:
        return Query(units=(self.name,), texts=(self.stamp,))

    def reason(self, facts: Facts) -> str:
        found = facts.units.get(self.name)
        if found is None or found.load != "loaded":
            return "missing"
        if facts.texts.get(self.stamp, "") != self.applied:
            return "its files changed"
        if not facts.running(self.name):
            return f"is {found.active}"
        return "" if found.enabled in ("enabled", "static", "indirect", "generated") else f"is {found.enabled}"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        name, stamp = shlex.quote(self.name), shlex.quote(self.stamp)
        verb = "reload-or-restart" if self.reload else "restart"
        lines = (
            "set -e; systemctl daemon-reload",
            f"systemctl -q enable {name}",
            f"systemctl reset-failed {name} 2>/dev/null || true",
            f"verb={verb}",
            *(_drained(name, self.drain_s) if self.drain_s else ()),
            f"systemctl $verb {name} || {{ journalctl -u {name} -n 20 --no-pager -o cat; exit 1; }}",
            f"mkdir -p {STAMPS}; echo {self.applied} > {stamp}",
        )
        timeout_s = 180 + DRAIN_LATE_S + self.drain_s
        return (Order("\n".join(lines), timeout_s=timeout_s, failure=f"{self.name} did not start"),)


def _drained(name: str, limit_s: float) -> tuple[str, ...]:
    """The unit's process ends by itself, and `systemctl start` then waits for its successor; else it is restarted."""
    return (
        "pid() { systemctl show -P MainPID " + name + "; }; old=$(pid)",
        f"if systemctl -q is-active {name} && systemctl reload {name}; then",
        f"  end=$(($(date +%s) + {math.ceil(limit_s + DRAIN_LATE_S)}))",
        '  while [ "$(pid)" = "$old" ] && [ "$(date +%s)" -lt $end ]; do sleep 0.2; done',
        "fi",
        'if [ "$old" = 0 ] || [ "$(pid)" != "$old" ]; then verb=start; fi',
    )


@dataclass(frozen=True)
class Off:
    """A unit that `package` brings, and starts, and that nobody wants here: stopped, and not started at boot."""

    name: str
    package: str
    slow: bool = False

    @property
    def label(self) -> str:
        return f"{self.name} off"

    def query(self) -> Query:
        return Query(units=(self.name,), packages=(self.package,))

    def reason(self, facts: Facts) -> str:
        if self.package not in facts.packages:  # it was installed a moment ago, after the facts were read
            return "comes with its package"
        found = facts.units.get(self.name)
        if found is None:
            return ""
        if facts.running(self.name):
            return f"is {found.active}"
        return "is enabled" if found.enabled == "enabled" else ""

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        script = f"systemctl -q disable --now {shlex.quote(self.name)}"
        return (Order(script, failure=f"{self.name} could not be turned off"),)


@dataclass(frozen=True)
class OnlyEngines:
    """No engine but these: what a changed stack file left behind is stopped and removed."""

    names: tuple[str, ...]
    folder: str  # of the engines' YAML files
    unit: str  # e.g. "pilotlight-engine@{name}.service"
    slow: bool = False

    @property
    def label(self) -> str:
        return "engines that the stack no longer names"

    def query(self) -> Query:
        return Query(listings=(self.folder,))

    def _left(self, facts: Facts) -> list[str]:
        found = (n.removesuffix(".yaml") for n in facts.listings.get(self.folder, ()) if n.endswith(".yaml"))
        return [name for name in found if name not in self.names]

    def reason(self, facts: Facts) -> str:
        return " ".join(self._left(facts))

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        lines = []
        for name in self._left(facts):
            unit, path = shlex.quote(self.unit.format(name=name)), shlex.quote(f"{self.folder}/{name}.yaml")
            lines.append(
                f"systemctl -q disable --now {unit}; rm -rf /etc/systemd/system/{unit}.d {STAMPS}/{unit} {path}"
            )
        return (Order("\n".join(lines), timeout_s=180, failure="an old engine could not be removed"),)
