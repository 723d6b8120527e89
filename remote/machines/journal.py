"""The machines' journals, by unit: read once, or followed."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from typing import Final

from core.contract.paths import AGENT_UNIT, DEAD_MAN_UNIT, ENGINE_UNIT, RELAY_UNIT
from remote.machines.inventory import Inventory
from remote.machines.transport import Machine, Unreachable
from remote.services import haproxy, webui

HOST_UNITS: Final = (ENGINE_UNIT.format(name="*"), AGENT_UNIT, DEAD_MAN_UNIT, webui.UNIT)
GATEWAY_UNITS: Final = (RELAY_UNIT, haproxy.UNIT, webui.UNIT)


@dataclass(frozen=True)
class Wanted:
    """Which lines: so many of the last, of at most the last `since_s` seconds where it is not 0."""

    lines: int
    since_s: float = 0.0


def command(units: tuple[str, ...], wanted: Wanted, *, follow: bool) -> str:
    """journalctl for these units; the machine's own clock counts back."""
    chosen = " ".join(f"-u '{unit}'" for unit in units)
    since = f"--since=-{wanted.since_s:.0f}s " if wanted.since_s else ""
    return f"journalctl --no-pager -o short-iso -n {wanted.lines} {since}{'-f ' if follow else ''}{chosen}"


def machines(inventory: Inventory, engine: str = "") -> dict[Machine, tuple[str, ...]]:
    """Each machine and the unit files to read there, the gateway first; nothing is connected yet.

    With `engine` that one's alone, so nothing on the gateway.
    """
    one = (ENGINE_UNIT.format(name=engine),) if engine else None
    if inventory.gateway is None:
        return {Machine(inventory.host): one or HOST_UNITS + GATEWAY_UNITS}
    gateway = Machine(inventory.gateway)
    return {gateway: () if engine else GATEWAY_UNITS, Machine(inventory.host, gateway): one or HOST_UNITS}


def read(machine: Machine, units: tuple[str, ...], wanted: Wanted) -> list[str]:
    """The last lines. DeployError: the machine does not answer."""
    machine.connect()
    return machine.must(command(units, wanted, follow=False), failure="the journal cannot be read").splitlines()


def follow(inventory: Inventory, wanted: Wanted, *, engine: str = "") -> None:
    """Print all journals together (or that of one engine), as they grow, until Ctrl-C."""
    threads = []
    for machine, units in machines(inventory, engine).items():
        if units:
            order = command(units, wanted, follow=True)
            threads.append(threading.Thread(target=_print, args=(machine, order), daemon=True))
            threads[-1].start()
    for thread in threads:
        thread.join()


def _print(machine: Machine, order: str) -> None:
    try:
        machine.connect()
        pieces = machine.stream(order)
        print(f"--- {machine.role}", flush=True)
        for piece in pieces:
            sys.stdout.buffer.write(piece)
            sys.stdout.flush()
    except Unreachable as error:
        print(f"--- {machine.role}: {error}", flush=True)
