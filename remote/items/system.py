"""Debian packages, users, and NVIDIA's driver."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remote.items import Order
from remote.machines.facts import Facts, Query

APT: Final = Path(__file__).parent.parent / "scripts" / "apt.sh"
NVIDIA_DRIVER: Final = "nvidia-driver-580-server"  # Ubuntu 24.04's server branch for CUDA 13 (torch 2.11 and newer)


def apt(script: str) -> str:
    """A script that may call scripts/apt.sh's functions."""
    return f"set -e\n{APT.read_text(encoding='utf-8')}\n{script}\n"


@dataclass(frozen=True)
class Packages:
    """Debian packages that must be installed, whatever their version."""

    names: tuple[str, ...]
    slow: bool = True

    @property
    def label(self) -> str:
        return f"packages {' '.join(self.names)}"

    def query(self) -> Query:
        return Query(packages=self.names)

    def reason(self, facts: Facts) -> str:
        missing = [n for n in self.names if n not in facts.packages]
        return f"missing: {' '.join(missing)}" if missing else ""

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        missing = " ".join(shlex.quote(n) for n in self.names if n not in facts.packages)
        # an old package list names files that the mirror no longer has: install, and only if that fails, update
        script = apt(f"install {missing} || refresh_and_install {missing}")
        return (Order(script, timeout_s=1800, failure=f"apt-get could not install {missing}"),)


@dataclass(frozen=True)
class PortFree:
    """A TCP port on which nobody listens but the programs that may have it (their names as `ss` shows them)."""

    port: int
    programs: tuple[str, ...]
    slow: bool = False

    @property
    def label(self) -> str:
        return f"port {self.port}"

    def query(self) -> Query:
        return Query(listeners=(str(self.port),))

    def _taken_by(self, facts: Facts) -> str:
        return next((p for p in facts.listeners.get(str(self.port), ()) if p not in self.programs), "")

    def reason(self, facts: Facts) -> str:
        return f"taken by {taken}" if (taken := self._taken_by(facts)) else ""

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        taken = self._taken_by(facts)
        what = f"port {self.port} is taken by {taken}, and {self.programs[0]} is to listen there"
        return (Order("exit 1", failure=f"{what}. Stop {taken}, then deploy again"),)


@dataclass(frozen=True)
class NoOtherStack:
    """A machine that is not another stack's: `path` holds the name of the one that was deployed there."""

    path: str
    stack: str
    slow: bool = False

    @property
    def label(self) -> str:
        return f"the machine is free for stack {self.stack}"

    def query(self) -> Query:
        return Query(texts=(self.path,))

    def reason(self, facts: Facts) -> str:
        other = facts.texts.get(self.path, "").strip()
        return "" if other in ("", self.stack) else f"it is stack {other}'s"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        other = facts.texts.get(self.path, "").strip()
        what = f"the stack {other} is deployed here, and a machine has one: nothing was changed"
        fix = f"Take {other} down first (docs/operate/own-machine.md); if it is gone, remove {self.path}"
        return (Order("exit 1", failure=f"{what}. {fix}"),)


@dataclass(frozen=True)
class NothingOfTheirs:
    """A machine where none of these units runs before the first deployment: they would be configured anew, or stopped.

    `path` is there once one has begun: what runs from then on is ours.
    """

    path: str
    units: tuple[str, ...]
    slow: bool = False

    @property
    def label(self) -> str:
        return f"nothing of yours uses {' or '.join(unit.removesuffix('.service') for unit in self.units)}"

    def query(self) -> Query:
        return Query(texts=(self.path,), units=self.units)

    def _running(self, facts: Facts) -> list[str]:
        return [] if facts.texts.get(self.path, "").strip() else [unit for unit in self.units if facts.running(unit)]

    def reason(self, facts: Facts) -> str:
        return ", ".join(f"{unit} runs" for unit in self._running(facts))

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        units = " ".join(self._running(facts))
        what = f"{units} runs here and is not ours; it would be configured anew: nothing was changed"
        fix = f"If nobody needs it, `sudo systemctl disable --now {units}` on the machine, then deploy again"
        return (Order("exit 1", failure=f"{what}. {fix}"),)


@dataclass(frozen=True)
class User:
    """A system user without a log-in."""

    name: str
    home: str
    groups: tuple[str, ...] = ()
    slow: bool = False

    @property
    def label(self) -> str:
        return f"user {self.name}"

    def query(self) -> Query:
        return Query(users=(self.name,))

    def reason(self, facts: Facts) -> str:
        if self.name not in facts.users:
            return "missing"
        lacking = [g for g in self.groups if g not in facts.users[self.name]]
        return f"not in {' '.join(lacking)}" if lacking else ""

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        name, home = shlex.quote(self.name), shlex.quote(self.home)
        lines = [f"id {name} >/dev/null 2>&1 || useradd --system -U -d {home} -s /usr/sbin/nologin {name}"]
        lines += [f"usermod -a -G {shlex.quote(g)} {name}" for g in self.groups]
        lines += [f"install -d -o {name} -g {name} -m 755 {home}"]
        return (Order("set -e\n" + "\n".join(lines), failure=f"the user {self.name} could not be made"),)


@dataclass(frozen=True)
class Driver:
    """NVIDIA's driver, where an engine wants a GPU and `nvidia-smi` finds none. Ubuntu only; unproved without a GPU."""

    package: str = NVIDIA_DRIVER
    slow: bool = True

    @property
    def label(self) -> str:
        return f"NVIDIA driver ({self.package})"

    def query(self) -> Query:
        return Query(gpu=("nvidia-smi",))

    def reason(self, facts: Facts) -> str:
        return "" if facts.gpu else "nvidia-smi finds no GPU"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        if facts.os != "ubuntu":
            found = f"This is {facts.os} {facts.os_version}; the driver is installed on Ubuntu only"
            return (Order(f"echo '{found}. Install it, then deploy again.'; exit 1", failure="no NVIDIA driver"),)
        failure = (
            "the NVIDIA driver is installed, but nvidia-smi finds no GPU: does this instance type have one? "
            "For an engine without a GPU set `device: cpu`"
        )
        install = apt(f'refresh_and_install "linux-headers-$(uname -r)" {self.package}')
        return (
            Order(install, timeout_s=1800, failure=f"apt-get could not install {self.package}"),
            Order("modprobe nvidia 2>&1; nvidia-smi -L 2>&1", failure=failure),
        )
