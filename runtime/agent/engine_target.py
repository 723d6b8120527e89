"""A machine that stays on: what the lease turns on and off are its engines, by one systemd target.

A "boot" is here one run of that target, and its id is systemd's invocation id: each start draws a fresh one, which
survives the agent. While the target is off there is no boot, and the agent has nothing to do but wait. The target is
ordered before its engines (remote/templates/pilotlight-engines.target.j2): it ends when the last of them has ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from core.contract.paths import BOOT_ID_FILE, ENGINES_TARGET
from runtime.agent.machine import EngineUnits, run

log = logging.getLogger("pilotlight.agent")
FRESH_S: Final = 0.2  # several questions in one tick of the agent are one question to systemd
_PROPERTIES: Final = ("ActiveState", "InvocationID", "ActiveEnterTimestampMonotonic")


class EngineTarget(EngineUnits):
    """The engines of a machine as one thing that starts and stops. `clock` is monotonic, s."""

    def __init__(
        self,
        ready_file: str = f"{BOOT_ID_FILE}.ready",
        show: Callable[[], Mapping[str, str]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ready_file, self._show, self._clock = Path(ready_file), show or _show, clock
        self._said: Mapping[str, str] = {}
        self._said_at = float("-inf")

    @property
    def boot_id(self) -> str:
        """Of this run; "" while the engines are off, or systemd does not say."""
        said = self._now()
        return said.get("InvocationID", "") if said.get("ActiveState") == "active" else ""

    def was_ready(self) -> bool:
        """This run was RUNNING once."""
        known = self._ready_file.read_text().strip() if self._ready_file.exists() else ""
        return bool(known) and known == self.boot_id

    def note_ready(self) -> None:
        """This run is RUNNING. Where it cannot be kept, a later agent closes admission until the table answers."""
        try:
            self._ready_file.write_text(self.boot_id)
        except OSError as error:
            log.error("%s cannot be written: %s", self._ready_file, error)

    def up_s(self) -> float:
        """Seconds since this run began; 0 while there is none."""
        text = self._now().get("ActiveEnterTimestampMonotonic", "")
        return self._clock() - int(text) / 1e6 if self.boot_id and text.isdigit() else 0.0

    def power_off(self, reason: str, *, idle_engines: Sequence[str]) -> bool:  # noqa: ARG002 - all get their time
        """Stop the engines; nobody waits for it, and idle ones are not killed: their units would count as failed on a
        machine that stays on. False where systemd refused.
        """
        log.warning("stopping the engines: %s", reason)
        done = run(["systemctl", "stop", "--no-block", ENGINES_TARGET])
        if done.returncode:
            log.error("systemctl stop %s: %s", ENGINES_TARGET, done.stderr.strip())
        return not done.returncode

    def _now(self) -> Mapping[str, str]:
        if self._clock() - self._said_at >= FRESH_S:
            self._said, self._said_at = self._show(), self._clock()
        return self._said


def _show() -> Mapping[str, str]:
    """What systemd says of the target; nothing where it does not answer."""
    done = run(["systemctl", "show", ENGINES_TARGET, *(f"--property={name}" for name in _PROPERTIES)])
    return {} if done.returncode else dict(line.partition("=")[::2] for line in done.stdout.splitlines())
