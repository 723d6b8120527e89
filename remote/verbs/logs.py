"""`fab logs`: the machines' journals, and of a host that is off what it said last, by way of the lease's table.

`logs` is the plain record, `text` is how people read it. Following journals as they grow is `journal.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeVar

from core import moments
from core.errors import DeployError
from remote.machines import journal
from remote.machines.inventory import Inventory
from remote.machines.lease_client import LeaseClient
from remote.machines.transport import Machine
from remote.verbs.lease import Record

OFF: Final = ("stopping", "stopped")  # EC2's words for a machine whose journals are out of reach
T = TypeVar("T")


def shutdown_report(client: LeaseClient, *, back: int = 0, lines: int = 0) -> Record | None:
    """What the host said before its last stop, or before the one `back` stops earlier; None: nothing is kept.

    With `lines` only so many of the last of each journal.
    """
    words: Record | None = client.call("shutdown-report", "--back", str(back))["words"]
    for told in words["journals"].values() if words and lines else ():
        told["cut"] += max(0, len(told["lines"]) - lines)
        told["lines"] = told["lines"][-lines:]
    return words


def logs(inventory: Inventory, *, lines: int, last: bool = False, back: int = 0) -> Record:
    """`gateway` and `host`: the journals' lines, None where there are none to read; `shutdown_report` with `last`, and
    where the host is off or does not answer; `problems`: what could not be read, in words.
    """
    machines = journal.machines(inventory)
    front = next(iter(machines))  # the gateway, or a host that is one
    found: Record = {"stack": inventory.stack, "gateway": None, "host": None, "shutdown_report": None, "problems": []}
    problems: list[str] = found["problems"]
    for machine, units in machines.items():
        if machine.role == "host" and (last or (machine is not front and _try(problems, lambda: _off(front)))):
            continue
        found[machine.role] = _try(problems, partial(journal.read, machine, units, lines))
    if found["host"] is None:
        found["shutdown_report"] = _try(problems, lambda: shutdown_report(_desk(front), back=back, lines=lines))
    return found


def _off(front: Machine) -> bool:
    return _desk(front).show()["machine"]["state"] in OFF


def _desk(front: Machine) -> LeaseClient:
    front.connect()
    return LeaseClient(front)


def _try(problems: list[str], ask: Callable[[], T]) -> T | None:
    """One machine that does not answer does not hide the others."""
    try:
        return ask()
    except DeployError as error:
        if str(error) not in problems:
            problems.append(str(error))
        return None


# ---------------------------------------------------------------- for people
def text(found: Record, zone: str) -> Iterator[str]:
    """Lines as a person reads them: the gateway's journals, the host's, or else the host's shutdown report."""
    for role in ("gateway", "host"):
        if found[role] is not None:
            yield f"--- {role}"
            yield from found[role]
    yield from (f"--- {problem}" for problem in found["problems"])
    if found["shutdown_report"] is not None:
        yield from words_text(found["shutdown_report"], zone)
    elif found["host"] is None:
        yield "--- of the host: no shutdown report are kept"


def words_text(words: dict[str, Any], zone: str) -> Iterator[str]:
    """Why, by whom and when; then each unit file's last lines."""
    when = f"{moments.show(words['at'], zone)} ({zone})"
    yield f"--- the host's shutdown report: {words['reason']}"
    yield f"    {when}, " + ("told by the boot after it" if words["late"] else f"by {words['by']}")
    for unit, told in words["journals"].items():
        yield f"--- host, {unit}" + (f" ({told['cut']} older lines left out)" if told["cut"] else "")
        yield from told["lines"]
