"""What the gateway costs beside other gateways, before the same engine. `python -m bench.gateway [--json] [--rounds N]`

Every round asks each of them in turn: short requests and fast streams of 16 callers, then the first byte of paced
streams, 1, 16 and 256 at a time. All share this computer with the callers and the engine (`gauge/`), so a ratio to
`direct` of the same round is what counts; the load of the computer is printed beside it. The processor time that a
short request takes of callers, gateway and engine together hardly depends on that load.

Ours asks the engine on one connection a request, which is what its stops rest on; the others keep theirs. At the end
1,000 and 500 callers wait at our relays for a host that is off.

GoModel and Bifrost are not here: the Go module proxy has no version of either that could be built.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.gateway import figures, programs
from bench.gateway.figures import CPU, DIRECT, EVENTS, OURS, RPS, STREAMS, Figures, Round, p50, p99
from bench.gateway.ours import Gateway, Waited, ask, running, wait_and_release
from bench.gateway.processes import cpu_s
from bench.gateway.rivals import ALL, Ground, Rival
from core.errors import PilotlightError
from local.setup.site import this_computer

SECONDS: Final = 0.8  # of each measurement
CALLERS: Final = 16
STREAM_EVENTS: Final = 200  # of a stream that goes as fast as it can
SLOW_RPS: Final = 100  # whoever answers fewer would need a minute for the largest number of streams
PACE: Final = {1: (5, 1_000), 16: (10, 10_000), 256: (10, 30_000)}  # streams → events, µs between two


class Spoiled(PilotlightError):
    """A rival that answers with errors cannot be compared."""


def measure(gauge: Path, engine: int, rival: Rival) -> Figures:
    """One rival in one round. `engine`: the engine's process."""
    found = {}
    before = cpu_s([engine]) + rival.cpu_s()
    plain = _asked(gauge, rival, "-count", CALLERS)
    found[RPS] = plain["requests"] / plain["seconds"]
    found[CPU] = (cpu_s([engine]) + rival.cpu_s() - before + plain["cpu_s"]) * 1e6 / plain["requests"]
    streams = _asked(gauge, rival, "-count", CALLERS, "-events", STREAM_EVENTS)
    found[EVENTS] = streams["events"] / streams["seconds"]
    for count in STREAMS if found[RPS] >= SLOW_RPS else STREAMS[:-1]:
        events, gap_us = PACE[count]
        paced = _asked(gauge, rival, "-count", count, "-events", events, "-gap-us", gap_us)
        found |= {p50(count): paced["p50_ms"], p99(count): paced["p99_ms"]}
    return found


def _asked(gauge: Path, rival: Rival, *options: object) -> dict[str, float]:
    found = ask(gauge, rival.url, "-seconds", SECONDS, *options)
    if found["errors"] or not found["requests"]:
        raise Spoiled(f"{rival.name} answered {found['errors']} of its callers with an error: {found['error']}")
    return found


def rounds(gauge: Path, engine: int, rivals: Sequence[Rival], count: int) -> list[Round]:
    """Interleaved, and each begins with another rival."""
    for rival in rivals:
        ask(gauge, rival.url, "-seconds", SECONDS / 2, "-count", CALLERS)  # what is loaded at the first request
    made: list[Round] = []
    for number in range(count):
        turn = number % len(rivals)
        made.append({rival.name: measure(gauge, engine, rival) for rival in (*rivals[turn:], *rivals[:turn])})
        say(f"round {number + 1} of {count}, load {os.getloadavg()[0]:.1f}")
    return made


def say(words: str) -> None:
    """Progress, which is no result."""
    print(words, file=sys.stderr, flush=True)


def waited(gateway: Gateway) -> tuple[Waited, Waited]:
    """1,000 callers and 500; a few before them, for what the relays load at their first wake."""
    say("callers wait for a host that is off")
    wait_and_release(gateway, 10)
    return wait_and_release(gateway, 1000), wait_and_release(gateway, 500)


def main(argv: Sequence[str] | None = None) -> int:
    """Print what was measured; `--json` one flat object last."""
    args = _arguments().parse_args(argv)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # moto's
    wanted = [name for name in ALL if name not in args.without]
    try:
        with contextlib.ExitStack() as stack:
            site, folder = this_computer(), Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pl-bench-")))
            folder.chmod(0o755)
            gauge = programs.gauge(site, say)
            gateway = stack.enter_context(running(folder / "ours", gauge))
            ground = Ground(site, say, folder, gateway, stack)
            rivals = [ALL[name](ground) for name in wanted]
            made = rounds(gauge, gateway.processes["engine"].pid, rivals, args.rounds)
            resident = {rival.name: rival.resident_mib() for rival in rivals}
            many, some = waited(gateway)
    except PilotlightError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _show(made, rivals, resident, many, some)
    if args.json:
        print(json.dumps(figures.flat(made, held_mib=many.grown_mib, errors=some.errors)))
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=(__doc__ or "").splitlines()[0])
    others = [name for name in ALL if name not in (DIRECT, OURS)]
    parser.add_argument("--rounds", type=int, default=3, help="of all gateways in turn (default: %(default)s)")
    parser.add_argument("--without", nargs="+", choices=others, default=[], metavar="NAME", help="leave some out")
    parser.add_argument("--json", action="store_true", help="print one flat JSON object last")
    return parser


def _show(made: Sequence[Round], rivals: Sequence[Rival], resident: dict[str, float], *crowds: Waited) -> None:
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load}")
    latency = [f"first byte, {count} at once: p50 / p99 ms" for count in STREAMS]
    table = Table("", "req/s", "of direct", "CPU µs", "events/s", "of direct", *latency, "MiB")
    for rival in rivals:
        mib = f"{resident[rival.name]:.0f}" if rival.pids else ""
        table.add_row(rival.words, *figures.row(made, rival.name), mib)
    Console(width=None if sys.stdout.isatty() else 180).print(table)
    for crowd in crowds:
        print(
            f"{crowd.callers} callers waited: {crowd.grown_mib:.0f} MiB beside the relays' own, {crowd.errors} errors"
        )


if __name__ == "__main__":
    sys.exit(main())
