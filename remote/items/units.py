"""systemd units: enabled, running, and running *with the files that are on disk now*."""

from __future__ import annotations

import hashlib
import math
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from remote.items import STAMPS, Order
from remote.machines.facts import Facts, Query

DRAIN_LATE_S: Final = 15.0  # for a process to end, after its time to drain
DRAIN_ENGINE: Final = Path(__file__).parents[1] / "scripts" / "drain_engine.py"
HELD_TABLE: Final = "inet pilotlight_deploy"  # nftables: an engine's port that a deployment holds closed
OPENED: Final = f"nft delete table {HELD_TABLE} 2>/dev/null || true"


class Hashed(Protocol):
    """Anything whose content has a hash."""

    @property
    def digest(self) -> str: ...


def digest_of(items: Iterable[Hashed]) -> str:
    """One hash over several items' hashes, in order."""
    return hashlib.sha256(" ".join(item.digest for item in items).encode()).hexdigest()


def without_requests(unit: str, limit_s: float) -> Order:
    """Nothing is in flight in an engine: its port takes no new requests, which wait at the gateway meanwhile, and those
    in it end. Where that takes longer than `limit_s` the port opens again and the order fails.
    """
    words = shlex.join([unit, f"{limit_s:.0f}", HELD_TABLE])
    failure = f"{unit} serves requests that do not end, so it was not restarted. Deploy again when fewer people ask"
    return Order(f"python3 - {words}", DRAIN_ENGINE.read_bytes(), timeout_s=limit_s + 60, failure=failure)


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
    start_s: float = 0.0  # that it may take to start, beyond the usual
    requests_end_s: float = 0.0  # an engine: it is restarted once nothing is in flight, which may take so long
    wait_for_inhibitor: bool = False  # apply.py starts it only when the inhibitor stands
    rests: bool = False  # whether it runs is the lease's business, not a deployment's
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
        if not facts.running(self.name) and not self.rests:
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
        timeout_s = 180 + DRAIN_LATE_S + self.drain_s + self.start_s
        begin = (f"trap {shlex.quote(OPENED)} EXIT",) if self.requests_end_s else ()
        start = Order("\n".join((*begin, *lines)), timeout_s=timeout_s, failure=f"{self.name} did not start")
        return (without_requests(self.name, self.requests_end_s), start) if self.requests_end_s else (start,)


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
    requests_end_s: float
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
        return tuple(order for name in self._left(facts) for order in self._removal(name))

    def _removal(self, name: str) -> tuple[Order, Order]:
        unit, path = self.unit.format(name=name), shlex.quote(f"{self.folder}/{name}.yaml")
        quoted = shlex.quote(unit)
        script = (
            f"trap {shlex.quote(OPENED)} EXIT\n"
            f"systemctl -q disable --now {quoted}; rm -rf /etc/systemd/system/{quoted}.d {STAMPS}/{quoted} {path}"
        )
        gone = Order(script, timeout_s=180, failure=f"the old engine {name} could not be removed")
        return (without_requests(unit, self.requests_end_s), gone)
