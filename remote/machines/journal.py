"""The machines' journals, by unit: read once, or followed."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from core.contract.paths import AGENT_UNIT, CERTIFICATE_UNIT, DEAD_MAN_UNIT, ENGINE_UNIT, REDIS_UNIT, RELAY_UNITS
from core.errors import DeployError
from remote.machines.inventory import Inventory
from remote.machines.transport import Machine
from remote.services import haproxy, webui

HOST_UNITS: Final = (ENGINE_UNIT.format(name="*"), AGENT_UNIT, DEAD_MAN_UNIT, webui.UNIT)
GATEWAY_UNITS: Final = (*RELAY_UNITS, haproxy.UNIT, REDIS_UNIT, webui.UNIT, CERTIFICATE_UNIT)


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
    said: queue.Queue[bytes | None] = queue.Queue()  # only this thread writes, so that its caller hears of a failure
    reading = 0
    for machine, units in machines(inventory, engine).items():
        if units:
            order = command(units, wanted, follow=True)
            threading.Thread(target=_read, args=(machine, order, said.put), daemon=True).start()
            reading += 1
    while reading:
        piece = said.get()
        if piece is None:
            reading -= 1
            continue
        sys.stdout.buffer.write(piece)
        sys.stdout.flush()


def _read(machine: Machine, order: str, say: Callable[[bytes | None], None]) -> None:
    """Say a machine's journal as it grows, and None at its end."""
    try:
        machine.connect()
        pieces = machine.stream(order)
        say(f"--- {machine.role}\n".encode())
        for piece in pieces:
            say(piece)
    except DeployError as error:
        say(f"--- {machine.role}: {error}\n".encode())
    finally:
        say(None)
