"""A request storm across the whole drain: does a stop ever lose a request? `python -m bench.storm --cycles 20 [--json]`

A cycle is a stop and the wake after it. In it the host gets idle, the deployed reaper runs every few seconds until it
drains, and requests (short ones and long streams) come at random moments over drain, stop and wake while one injected
fault is at work; a round that ended in a veto is followed by another one until the cycle had its stop. Real parts:
Pulumi, SSH, systemd, HAProxy, nftables, vLLM; AWS's API is the embedded cloud's. `storm_callers.py` says what counts as
answered, `storm_faults.py` what goes wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from bench.storm_callers import PLACES, Request, Tally, plan, send_all
from bench.storm_faults import FAULTS, Ground
from core.errors import CloudError, PilotlightError
from local.cloud import client
from local.demo.narrator import Narrator
from local.demo.observe import wait_for
from local.demo.story import Story

STOP_AFTER: Final = "5s"
REAP_EVERY_S: Final = 3.0
DRAIN_S: Final = 300.0
SETTLE_S: Final = 420.0
SETTLE_EVERY_S: Final = 20.0
ROUNDS: Final = 8  # a cycle without a stop after so many drains is an error of the bench, or of the product
SETTLED: Final = ("RUNNING", "STOPPED", "FAILED")
Say = Callable[[str], None]


def reap(ground: Ground) -> None:
    """Run the deployed reaper once, as its schedule would; a pass that a fault spoils is the next one's."""
    try:
        ground.cloud.client("lambda").invoke(FunctionName=ground.reaper, Payload=b"{}")
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(f"reaper: {error}\n")


def until_draining(ground: Ground) -> None:
    """Nobody asks, and the reaper looks every few seconds, until a drain begins."""
    epoch = int(ground.watch.lease()["epoch"])

    def begun() -> bool:
        reap(ground)
        return any(e["after"] == "DRAINING" for e in ground.watch.events(epoch))

    wait_for(begun, DRAIN_S, lambda: f"no drain; the lease says {ground.watch.words()}", every_s=REAP_EVERY_S)


def left_running(ground: Ground) -> int:
    """0 where the machine is off within five minutes of the last request."""

    def off() -> bool:
        reap(ground)
        return ground.watch.ec2_state() == "stopped"

    try:
        wait_for(off, DRAIN_S, ground.watch.words, every_s=REAP_EVERY_S)
    except CloudError:
        return 1
    return 0


def settle(ground: Ground, tally: Tally, fault: str) -> None:
    """Awake, and no stop under way: one that began in the round may end only after its last request was answered.

    After a fault of capacity callers are refused until the ladder tries again, five minutes later.
    """

    def awake() -> bool:
        send_all(ground, tally, [Request(0.0, streamed=False)], fault)
        wait_for(lambda: ground.watch.lease()["state"] in SETTLED, DRAIN_S, ground.watch.words)
        return bool(ground.watch.lease()["state"] == "RUNNING")

    wait_for(awake, SETTLE_S, ground.watch.words, every_s=SETTLE_EVERY_S)


def cycle(ground: Ground, tally: Tally, fault: str, dice: random.Random) -> str:
    """Rounds until a stop and a wake happened; what they were, in words."""
    began = int(ground.watch.lease()["epoch"])
    for before in range(ROUNDS):
        until_draining(ground)
        FAULTS[fault](ground, dice)
        send_all(ground, tally, plan(dice, fault, before), fault)
        ground.cloud.clear_faults()
        settle(ground, tally, fault)
        seen = [str(e["after"]) for e in ground.watch.events(began)]
        if "STOPPED" in seen:
            return f"{seen.count('DRAINING')} drains, {seen.count('STOPPED')} stops"
    raise CloudError(f"{ROUNDS} drains without one stop; the lease says {ground.watch.words()}")


def run(ground: Ground, faults: list[str], seed: int, say: Say) -> dict[str, Any]:
    """A cycle a fault; the flat result."""
    tally, dice, begun = Tally(), random.Random(seed), int(ground.watch.lease()["epoch"])
    for number, fault in enumerate(faults, 1):
        how = cycle(ground, tally, fault, dice)
        say(f"cycle {number} of {len(faults)}, {fault}: {how}; so far {dict(tally.counts)}")
        for line in tally.wrong:
            say(f"  {line}")
        tally.wrong.clear()
    states = [str(e["after"]) for e in ground.watch.events(begun)]
    still = left_running(ground)
    names = ["sent", "answered", "refused_properly", "lost", "streams_cut"]
    events = {"drains": states.count("DRAINING"), "stops": states.count("STOPPED"), "wakes": states.count("STARTING")}
    return {"cycles": len(faults)} | {n: tally.counts[n] for n in names} | {"left_running": still} | events


def main(argv: list[str]) -> int:
    """Exit code 0 where nothing was lost, cut or left running."""
    args = _arguments().parse_args(argv)
    names = args.faults or list(FAULTS)
    narrator = Narrator()
    story = Story(narrator, idle={"stopAfter": STOP_AFTER}, gateway={"instanceType": "t4g.small", "queueMax": PLACES})
    try:
        story.create()
        story.deploy()
        story.ask_first()
        ground = Ground(story.cloud, story.watch, story.caller)
        found = run(ground, [names[n % len(names)] for n in range(args.cycles)], args.seed, narrator.say)
    except PilotlightError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        if not args.keep:
            client.down()
    _print(found)
    if args.json:
        print(json.dumps(found))
    return 0 if not (found["lost"] or found["streams_cut"] or found["left_running"]) else 1


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.storm", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cycles", type=int, default=3, help="stops with their wakes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which requests come")
    parser.add_argument("--faults", nargs="+", choices=list(FAULTS), metavar="NAME", help="only these, in turn")
    parser.add_argument("--keep", action="store_true", help="leave the embedded cloud up")
    parser.add_argument("--json", action="store_true", help="print one flat JSON object last")
    return parser


def _print(found: dict[str, Any]) -> None:
    table = Table("what", "count", "of those sent", title="Request storm across the drain")
    for name, value in found.items():
        part = f"{value / found['sent']:.1%}" if name in ("answered", "refused_properly", "lost", "streams_cut") else ""
        table.add_row(name, str(value), part)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
