"""The machines' journals, by unit: read once, or followed."""

from __future__ import annotations

import sys
import threading
from typing import Final

from core.contract.paths import AGENT_UNIT, DEAD_MAN_UNIT, ENGINE_UNIT, RELAY_UNIT
from remote.machines.inventory import Inventory
from remote.machines.transport import Machine, Unreachable
from remote.services import haproxy, webui

HOST_UNITS: Final = (ENGINE_UNIT.format(name="*"), AGENT_UNIT, DEAD_MAN_UNIT, webui.UNIT)
GATEWAY_UNITS: Final = (RELAY_UNIT, haproxy.UNIT, webui.UNIT)


def command(units: tuple[str, ...], lines: int, follow: bool) -> str:
    """journalctl for these units."""
    chosen = " ".join(f"-u '{unit}'" for unit in units)
    return f"journalctl --no-pager -o short-iso -n {int(lines)} {'-f ' if follow else ''}{chosen}"


def machines(inventory: Inventory) -> dict[Machine, tuple[str, ...]]:
    """Each machine and its unit files, the gateway first; nothing is connected yet."""
    if inventory.gateway is None:
        return {Machine(inventory.host): HOST_UNITS + GATEWAY_UNITS}
    gateway = Machine(inventory.gateway)
    return {gateway: GATEWAY_UNITS, Machine(inventory.host, gateway): HOST_UNITS}


def read(machine: Machine, units: tuple[str, ...], lines: int) -> list[str]:
    """The last lines. DeployError: the machine does not answer."""
    machine.connect()
    return machine.must(command(units, lines, follow=False), failure="the journal cannot be read").splitlines()


def follow(inventory: Inventory, *, lines: int) -> None:
    """Print all journals together, as they grow, until Ctrl-C."""
    threads = []
    for machine, units in machines(inventory).items():
        thread = threading.Thread(target=_print, args=(machine, command(units, lines, follow=True)), daemon=True)
        thread.start()
        threads.append(thread)
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
