"""What the host's two programs (agent, dead-man's switch) begin with: arguments, agent.json, a log for the journal, and
what of this machine is turned off.
"""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from types import FrameType

from core.contract.documents import HostConfig
from core.contract.paths import AGENT_CONFIG
from core.errors import ContractError
from runtime import logs
from runtime.agent.engine_target import EngineTarget
from runtime.agent.machine import Machine


def begin(module: str, description: str) -> HostConfig:
    """Log to the journal, end on SIGTERM, read agent.json; ContractError where it cannot be read."""
    logs.to_stdout()
    signal.signal(signal.SIGTERM, _end)
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--config", default=AGENT_CONFIG, help="agent.json (default: %(default)s)")
    path = parser.parse_args().config
    try:
        return HostConfig.from_json(Path(path).read_text())
    except OSError as error:
        raise ContractError(f"Cannot read {path}: {error}. Run `fab deploy`.") from error


def machine_of(config: HostConfig) -> Machine | EngineTarget:
    """What a stop turns off: this machine, or its engines where it stays on."""
    return EngineTarget() if config.stays_on else Machine()


def _end(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)
