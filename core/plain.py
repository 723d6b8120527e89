"""Plain instances: machines with the tag pilotlight:auto-stop and nothing else of ours, stopped on CloudWatch's word.

Second-class, and meant to be: there is no agent to check, so a stop is decided on figures of five minutes that come
late and know nothing of a request that waits. Hence only a machine that EC2 and CloudWatch together prove idle is
stopped: every figure of the whole time must be there and be small. Anything missing, odd or unread keeps it, and says
why.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from core.codes import Alert
from core.contract.tags import TAG_AUTO_STOP, TAG_CONTROL, TAG_DEPLOYMENT, TAG_UNIT
from core.errors import SettingsError
from core.times import bounds
from core.times.durations import show

PERIOD_S: Final = 300.0  # of EC2's figures without detailed monitoring
LAG_S: Final = 300.0  # a period's figure is there this long after its end; later ones count as missing
SHORTEST_S: Final = 900.0  # less than three figures prove nothing
IDLE_CPU_PERCENT: Final = 5.0  # of the whole machine, at its busiest
IDLE_PROCESSORS: Final = 0.5  # of one processor: on a machine with many, 5 % of all is several busy ones
IDLE_BYTES: Final = 1_000_000  # received in five minutes; an idle Ubuntu hears some hundred kB (time, scans, updates)
TAG_GROUP: Final = "aws:autoscaling:groupName"  # its group would start another one


@dataclass(frozen=True)
class PlainMachine:
    """A running machine. `launched_at`: its last start, s; `vcpus` 0: not told; `lifecycle` "": on demand."""

    instance_id: str
    tags: Mapping[str, str]
    launched_at: float
    vcpus: int
    lifecycle: str = ""


@dataclass(frozen=True)
class Usage:
    """CloudWatch's figures by the start of their five minutes (s): the highest CPU in percent, the bytes received."""

    cpu_percent: Mapping[float, float] = field(default_factory=dict)
    bytes_in: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Window:
    """The time whose figures are needed, s; whole periods, `end` not included."""

    start: float
    end: float

    def periods(self) -> Iterator[float]:
        """The start of each period."""
        at = self.start
        while at < self.end:
            yield at
            at += PERIOD_S


@dataclass(frozen=True)
class Verdict:
    """Stop or keep, and why. `alert` is a stable key; before `look_again_at` (s) nothing can have changed."""

    stop: bool
    reason: str
    alert: str = ""
    look_again_at: float | None = None


def is_plain(tags: Mapping[str, str]) -> bool:
    """The auto-stop tag and nothing that a deployment, whosever, puts on its machines."""
    return TAG_AUTO_STOP in tags and not tags.keys() & {TAG_UNIT, TAG_DEPLOYMENT, TAG_CONTROL}


def needs(machine: PlainMachine, now: float) -> Window | Verdict:
    """The figures that a decision needs, or the decision that needs none."""
    try:
        limit = bounds.STOP_AFTER.limit(machine.tags.get(TAG_AUTO_STOP, ""))
    except SettingsError as error:
        return Verdict(False, f"tag {TAG_AUTO_STOP}: {error}; kept running until it is corrected", Alert.PLAIN_TAG)
    if limit is None:
        return Verdict(False, f"{TAG_AUTO_STOP} is off")
    if machine.lifecycle:
        return Verdict(
            False, f"a {machine.lifecycle} instance is not ours to stop: EC2 would start it again, or end it"
        )
    if TAG_GROUP in machine.tags:
        return Verdict(False, f"belongs to the auto scaling group {machine.tags[TAG_GROUP]}, which would replace it")
    if machine.vcpus <= 0:
        return Verdict(False, "EC2 does not say how many processors it has")
    return _window(machine, max(limit, SHORTEST_S), now)


def _window(machine: PlainMachine, length: float, now: float) -> Window | Verdict:
    periods = math.ceil(length / PERIOD_S)
    end = math.floor((now - LAG_S) / PERIOD_S) * PERIOD_S
    start = end - periods * PERIOD_S
    if machine.launched_at > start:
        enough = machine.launched_at + (periods + 1) * PERIOD_S + LAG_S
        return Verdict(False, f"up for {show(now - machine.launched_at)} only", look_again_at=enough)
    return Window(start, end)


def decide(machine: PlainMachine, usage: Usage, now: float) -> Verdict:
    """Stop only where every figure of the tag's time is there and small, and so is every younger one."""
    window = needs(machine, now)
    if isinstance(window, Verdict):
        return window
    percent = min(IDLE_CPU_PERCENT, 100.0 * IDLE_PROCESSORS / machine.vcpus)
    for name, figures, limit, unit in (
        ("CPU", usage.cpu_percent, percent, "%"),
        ("network", usage.bytes_in, float(IDLE_BYTES), " bytes in 5m"),
    ):
        busy = max((at for at, value in figures.items() if at >= window.start and not 0 <= value < limit), default=None)
        if busy is not None:
            length = window.end - window.start
            words = f"in use {show(max(0.0, now - busy - PERIOD_S))} ago: {name} {figures[busy]:.10g}{unit}"
            return Verdict(False, words, look_again_at=busy + PERIOD_S + length + LAG_S)
        wanted = list(window.periods())
        have = sum(at in figures for at in wanted)
        if have < len(wanted):
            return Verdict(False, f"CloudWatch has {have} of {len(wanted)} {name} figures of the time that counts")
    return Verdict(True, f"no evidence of use for {show(window.end - window.start)}", Alert.PLAIN_STOPPED)
