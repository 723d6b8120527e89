"""A request storm across the whole drain: does a stop ever lose a request? `python -m bench.storm --cycles 20 [--json]`

Each cycle lets the host get idle, runs the deployed reaper every few seconds until it drains, and then sends requests
(short answers, half of them streamed) at random moments over the drain, the stop and the wake, with one injected
fault. Real parts: Pulumi, SSH, systemd, HAProxy, nftables, vLLM; AWS's API is the embedded cloud's.

A request counts as answered when its text is right and, streamed, when it came to its end. Refused properly is a
503/429 in OpenAI's shape while the fault was one of capacity. Anything else is lost, or a stream cut.
To add a fault: a line in FAULTS.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import openai
from rich.console import Console
from rich.table import Table

from core.contract import AGENT_UNIT, RELAY_UNIT, Outputs
from core.errors import CloudError, PilotlightError
from local.cloud import client
from local.demo.caller import QUESTION
from local.demo.narrator import Narrator
from local.demo.observe import Observer, wait_for
from local.demo.story import Story

STOP_AFTER: Final = "5s"
REQUESTS: Final = 12
SPREAD_S: Final = 20.0
CAPACITY: Final = "no capacity once"

Fault = Callable[[Observer], None]
FAULTS: Final[dict[str, Fault]] = {
    "none": lambda _: None,
    "relay killed": lambda w: _kill(w, w.gateway, RELAY_UNIT),
    "agent killed": lambda w: _kill(w, w.host, AGENT_UNIT),
    "slow stopping": lambda w: w.cloud.fault("stopping", delay_s=15),
    CAPACITY: lambda w: w.cloud.fault("ec2:StartInstances", error="InsufficientInstanceCapacity", count=1),
    "table throttled": lambda w: w.cloud.fault("dynamodb:*", error="ProvisionedThroughputExceededException", count=10),
    "a write's answer lost": lambda w: w.cloud.fault("dynamodb:TransactWriteItems", count=1, applied=True),
    "table refuses for 60 s": lambda w: w.cloud.fault("dynamodb:*", seconds=60),
}


@dataclass
class Tally:
    """What became of the requests. Safe for threads."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, why: str = "") -> None:
        """One more of `what`; `why` is kept for the report."""
        with self.lock:
            self.counts[what] += 1
            if why:
                self.wrong.append(f"{what}: {why}")


def _kill(watch: Observer, machine: str, unit: str) -> None:
    """kill -9, as a crash would; a machine that is off has nothing to kill."""
    if watch.container_state(machine) == "running":
        watch.inside(machine, "systemctl", "kill", "--signal=KILL", unit)


def ask(story: Story, tally: Tally, *, streamed: bool, fault: str) -> None:
    """One request by the unmodified client, judged."""
    tally.add("sent")
    try:
        text, ended = _stream(story) if streamed else (story.caller.ask(max_tokens=12).text, True)
    except openai.APIStatusError as error:
        proper = fault == CAPACITY and error.status_code in (429, 503) and bool(error.code)
        tally.add("refused_properly" if proper else "lost", "" if proper else f"{error.status_code} {error.message}")
    except openai.APIError as error:
        tally.add("streams_cut" if streamed else "lost", str(error))
    else:
        if not ended:
            tally.add("streams_cut", f"no end after “{text}”")
        else:
            tally.add("answered" if "Paris" in text else "lost", "" if "Paris" in text else f"answered “{text}”")


def _stream(story: Story) -> tuple[str, bool]:
    text, ended = "", False
    for chunk in story.caller.client.chat.completions.create(
        model=story.caller.model,
        messages=[{"role": "user", "content": QUESTION}],
        max_tokens=12,
        temperature=0,
        stream=True,
    ):
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
            ended = ended or chunk.choices[0].finish_reason is not None
    return text, ended


def storm(story: Story, tally: Tally, fault: str, dice: random.Random) -> None:
    """REQUESTS requests at random moments; the first may come late enough for the stop to win."""
    begin = dice.uniform(0.0, SPREAD_S / 2)
    moments = sorted(begin + dice.uniform(0.0, SPREAD_S) for _ in range(REQUESTS))
    start, threads = time.monotonic(), []
    for number, moment in enumerate(moments):
        time.sleep(max(0.0, start + moment - time.monotonic()))
        thread = threading.Thread(
            target=ask, args=(story, tally), kwargs={"streamed": number % 2 == 0, "fault": fault}, daemon=True
        )
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join(timeout=600)
        if thread.is_alive():
            tally.add("lost", "no answer in ten minutes")


def reap(story: Story) -> None:
    """Run the deployed reaper once, as its schedule would; a pass that an injected fault spoils is the next one's."""
    story.cloud.client("lambda").invoke(FunctionName=story.watch.outputs[Outputs.REAPER], Payload=b"{}")


def until_draining(story: Story) -> None:
    """Idle, and the reaper every 3 s, until a drain begins."""
    epoch = int(story.watch.lease()["epoch"])

    def begun() -> bool:
        reap(story)
        return any(e["after"] == "DRAINING" for e in story.watch.events(epoch))

    wait_for(begun, 300, lambda: f"no drain; the lease says {story.watch.words()}", every_s=3)


def left_running(story: Story) -> int:
    """0 where the machine is off within five minutes of the last request."""

    def off() -> bool:
        reap(story)
        return story.watch.ec2_state() == "stopped"

    try:
        wait_for(off, 300, story.watch.words, every_s=3)
    except CloudError:
        return 1
    return 0


def run(story: Story, cycles: int, seed: int) -> dict[str, Any]:
    """All cycles; the flat result."""
    tally, dice, names = Tally(), random.Random(seed), list(FAULTS)
    for cycle in range(cycles):
        fault = names[cycle % len(names)]
        with story.tell_line.step(f"cycle {cycle + 1} of {cycles}: {fault}") as said:
            until_draining(story)
            FAULTS[fault](story.watch)
            storm(story, tally, fault, dice)
            story.cloud.clear_faults()
            story.caller.ask(max_tokens=12)
            said.append(f"cycle {cycle + 1}: {fault}: {dict(tally.counts)}")
    still = left_running(story)
    for line in tally.wrong:
        story.tell_line.say(line)
    names = ["sent", "answered", "refused_properly", "lost", "streams_cut"]
    return {"cycles": cycles} | {n: tally.counts[n] for n in names} | {"left_running": still}


def main(argv: list[str]) -> int:
    """Exit code 0 where nothing was lost, cut or left running."""
    parser = argparse.ArgumentParser(prog="python -m bench.storm", description=__doc__)
    parser.add_argument("--cycles", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which requests come")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    story = Story(Narrator(), idle={"stopAfter": STOP_AFTER})
    try:
        story.create()
        story.deploy()
        story.ask_first()
        found = run(story, args.cycles, args.seed)
    except PilotlightError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        client.down()
    table = Table("what", "count", title="Request storm across the drain")
    for name, value in found.items():
        table.add_row(name, str(value))
    Console().print(table)
    if args.json:
        print(json.dumps(found))
    return 0 if not (found["lost"] or found["streams_cut"] or found["left_running"]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
