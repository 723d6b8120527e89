"""What is broken on purpose while requests storm over a drain: a name, and a function that breaks it.

A fault is put in place when a drain begins (`FAULTS[name](ground, dice)`), and mends itself by count or time. To add
one: a function below and a line in FAULTS; where a proper refusal is the right answer to it, its name in MAY_REFUSE.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from core.contract.documents import Outputs
from core.contract.paths import AGENT_UNIT, RELAY_UNITS
from local.cloud.client import Cloud
from local.demo.caller import Caller
from local.demo.observe import Observer

CUT_S: Final = 12  # the wire between host and gateway
DEAF_S: Final = 40  # the gateway's way to the table
SHORT_S: Final = 15  # the host's: it must hear of a drain, or there is no stop
REAPER_CALLS: Final = 8  # of a pass over one host, about


@dataclass(frozen=True)
class Ground:
    """The stack under the storm: its cloud, a way to look at it, and the unmodified client."""

    cloud: Cloud
    watch: Observer
    caller: Caller

    @property
    def reaper(self) -> str:
        """The deployed reaper's function name."""
        return self.watch.outputs[Outputs.REAPER]


Fault = Callable[[Ground, random.Random], None]


def _kill(ground: Ground, machine: str, unit: str) -> None:
    """kill -9, as a crash would; a machine that is off has nothing to kill."""
    if ground.watch.container_state(machine) == "running":
        ground.watch.inside(machine, "systemctl", "kill", "--signal=KILL", unit)


def _call(action: str, *, of: str = "", **options: object) -> Fault:
    """A fault of AWS's API; `of` is the output that holds the caller's address."""

    def put(ground: Ground, _: random.Random) -> None:
        source = {"source": ground.watch.outputs[of]} if of else {}
        ground.cloud.fault(action, **source, **options)

    return put


def _relays_killed(ground: Ground, _: random.Random) -> None:
    for unit in RELAY_UNITS:
        _kill(ground, ground.watch.gateway, unit)


def _reaper_killed(ground: Ground, dice: random.Random) -> None:
    """Three passes end anywhere between two of their calls."""
    for _ in range(3):
        skip = dice.randrange(REAPER_CALLS)
        ground.cloud.fault("*:*", source=f"lambda:{ground.reaper}", crash=True, count=1, skip=skip)


def _reaper_killed_after_a_write(ground: Ground, _: random.Random) -> None:
    """The write is applied, and the pass that sent it is gone before the next."""
    for write in ("dynamodb:TransactWriteItems", "dynamodb:UpdateItem", "ec2:StartInstances"):
        ground.cloud.fault(write, source=f"lambda:{ground.reaper}", crash=True, applied=True, count=1)


def _wire_cut(ground: Ground, _: random.Random) -> None:
    """Nothing passes between host and gateway for CUT_S, in the host's network namespace; it mends itself."""
    if ground.watch.container_state() != "running":
        return
    gateway = ground.watch.outputs[Outputs.GATEWAY_PRIVATE_IP]
    rules = (
        "table inet storm {",
        f"chain in {{ type filter hook input priority -20; ip saddr {gateway} drop; }}",
        f"chain out {{ type filter hook output priority -20; ip daddr {gateway} drop; }}",
        "}",
    )
    lines = " ".join(f"'{line}'" for line in rules)
    timer = f"--on-active={CUT_S} --timer-property=AccuracySec=100ms"  # a timer of systemd may come a minute late else
    mend = f"systemd-run --collect --quiet {timer} nft delete table inet storm"
    ground.watch.inside(ground.watch.host, "sh", "-c", f"printf '%s\\n' {lines} | nft -f - && {mend}")


NONE: Final = "none"
CAPACITY_ONCE: Final = "no capacity once"
CAPACITY: Final = "no capacity for 20 s"
FULL: Final = "full queue"
FAULTS: Final[dict[str, Fault]] = {
    NONE: lambda _, __: None,
    "a relay killed": lambda g, dice: _kill(g, g.watch.gateway, dice.choice(RELAY_UNITS)),
    "both relays killed": _relays_killed,
    "agent killed": lambda g, _: _kill(g, g.watch.host, AGENT_UNIT),
    "host and gateway cut": _wire_cut,
    "reaper killed between calls": _reaper_killed,
    "table refuses for 60 s": _call("dynamodb:*", seconds=60),
    CAPACITY_ONCE: _call("ec2:StartInstances", error="InsufficientInstanceCapacity", count=1),
    CAPACITY: _call("ec2:StartInstances", error="InsufficientInstanceCapacity", seconds=20),
    "slow stopping": _call("stopping", delay_s=15),
    "a write's answer lost": _call("dynamodb:TransactWriteItems", count=1, applied=True),
    "reaper killed after a write": _reaper_killed_after_a_write,
    "table throttled": _call("dynamodb:*", error="ProvisionedThroughputExceededException", count=10),
    "EC2 throttled": _call("ec2:*", error="RequestLimitExceeded", count=6),
    "gateway cut off from the table": _call("dynamodb:*", seconds=DEAF_S, of=Outputs.GATEWAY_PRIVATE_IP),
    "host cut off from the table": _call("dynamodb:*", seconds=SHORT_S, of=Outputs.HOST_PRIVATE_IP),
    FULL: lambda _, __: None,  # more callers than places are the fault: `bench/storm.py` sends them
}
MAY_REFUSE: Final = frozenset({CAPACITY_ONCE, CAPACITY, FULL})
