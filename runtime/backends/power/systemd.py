"""Power over the engines of a machine that stays on: one systemd target that all of them start and stop with.

"The machine" is here the target: it is `running` while the target is active, and a target that is ordered before its
engines stays active until the last of them has ended. Everybody may ask systemd for a state; an order goes to the
socket of the unit pilotlight-power.socket, behind which root starts or stops that one target and nothing else, so that
neither relay nor reaper has rights of its own. What the machine says of itself (which unit it is) is its agent.json,
which only root writes: it stands for the tags of a cloud's machine.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from core.contract.documents import HostConfig
from core.contract.paths import AGENT_CONFIG, ENGINES_TARGET, POWER_SOCKET
from core.contract.tags import TAG_CONTROL, TAG_UNIT
from core.errors import ContractError
from runtime.backends.power import Machine, PowerRefused, PowerUnanswered

COMMAND_S: Final = 5.0
DONE: Final = "ok"
LONGEST: Final = 1000  # characters of an answer
ASKED: Final = ("systemctl", "show", ENGINES_TARGET, "--property=LoadState", "--property=ActiveState")
RUNNING: Final = frozenset({"active", "activating", "reloading"})
Run = Callable[[Sequence[str]], str]


def run(command: Sequence[str]) -> str:
    """What a command prints. PowerUnanswered where it does not say."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S, check=True).stdout
    except subprocess.CalledProcessError as error:
        raise PowerUnanswered(f"{command[0]}: {error.stderr.strip()[:LONGEST]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PowerUnanswered(f"{command[0]}: {error}") from error


class SystemdPower:
    """The engines of this machine. `run` asks systemd; `door` is the path of the socket that takes orders."""

    def __init__(self, *, run: Run = run, door: str = POWER_SOCKET, config: str = AGENT_CONFIG) -> None:
        self._run, self._door, self._config = run, door, Path(config)

    def describe(self, instance_id: str) -> Machine:
        """`running` or `stopped`; `missing` where this machine is another, or was never deployed."""
        ours = self._ours()
        if ours is None or ours.instance_id != instance_id:
            return Machine(instance_id, "missing")
        said = dict(line.partition("=")[::2] for line in self._run(ASKED).splitlines())
        if said.get("LoadState") != "loaded":
            return Machine(instance_id, "missing", f"systemd has no {ENGINES_TARGET}")
        state = "running" if said.get("ActiveState") in RUNNING else "stopped"
        return Machine(instance_id, state, tags={TAG_UNIT: ours.unit, TAG_CONTROL: ours.unit})

    def describe_fleet(self, machines: Mapping[str, str]) -> dict[str, Machine]:
        """There is one machine, and so no other with a unit's name on it."""
        return {each: self.describe(each) for each in machines.values()}

    def start(self, instance_id: str) -> None:
        """Start the engines. PowerRefused where this is another machine, or systemd says no."""
        self._order("start", instance_id)

    def stop(self, instance_id: str) -> None:
        """Stop the engines, whatever they do."""
        self._order("stop", instance_id)

    def _order(self, verb: str, instance_id: str) -> None:
        ours = self._ours()
        if ours is None or ours.instance_id != instance_id:
            raise PowerRefused("OtherMachine", f"this machine is not {instance_id}. Run `fab deploy`.")
        if (said := self._ask(verb)) != DONE:
            raise PowerRefused("systemd", said or f"no answer to {verb}")

    def _ask(self, verb: str) -> str:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(COMMAND_S)
                line.connect(self._door)
                line.sendall(f"{verb}\n".encode())
                with line.makefile(encoding="utf-8", errors="replace") as answer:
                    return answer.read(LONGEST).strip()
        except OSError as error:
            raise PowerUnanswered(f"{self._door}: {error}") from error

    def _ours(self) -> HostConfig | None:
        """What this machine says that it is; None where it does not say."""
        try:
            return HostConfig.from_json(self._config.read_text())
        except (OSError, ContractError):
            return None
