"""`fab logs`: the machines' journals, and of a host that is off what it said last, by way of the lease's table.

`logs` is the look, `text` is how people read it. Following journals as they grow is `following.py`'s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from core.contract.paths import ENGINE_UNIT
from core.errors import DeployError, SettingsError
from core.settings.suggest import closest
from core.shutdown_report import Journal, ShutdownReport
from core.times import moments
from remote.machines import journal
from remote.machines.inventory import Inventory
from remote.machines.journal import Wanted
from remote.machines.lease_client import LeaseClient
from remote.machines.transport import Machine
from remote.verbs.lease import Record

OFF: Final = ("stopping", "stopped")  # EC2's words for a machine whose journals are out of reach
T = TypeVar("T")


@dataclass(frozen=True)
class Logs:
    """The journals' lines, None where there are none to read; `report` where it was asked for, and where the host is
    off or does not answer; `problems`: what could not be read, in words. `report_known` False: nobody answered whether
    there is a report.
    """

    gateway: list[str] | None = None
    host: list[str] | None = None
    report: ShutdownReport | None = None
    problems: list[str] = field(default_factory=list)
    report_known: bool = True

    @property
    def nothing(self) -> bool:
        """Nothing could be read at all."""
        return self.gateway is None and self.host is None and not self.report_known

    def as_dict(self, zone: str) -> Record:
        """For `--json` (docs/json.md)."""
        report = self.report and _report(self.report, zone)
        return {"gateway": self.gateway, "host": self.host, "shutdown_report": report, "problems": self.problems}


def _report(report: ShutdownReport, zone: str) -> Record:
    journals = {unit: {"lines": list(told.lines), "cut": told.cut} for unit, told in report.journals.items()}
    return {
        "at": moments.iso(report.at, zone),
        "reason": report.reason,
        "by": report.by,
        "late": report.late,
        "journals": journals,
    }


def shutdown_report(client: LeaseClient, *, back: int = 0, lines: int = 0, unit: str = "") -> ShutdownReport | None:
    """What the host said before its last stop, or before the one `back` stops earlier; None: nothing is kept.

    With `lines` only so many of the last of each journal, with `unit` only that one's.
    """
    report = client.shutdown_report(back)
    if report is None:
        return None
    journals = {name: _last(told, lines) for name, told in report.journals.items() if unit in ("", name)}
    return dataclasses.replace(report, journals=journals)


def _last(told: Journal, lines: int) -> Journal:
    more = max(0, len(told.lines) - lines) if lines else 0
    return Journal(told.lines[more:], told.cut + more)


def engine_of(inventory: Inventory, name: str) -> str:
    """The engine of that name; "" is none. SettingsError: the stack has no such engine."""
    engines = inventory.settings.engines
    if name and name not in engines:
        raise SettingsError(
            f'--engine "{name}" is not an engine of {inventory.stack}; there are: {", ".join(engines)}'
            f"{closest(name, engines)}."
        )
    return name


def logs(inventory: Inventory, wanted: Wanted, *, engine: str = "", last: bool = False, back: int = 0) -> Logs:
    """The journals of both machines, or of one engine; what cannot be read does not hide the rest."""
    machines = journal.machines(inventory, engine)
    front = next(iter(machines))  # the gateway, or a host that is one
    problems: list[str] = []
    found: dict[str, list[str] | None] = {"gateway": None, "host": None}
    for machine, units in machines.items():
        out_of_reach = last or (machine is not front and _try(problems, lambda: _off(front)))
        if units and not (machine.role == "host" and out_of_reach):
            found[machine.role] = _try(problems, partial(journal.read, machine, units, wanted))
    asked: tuple[ShutdownReport | None] | None = (None,)
    if found["host"] is None:
        unit = ENGINE_UNIT.format(name=engine) if engine else ""
        ask = partial(shutdown_report, back=back, lines=wanted.lines, unit=unit)
        asked = _try(problems, lambda: (ask(_client(front)),))
    report = asked[0] if asked else None
    return Logs(found["gateway"], found["host"], report, problems, report_known=asked is not None)


def _off(front: Machine) -> bool:
    return _client(front).show().machine.state in OFF


def _client(front: Machine) -> LeaseClient:
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
def text(found: Logs, zone: str) -> Iterator[str]:
    """Lines as a person reads them: the gateway's journals, the host's, or else the host's shutdown report."""
    for role, told in (("gateway", found.gateway), ("host", found.host)):
        if told is not None:
            yield f"--- {role}"
            yield from told
    yield from (f"--- {problem}" for problem in found.problems)
    if found.report is not None:
        yield from report_text(found.report, zone)
    elif not found.report_known:
        yield "--- of the host: whether a shutdown report is kept is not known"
    elif found.host is None:
        yield "--- of the host: no shutdown report is kept"


def report_text(report: ShutdownReport, zone: str) -> Iterator[str]:
    """Why, by whom and when; then each unit file's last lines."""
    when = f"{moments.show(report.at, zone)} ({zone})"
    yield f"--- the host's shutdown report: {report.reason}"
    yield f"    {when}, " + ("told by the boot after it" if report.late else f"by {report.by}")
    for unit, told in report.journals.items():
        yield f"--- host, {unit}" + (f" ({told.cut} older lines left out)" if told.cut else "")
        yield from told.lines
