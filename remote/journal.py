"""`fab logs`: the machines' journals, by unit."""

from __future__ import annotations

import sys
import threading
from typing import Final

from core.contract import AGENT_UNIT, DEAD_MAN_UNIT, ENGINE_UNIT, RELAY_UNIT
from remote import haproxy
from remote.inventory import Inventory
from remote.machine import Machine, Unreachable

HOST_UNITS: Final = (ENGINE_UNIT.format(name="*"), AGENT_UNIT, DEAD_MAN_UNIT)
GATEWAY_UNITS: Final = (RELAY_UNIT, haproxy.UNIT)


def command(units: tuple[str, ...], lines: int, follow: bool) -> str:
    """journalctl for these units."""
    chosen = " ".join(f"-u '{unit}'" for unit in units)
    return f"journalctl --no-pager -o short-iso -n {int(lines)} {'-f ' if follow else ''}{chosen}"


def show(inventory: Inventory, *, lines: int, follow: bool) -> None:
    """Print the journals, the gateway's first; with `follow` both together until Ctrl-C."""
    gateway = Machine(inventory.gateway) if inventory.gateway else None
    host = Machine(inventory.host, gateway)
    both = [(gateway, GATEWAY_UNITS), (host, HOST_UNITS)] if gateway else [(host, HOST_UNITS + GATEWAY_UNITS)]
    threads = []
    for machine, units in both:
        if machine is None:
            continue
        thread = threading.Thread(target=_print, args=(machine, command(units, lines, follow)), daemon=True)
        thread.start()
        threads.append(thread)
        if not follow:
            thread.join()
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
