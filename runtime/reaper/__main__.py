"""`python -m runtime.reaper --config FILE`: the reaper on a machine's own. FILE is a ReaperConfig.

One pass, or with `--every 60` one a minute until it is ended: what people were told of broken units is remembered in
the process, so a timer that starts it anew each minute would tell it each minute. A summary is one JSON object a line.
It exits with 1 where a pass could not do its work (with `--every` the next one tries again), with 2 for a file that
cannot be read. A pass that takes longer than `--seconds` leaves the rest to the next one.
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
from runtime.reaper.passes import Reaper, Whom, reaper

log = logging.getLogger("pilotlight.reaper")


def main(argv: list[str] | None = None) -> int:
    """Until it is ended, or once."""
    options = _parser().parse_args(argv)
    logs.configure()
    try:
        config = _read(options.config)
        whom = Whom(config.place.control, config.topic, config.plain_instances)
        ours = reaper(backends.open(config.place), whom)
    except PilotlightError as error:
        log.error("%s", error)
        return 2
    while True:
        began = time.monotonic()
        worked = _pass(ours, options)
        if not options.every:
            return 0 if worked else 1
        time.sleep(max(0.0, began + options.every - time.monotonic()))


def _pass(ours: Reaper, options: argparse.Namespace) -> bool:
    """One pass, and its summary; False where nothing could be done."""
    ends = time.monotonic() + options.seconds
    try:
        summary = ours.run(lambda: ends - time.monotonic(), options.unit)
    except (StoreUnavailable, PowerUnanswered) as error:
        log.error("nothing could be done: %s", error)
        return False
    sys.stdout.write(json.dumps(summary, sort_keys=True) + "\n")
    sys.stdout.flush()
    return True


def _read(path: str) -> ReaperConfig:
    try:
        config = ReaperConfig.from_json(Path(path).read_text())
    except OSError as error:
        raise ContractError(f"Cannot read {path}: {error.strerror}. Run `fab deploy`.") from error
    if not config.place.control:  # else every machine with a unit's tag and no control's would be its own
        raise ContractError(f"{path} has no place.control, so nothing says whose machines are meant. Run `fab deploy`.")
    return config


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runtime.reaper", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", default=REAPER_CONFIG, help="default: %(default)s")
    parser.add_argument("--unit", help="this unit only, e.g. demo/host")
    parser.add_argument("--seconds", type=float, default=60.0, help="the pass ends within so many (default: 60)")
    parser.add_argument("--every", type=float, default=0.0, help="again every so many seconds (default: one pass)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
