"""This machine and this boot: the boot's id, how long it has been up, and how to turn it off.

The kind of machine that stays on is in `engine_target.py`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from core.contract.paths import BOOT_ID_FILE, ENGINE_UNIT

log = logging.getLogger("pilotlight.agent")
COMMAND_S: Final = 10.0
CLOCK_TICKS: Final = os.sysconf("SC_CLK_TCK")


class MachineLike(Protocol):
    """What the agent needs of a machine. `boot_id`: of this boot; "" while what the lease turns on and off is off."""

    @property
    def boot_id(self) -> str: ...

    def was_ready(self) -> bool: ...

    def note_ready(self) -> None: ...

    def up_s(self) -> float: ...

    def engine_up_s(self, engine: str) -> float | None: ...

    def engine_state(self, engine: str) -> str: ...

    def restart_engine(self, engine: str) -> bool: ...

    def power_off(self, reason: str, *, idle_engines: Sequence[str]) -> bool: ...


class EngineUnits:
    """The engines' units on this machine, whatever is turned off in the end."""

    def engine_up_s(self, engine: str) -> float | None:
        """Seconds since systemd started the engine's process; None where systemd does not know."""
        unit = ENGINE_UNIT.format(name=engine)
        done = run(["systemctl", "show", unit, "--property=ExecMainStartTimestampMonotonic", "--value"])
        text = done.stdout.strip()
        return time.monotonic() - int(text) / 1e6 if text.isdigit() and int(text) else None

    def engine_state(self, engine: str) -> str:
        """systemd's ActiveState of the engine's unit: active, activating, failed, …; "" where it does not say."""
        unit = ENGINE_UNIT.format(name=engine)
        return run(["systemctl", "show", unit, "--property=ActiveState", "--value"]).stdout.strip()

    def restart_engine(self, engine: str) -> bool:
        """Restart the engine's unit, given up by systemd or not; nobody waits for it. False where systemd refused."""
        unit = ENGINE_UNIT.format(name=engine)
        run(["systemctl", "reset-failed", unit])  # refused where nothing has failed
        done = run(["systemctl", "restart", "--no-block", unit])
        if done.returncode:
            log.error("systemctl restart %s: %s", unit, done.stderr.strip())
        return not done.returncode


class Machine(EngineUnits):
    """The machine that the agent runs on. `boot_id` is drawn once a boot, in tmpfs, and survives the agent.

    So does, in a file beside it, that this boot was RUNNING once: a later agent need not ask the table for it.
    """

    def __init__(self, boot_id_file: str = BOOT_ID_FILE) -> None:
        self.boot_id = _boot_id(Path(boot_id_file))
        self._ready_file = Path(boot_id_file).with_suffix(".ready")
        self._was_ready = _read(self._ready_file) == self.boot_id

    def was_ready(self) -> bool:
        """This boot was RUNNING once."""
        return self._was_ready

    def note_ready(self) -> None:
        """This boot is RUNNING. Where it cannot be kept, a later agent closes admission until the table answers."""
        self._was_ready = True
        try:
            self._ready_file.write_text(self.boot_id)
        except OSError as error:
            log.error("%s cannot be written: %s", self._ready_file, error)

    def up_s(self) -> float:
        """Seconds since this machine's init started (a container's too, whose kernel is older)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - _started(Path("/proc/1/stat"))

    def power_off(self, reason: str, *, idle_engines: Sequence[str]) -> bool:
        """Turn the machine off. Engines that are proved idle are not waited for. False where systemd refused."""
        log.warning("powering off: %s", reason)
        done = run(["systemctl", "poweroff", "--no-block"])
        if done.returncode:
            log.error("systemctl poweroff: %s", done.stderr.strip())
            return False
        for engine in idle_engines:
            run(["systemctl", "kill", "--signal=SIGKILL", ENGINE_UNIT.format(name=engine)])
        return True


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of this machine; one that hangs or is missing is an exit code, not an exception."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def _read(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def _boot_id(path: Path) -> str:
    """The boot's id; containers share the kernel's own, so it is drawn here, by whichever program of ours is first."""
    if path.exists():
        return path.read_text().strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(uuid.uuid4().hex)
    with contextlib.suppress(FileExistsError):  # somebody else was first: theirs it is
        os.link(fresh, path)
    fresh.unlink()
    return path.read_text().strip()


def _started(stat: Path) -> float:
    """When a process started, in seconds since the kernel's boot (proc(5), field 22)."""
    after_name = stat.read_text().rpartition(")")[2].split()
    return int(after_name[19]) / CLOCK_TICKS
