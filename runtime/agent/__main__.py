"""`python -m runtime.agent`: the loop, until systemd ends it. Logs are one JSON object a line, for the journal."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from core.contract import AGENT_CONFIG, HostConfig
from core.errors import ContractError, PilotlightError
from runtime.agent.agent import Agent
from runtime.agent.door import Door
from runtime.agent.engines import Engine
from runtime.agent.look import connections_to
from runtime.agent.machine import Machine
from runtime.lease_store.dynamodb import DynamoLeaseStore


class JsonLines(logging.Formatter):
    """One JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, Any] = {"level": record.levelname, "message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def main() -> int:
    """Run until SIGTERM. A configuration that cannot be read is one message and exit code 2."""
    _log_to_journal()
    signal.signal(signal.SIGTERM, _end)
    try:
        agent = _agent(_arguments().config)
    except PilotlightError as error:
        logging.getLogger("pilotlight.agent").error("%s", error)
        return 2
    while True:
        time.sleep(agent.tick())


def _agent(path: str) -> Agent:
    try:
        config = HostConfig.from_json(Path(path).read_text())
    except OSError as error:
        raise ContractError(f"Cannot read {path}: {error}. Run `fab deploy`.") from error
    engines = [Engine(e) for e in config.engines]
    door = Door([e.port for e in engines])
    store = DynamoLeaseStore(config.table, config.region)
    return Agent(config, store, Machine(), engines, door=door, connections=connections_to)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m runtime.agent", description="The host's agent.")
    parser.add_argument("--config", default=AGENT_CONFIG, help="agent.json (default: %(default)s)")
    return parser.parse_args()


def _log_to_journal() -> None:
    out = logging.StreamHandler(sys.stdout)
    out.setFormatter(JsonLines())
    root = logging.getLogger("pilotlight")
    root.addHandler(out)
    root.setLevel(logging.INFO)
    root.propagate = False


def _end(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
