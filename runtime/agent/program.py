"""What the host's two programs (agent, dead-man's switch) begin with: arguments, agent.json, a log for the journal."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from core.contract import AGENT_CONFIG, HostConfig
from core.errors import ContractError


class JsonLines(logging.Formatter):
    """One JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, Any] = {"level": record.levelname, "message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def begin(module: str, description: str) -> HostConfig:
    """Log to the journal, end on SIGTERM, read agent.json; ContractError where it cannot be read."""
    _log_to_journal()
    signal.signal(signal.SIGTERM, _end)
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--config", default=AGENT_CONFIG, help="agent.json (default: %(default)s)")
    path = parser.parse_args().config
    try:
        return HostConfig.from_json(Path(path).read_text())
    except OSError as error:
        raise ContractError(f"Cannot read {path}: {error}. Run `fab deploy`.") from error


def _log_to_journal() -> None:
    out = logging.StreamHandler(sys.stdout)
    out.setFormatter(JsonLines())
    root = logging.getLogger("pilotlight")
    root.addHandler(out)
    root.setLevel(logging.INFO)
    root.propagate = False


def _end(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)
