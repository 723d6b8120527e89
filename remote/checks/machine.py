"""One machine: SSH, clock, disks, units, versions, and whether it is as the last deployment left it."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.contract.paths import DATA_DIR
from core.errors import DeployError
from core.policy import SKEW_ALERT_S
from remote import plan
from remote.checks import Area, Check, failed, passed, warned
from remote.items import Item
from remote.items.containers import ContainerUnit
from remote.items.units import Unit
from remote.machines.facts import Facts, Query, UnitFact
from remote.machines.transport import Machine
from remote.plan import Step

EXAMINE: Final = Path(__file__).parents[1] / "scripts" / "examine.py"
DISKS: Final = ("/", "/var", "/boot", "/opt", DATA_DIR)
GIB: Final = 2**30
LOW: Final = 0.10  # of a disk or its inodes: a warning
FULL: Final = 0.03  # a failure: apt, journals and downloads end with errors
RESTARTS: Final = 3  # of a unit by systemd, since it was started last


@dataclass(frozen=True)
class Disk:
    """A file system: bytes and inodes free and in all; `device` is the same for two folders on one."""

    device: int
    free: int
    size: int
    inodes_free: int
    inodes: int


@dataclass(frozen=True)
class Examined:
    """What scripts/examine.py told, with this computer's clock before and after it (s since 1970)."""

    now: float
    asked: float
    answered: float
    container: bool
    synchronized: bool
    reboot: bool
    disks: Mapping[str, Disk]
    versions: Mapping[str, str]

    @property
    def skew_s(self) -> float:
        """How far the machine's clock is ahead of this computer's (negative: behind); 0 within the time of asking."""
        return self.now - min(max(self.now, self.asked), self.answered)


@dataclass(frozen=True)
class Look:
    """A machine as it was found: what it is told beside its facts, and what a deployment would change."""

    area: Area
    facts: Facts
    items: Sequence[Item]
    steps: Sequence[Step]
    examined: Examined


def authorized_keys(user: str) -> str:
    """Where a log-in user's keys are."""
    return f"/home/{user}/.ssh/authorized_keys"


def look(machine: Machine, area: Area, items: Sequence[Item], clock: Callable[[], float] = time.time) -> Look:
    """Two round trips. DeployError: the machine does not tell."""
    keys = Query(texts=(authorized_keys(machine.where.user),))
    facts = machine.facts(Query.union([plan.query(items), keys]))
    return Look(area, facts, items, plan.plan(items, facts), examine(machine, clock))


def examine(machine: Machine, clock: Callable[[], float]) -> Examined:
    """One round trip. DeployError: the machine does not tell."""
    asked = clock()
    out = machine.must(
        shlex.join(["python3", "-", *DISKS]), stdin=EXAMINE.read_bytes(), failure="the machine could not be examined"
    )
    return read(out, asked, clock())


def read(printed: str, asked: float, answered: float) -> Examined:
    """What the script printed. DeployError: it is not that."""
    try:
        raw: dict[str, Any] = json.loads(printed)
        disks = {path: Disk(**told) for path, told in raw.pop("disks").items()}
        return Examined(**raw, disks=disks, asked=asked, answered=answered)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DeployError(f"The machine did not tell how it is: {printed.strip()[-200:] or error}") from error


def checks(found: Look, stack: str) -> Iterator[Check]:
    """Every line about this machine."""
    yield from disks(found.area, found.examined.disks, stack)
    yield from clock(found.area, found.examined)
    yield from units(found, stack)
    yield as_deployed(found, stack)
    yield from versions(found.area, found.examined, stack)


def _shell(area: Area, stack: str) -> str:
    return f"fab ssh -s {stack}" + (" --gateway" if area is Area.GATEWAY else "")


def disks(area: Area, found: Mapping[str, Disk], stack: str) -> Iterator[Check]:
    """A line for each file system."""
    once = {disk.device: (path, disk) for path, disk in reversed(list(found.items()))}
    for path, disk in sorted(once.values(), key=lambda each: each[0]):
        left = min(disk.free / disk.size if disk.size else 1.0, disk.inodes_free / disk.inodes if disk.inodes else 1.0)
        said = f"{path} has {disk.free / GIB:.1f} of {disk.size / GIB:.1f} GiB free"
        if disk.inodes and disk.inodes_free / disk.inodes == left < LOW:
            said += f", and {left:.0%} of its inodes"
        fix = f'See what is large: `{_shell(area, stack)} --command "sudo du -xh -d 3 {path} | sort -h | tail"`'
        setting = "gateway.dataGiB" if path == DATA_DIR else "diskGiB"
        fix += f"; or raise {setting} in the stack file." if area in (Area.HOST, Area.GATEWAY) else "."
        if left < FULL:
            yield failed(area, "disk", said, fix)
        elif left < LOW:
            yield warned(area, "disk", said, fix)
        else:
            yield passed(area, "disk", said)


def clock(area: Area, found: Examined) -> Iterator[Check]:
    """The lease goes by the table's time, and a machine whose clock is wrong is refused by AWS from 5 minutes on."""
    ahead, fix = found.skew_s, "Is time synchronised on it? `timedatectl` there says so, and `date` here."
    if abs(ahead) > SKEW_ALERT_S:
        side = "ahead of" if ahead > 0 else "behind"
        yield failed(area, "clock", f"its clock is {abs(ahead):.0f} s {side} this computer's", fix)
    elif not found.synchronized and not found.container:
        yield warned(area, "clock", "right now, but nothing keeps it so: NTP is not synchronised", fix)
    else:
        yield passed(area, "clock", "agrees with this computer's")


def units(found: Look, stack: str) -> Iterator[Check]:
    """A line for all units that run, and one for each that does not, or was restarted again and again."""
    items = [unit for item in found.items if (unit := _unit(item))]
    known = {unit.name: found.facts.units.get(unit.name) for unit in items}
    down = {u.name: known[u.name] for u in items if not found.facts.running(u.name) and not u.rests}
    for name, fact in down.items():
        yield failed(found.area, name, _why_down(fact), f"`fab logs -s {stack}` says why; `fab deploy -s {stack}`.")
    again = {name: unit.restarts for name, unit in known.items() if unit and unit.restarts >= RESTARTS}
    for name, count in again.items():
        said = f"systemd restarted it {count} times since it was started last"
        yield warned(found.area, name, said, f"`fab logs -s {stack} --lines 200` says why.")
    if items and not down:
        resting = [unit.name for unit in items if not found.facts.running(unit.name)]
        rest = f"; {', '.join(resting)} at rest" if resting else ""
        yield passed(found.area, "units", f"{len(items) - len(resting)} of {len(items)} run{rest}")


def _unit(item: Item) -> Unit | None:
    if isinstance(item, ContainerUnit):
        return item.unit
    return item if isinstance(item, Unit) else None


def _why_down(unit: UnitFact | None) -> str:
    return "is missing" if unit is None or unit.load != "loaded" else f"is {unit.active} ({unit.sub})"


def as_deployed(found: Look, stack: str) -> Check:
    """Whether `fab deploy` would change anything, in the plan's words."""
    if not found.steps:
        return passed(found.area, "as deployed", "`fab deploy` would change nothing")
    first = "; ".join(step.text for step in found.steps[:3])
    more = f"; and {len(found.steps) - 3} more" if len(found.steps) > 3 else ""
    fix = f"`fab deploy -s {stack} --plan` shows it, `fab deploy -s {stack}` does it."
    return warned(found.area, "as deployed", f"`fab deploy` would change {first}{more}", fix)


def versions(area: Area, found: Examined, stack: str) -> Iterator[Check]:
    """What runs there, in one line; and a reboot that its updates wait for."""
    told = [f"{name} {text}" if name in ("kernel", "python") else text for name, text in _short(found.versions)]
    yield passed(area, "versions", ", ".join(told))
    if found.reboot:
        fix = f'When nobody asks: `{_shell(area, stack)} --command "sudo systemctl reboot"`.'
        yield warned(area, "reboot", "an update waits for a reboot", fix)


def _short(versions: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """`HAProxy 2.6.12` of "HAProxy version 2.6.12-1+deb12u1 2024/12/10 - https://haproxy.org/"; others likewise."""
    for name, text in versions.items():
        number = re.search(r"(?:version |v=)([0-9][0-9.]*)", text)
        if text:
            yield name, f"{name} {number[1]}" if number else text
