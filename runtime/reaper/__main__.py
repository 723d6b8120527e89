"""`python -m runtime.reaper --config FILE`: one pass, for a timer of a machine's own. FILE is a ReaperConfig.

Prints the summary as one JSON object and exits 0; 1 where the pass could not do its work, 2 for a file that cannot be
read. A timer starts it every minute; a pass that takes longer than `--seconds` leaves the rest to the next one.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from pathlib import Path

from core.contract.documents import ReaperConfig
from core.contract.paths import REAPER_CONFIG
from core.errors import ContractError, PilotlightError
from runtime import backends, logs
from runtime.backends.leases import StoreUnavailable
from runtime.backends.power import PowerUnanswered
from runtime.reaper.passes import Whom, reaper

log = logging.getLogger("pilotlight.reaper")


def main(argv: list[str] | None = None) -> int:
    """One pass."""
    options = _parser().parse_args(argv)
    logs.configure()
    try:
        config = _read(options.config)
        whom = Whom(config.place.control, config.topic, config.plain_instances)
        ours = reaper(backends.open(config.place), whom)
    except PilotlightError as error:
        log.error("%s", error)
        return 2
    ends = time.monotonic() + options.seconds
    try:
        summary = ours.run(lambda: ends - time.monotonic(), options.unit)
    except (StoreUnavailable, PowerUnanswered) as error:
        log.error("nothing could be done: %s", error)
        return 1
    sys.stdout.write(json.dumps(summary, sort_keys=True) + "\n")
    return 0


def _read(path: str) -> ReaperConfig:
    try:
        return ReaperConfig.from_json(Path(path).read_text())
    except OSError as error:
        raise ContractError(f"Cannot read {path}: {error.strerror}. Run `fab deploy`.") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runtime.reaper", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", default=REAPER_CONFIG, help="default: %(default)s")
    parser.add_argument("--unit", help="this unit only, e.g. demo/host")
    parser.add_argument("--seconds", type=float, default=60.0, help="the pass ends within so many (default: 60)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
