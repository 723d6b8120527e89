"""The machines' journals, by unit, read once. `following.py` follows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from core.contract.paths import (
    AGENT_UNIT,
    CERTIFICATE_UNIT,
    DEAD_MAN_UNIT,
    ENGINE_UNIT,
    POWER_UNIT,
    REAPER_UNIT,
    REDIS_UNIT,
    RELAY_UNITS,
)
from remote.machines.inventory import Inventory
from remote.machines.transport import Machine
from remote.services import haproxy, webui

HOST_UNITS: Final = (ENGINE_UNIT.format(name="*"), AGENT_UNIT, DEAD_MAN_UNIT, webui.UNIT)
OWN_UNITS: Final = (REAPER_UNIT, POWER_UNIT.format(name="*"))  # of a machine of one's own
GATEWAY_UNITS: Final = (*RELAY_UNITS, haproxy.UNIT, REDIS_UNIT, webui.UNIT, CERTIFICATE_UNIT)


@dataclass(frozen=True)
class Wanted:
    """Which lines: so many of the last, of at most the last `since_s` seconds where it is not 0."""

    lines: int
    since_s: float = 0.0


def command(units: tuple[str, ...], wanted: Wanted, *, follow: bool, since: float | None = None) -> str:
    """journalctl for these units; the machine's own clock counts back. `since` (s since 1970): all lines from there."""
    chosen = " ".join(f"-u '{unit}'" for unit in units)
    if since is not None:
        return f"journalctl --no-pager -o short-iso -n all --since=@{since:.0f} {'-f ' if follow else ''}{chosen}"
    back = f"--since=-{wanted.since_s:.0f}s " if wanted.since_s else ""
    return f"journalctl --no-pager -o short-iso -n {wanted.lines} {back}{'-f ' if follow else ''}{chosen}"


def machines(inventory: Inventory, engine: str = "") -> dict[Machine, tuple[str, ...]]:
    """Each machine and the unit files to read there, the gateway first; nothing is connected yet.

    With `engine` that one's alone, so nothing on the gateway.
    """
    one = (ENGINE_UNIT.format(name=engine),) if engine else None
    if inventory.gateway is None:
        own = OWN_UNITS if inventory.settings.own_machine else ()
        return {Machine(inventory.host): one or HOST_UNITS + GATEWAY_UNITS + own}
    gateway = Machine(inventory.gateway)
    return {gateway: () if engine else GATEWAY_UNITS, Machine(inventory.host, gateway): one or HOST_UNITS}


def read(machine: Machine, units: tuple[str, ...], wanted: Wanted) -> list[str]:
    """The last lines. DeployError: the machine does not answer."""
    machine.connect()
    return machine.must(command(units, wanted, follow=False), failure="the journal cannot be read").splitlines()
