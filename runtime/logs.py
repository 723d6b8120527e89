"""Logs on machines and in Lambda: one JSON object a line, the same keys everywhere.

`{"at", "level", "part", "what", …facts, "traceback"?}`: `at` is ISO 8601 in UTC, `part` the logger's name, `what` the
words. Call one of the two below once, where a program begins; log with `log.info("what", extra={"facts": {...}})`.
Never a prompt, a key or a webhook's URL.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

OURS: Final = "pilotlight"  # every logger of ours is below it


class JsonFormatter(logging.Formatter):
    """One line a record; facts never hide what a line is found by."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": record.levelname.lower(), "part": record.name, "what": record.getMessage()}
        line |= {k: v for k, v in getattr(record, "facts", {}).items() if k not in line}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: int = logging.INFO) -> None:
    """Everything to standard error, libraries' warnings too; their chatter below WARNING is left out."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("botocore", "boto3", "urllib3", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)


def to_stdout(level: int = logging.INFO) -> None:
    """What is ours to standard output, past the root's handlers: Lambda's own would print it once more, as text."""
    ours = logging.getLogger(OURS)
    if any(isinstance(handler.formatter, JsonFormatter) for handler in ours.handlers):
        return  # a warm Lambda begins many times
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    ours.addHandler(handler)
    ours.setLevel(level)
    ours.propagate = False
