"""The host's shutdown report: before it goes off, the last lines of its journals and the reason go into the table.

A power-off never waits longer than SHIP_WITHIN_S for them: a thread gathers and writes, and what it has not done by
then it may finish while systemd ends the machine, or not at all. A boot that ended unannounced (by hand, by a crash, by
the dead-man's switch, which knows no table) or whose words did not arrive is told of by the boot after it, from the
journal on disk; SHUTDOWN_REPORT_FILE says which boot that was. docs/adr/0011-last-words-go-through-the-table.md
"""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Protocol

from core.codes import Writer
from core.contract.documents import HostConfig
from core.contract.paths import AGENT_UNIT, DEAD_MAN_UNIT, ENGINE_UNIT, SHUTDOWN_REPORT_FILE
from core.errors import LeaseError
from core.lease import Lease
from core.shutdown_report import ShutdownReport, fit, lines_of
from runtime.backends.leases import StoreUnavailable

log = logging.getLogger("pilotlight.agent")
SHIP_WITHIN_S: Final = 3.0
GATHER_S: Final = 1.5  # of which the journals may take so long
LINES: Final = 300  # of each unit file
UNANNOUNCED: Final = "the machine went off without shutdown report: by hand, by a crash, or by the dead-man's switch"

Journals = Callable[[Sequence[str], float, float | None], Mapping[str, Sequence[str]]]


class WordsStore(Protocol):
    """What is needed of `LeaseStore`."""

    def put_report(self, unit: str, words: ShutdownReport) -> None: ...


class ThisBoot(Protocol):
    """What is needed of a machine."""

    @property
    def boot_id(self) -> str: ...

    def up_s(self) -> float: ...


@dataclass(frozen=True)
class Told:
    """What SHUTDOWN_REPORT_FILE says of a boot: since when (this machine's clock, s), and whether its words arrived."""

    boot_id: str
    began: float
    arrived: bool


def read_journals(
    units: Sequence[str], since: float, until: float | None = None, *, command: str = "journalctl"
) -> dict[str, list[str]]:
    """The last LINES of each unit file between two times of this machine's clock; why not, where there are none to get.

    By time and not by `-b`: machines of the embedded cloud share their kernel's boot id.
    """
    end = time.monotonic() + GATHER_S
    common = [command, "--no-pager", "--quiet", "-o", "short-iso", "-n", str(LINES), f"--since=@{int(since)}"]
    common += [f"--until=@{int(until)}"] if until is not None else []
    asked = {unit: _begin([*common, "-u", unit]) for unit in units}
    return {unit: _answer(process, end) for unit, process in asked.items()}


def _begin(order: Sequence[str]) -> subprocess.Popen[str] | OSError:
    try:
        return subprocess.Popen(
            order, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
        )
    except OSError as error:
        return error


def _answer(process: subprocess.Popen[str] | OSError, end: float) -> list[str]:
    if isinstance(process, OSError):
        return [f"(the journal cannot be read: {process})"]
    with process:
        try:
            said, _ = process.communicate(timeout=max(0.01, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            return [f"(the journal did not answer within {GATHER_S} s)"]
    return list(lines_of(said))


class Shipper:
    """Sends a host's shutdown report. `within_s` bounds how long a stop waits for them."""

    def __init__(
        self,
        config: HostConfig,
        store: WordsStore,
        machine: ThisBoot,
        *,
        journals: Journals = read_journals,
        file: str = SHUTDOWN_REPORT_FILE,
        within_s: float = SHIP_WITHIN_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._unit, self._store, self._machine, self._journals = config.unit, store, machine, journals
        self._file, self._within_s, self._clock = Path(file), within_s, clock
        self._units = [*(ENGINE_UNIT.format(name=e.name) for e in config.engines), AGENT_UNIT, DEAD_MAN_UNIT]
        self._epoch = -1  # of the stop whose words were sent

    def ship(self, lease: Lease, now: float) -> None:
        """Before the power-off, once a stop: this boot's shutdown report. `now` is the table's time."""
        if self._epoch == lease.epoch:
            return
        self._epoch = lease.epoch
        thread = self._start(lambda: self._say(lease, now))
        thread.join(self._within_s)
        if thread.is_alive():
            log.error("shutdown report: not sent within %.0f s; powering off all the same", self._within_s)

    def look_back(self, lease: Lease, now: float) -> threading.Thread:
        """In a fresh boot: tell of the boot before where it could not. Nobody waits for the thread."""
        return self._start(lambda: self._say_late(lease, now))

    def _start(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=_logged, args=(work,), daemon=True, name="shutdown-report")
        thread.start()
        return thread

    def _say(self, lease: Lease, now: float) -> None:
        boot, began = self._machine.boot_id, self._began()
        journals = fit(self._journals(self._units, began, None))
        self._store.put_report(self._unit, ShutdownReport(lease.epoch, now, lease.reason, lease.by, boot, journals))
        self._note(Told(boot, began, arrived=True))

    def _say_late(self, lease: Lease, now: float) -> None:
        before, began = self._told(), self._began()
        self._note(Told(self._machine.boot_id, began, arrived=False))
        if before is None or before.arrived or before.boot_id == self._machine.boot_id:
            return
        journals = fit(self._journals(self._units, before.began, began))
        words = ShutdownReport(lease.epoch, now, UNANNOUNCED, Writer.AGENT, before.boot_id, journals, late=True)
        self._store.put_report(self._unit, words)

    def _began(self) -> float:
        """When this boot began, on this machine's clock."""
        return self._clock() - self._machine.up_s()

    def _told(self) -> Told | None:
        """Of the boot before; None where there was none, or nothing that can be read."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            raw = json.loads(self._file.read_text())
            return Told(str(raw["boot_id"]), float(raw["began"]), bool(raw["arrived"]))
        return None

    def _note(self, told: Told) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(asdict(told)))
        fresh.replace(self._file)


def _logged(work: Callable[[], None]) -> None:
    """Words that cannot be sent are a line in the journal; they stop nothing."""
    try:
        work()
    except (StoreUnavailable, LeaseError, OSError) as error:
        log.error("shutdown report: not sent: %s", error)
