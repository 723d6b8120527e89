"""When a machine without an agent is stopped: only with every figure there and small. Each row takes one thing away."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from core.contract.tags import TAG_AUTO_STOP, TAG_CONTROL, TAG_DEPLOYMENT, TAG_UNIT
from core.plain import (
    IDLE_BYTES,
    IDLE_CPU_PERCENT,
    LAG_S,
    PERIOD_S,
    TAG_GROUP,
    PlainMachine,
    Usage,
    Window,
    decide,
    is_plain,
    needs,
)

NOW = 1_800_000_000.0  # a whole number of periods
LAST = NOW - LAG_S - PERIOD_S  # the youngest period that must be there
MACHINE = PlainMachine("i-1", {TAG_AUTO_STOP: "45m"}, NOW - 86400.0, vcpus=4)
STARTS = [LAST - n * PERIOD_S for n in range(9)]  # 45 minutes


def usage(cpu: dict[float, float] | None = None, net: dict[float, float] | None = None) -> Usage:
    """Idle for 45 minutes, with some figures changed; None takes a figure away."""
    cpus = dict.fromkeys(STARTS, 0.4) | (cpu or {})
    bytes_in = dict.fromkeys(STARTS, 40_000.0) | (net or {})
    return Usage(*({at: v for at, v in f.items() if v is not None} for f in (cpus, bytes_in)))


def machine(tag: str = "45m", **changes: Any) -> PlainMachine:
    tags = {TAG_AUTO_STOP: tag} | changes.pop("tags", {})
    return dataclasses.replace(MACHINE, tags=tags, **changes)


def test_idle_for_the_tags_time_is_stopped() -> None:
    verdict = decide(MACHINE, usage(), NOW)
    assert (verdict.stop, verdict.reason, verdict.alert) == (True, "no evidence of use for 45m", "plain-stopped")


@pytest.mark.parametrize(
    ("it", "figures", "words"),
    [
        (machine("off"), usage(), "is off"),
        (machine(" OFF "), usage(), "is off"),
        (machine(lifecycle="spot"), usage(), "spot instance"),
        (machine(tags={TAG_GROUP: "web"}), usage(), "auto scaling group web"),
        (machine(vcpus=0), usage(), "how many processors"),
        (machine(launched_at=STARTS[-1] + 1), usage(), "up for"),
        (machine(), Usage(), "0 of 9 CPU figures"),
        (machine(), usage({STARTS[4]: None}), "8 of 9 CPU figures"),  # type: ignore[dict-item]
        (machine(), usage({}, {STARTS[0]: None}), "8 of 9 network figures"),  # type: ignore[dict-item]
        (machine(), usage({}, {STARTS[8]: None}), "8 of 9 network figures"),  # type: ignore[dict-item]
        (machine(), usage({STARTS[8]: IDLE_CPU_PERCENT}), "CPU 5%"),
        (machine(), usage({STARTS[0]: 99.0}), "in use 5m ago: CPU 99%"),
        (machine(), usage({}, {STARTS[3]: float(IDLE_BYTES)}), "network 1000000 bytes"),
        (machine(), usage({LAST + PERIOD_S: 99.0}), "in use 0s ago"),  # younger than what must be there
        (machine(), usage({STARTS[2]: float("nan")}), "in use"),
        (machine(), usage({STARTS[2]: -1.0}), "in use"),
        (machine("50m"), usage(), "9 of 10 CPU figures"),
        (machine("41m"), usage({STARTS[8]: None}), "8 of 9 CPU figures"),  # type: ignore[dict-item]
    ],
)
def test_any_doubt_keeps_it(it: PlainMachine, figures: Usage, words: str) -> None:
    verdict = decide(it, figures, NOW)
    assert (verdict.stop, verdict.alert) == (False, "")
    assert words in verdict.reason


@pytest.mark.parametrize("tag", ["30 minuts", "", "-5m", "1h30", "on"])
def test_a_tag_that_cannot_be_read_is_reported_and_never_guessed(tag: str) -> None:
    verdict = decide(machine(tag), usage(), NOW)
    assert (verdict.stop, verdict.alert) == (False, "plain-tag")
    assert f'"{tag}" is not a duration' in verdict.reason


@pytest.mark.parametrize(("tag", "figures"), [("5s", 3), ("1m", 3), ("15m", 3), ("16m", 4), ("1h", 12)])
def test_the_time_that_counts(tag: str, figures: int) -> None:
    window = needs(machine(tag), NOW)
    assert isinstance(window, Window)
    assert list(window.periods()) == [LAST - n * PERIOD_S for n in reversed(range(figures))]


@pytest.mark.parametrize("late", [0.0, 1.0, 299.0])
def test_a_figure_that_is_not_due_yet_is_not_missed(late: float) -> None:
    assert decide(MACHINE, usage(), NOW + late).stop
    assert not decide(MACHINE, usage(), NOW + PERIOD_S).stop


def test_one_busy_processor_of_many_is_use() -> None:
    """1.1 % of 96 processors is one that works."""
    one = usage({STARTS[5]: 1.1})
    assert decide(machine(vcpus=4), one, NOW).stop
    assert not decide(machine(vcpus=96), one, NOW).stop


def test_when_it_is_worth_a_look_again() -> None:
    busy = decide(MACHINE, usage({STARTS[2]: 50.0}), NOW)
    assert busy.look_again_at is not None
    quiet = {at + 9 * PERIOD_S: 0.4 for at in STARTS}
    for earlier, stop in ((PERIOD_S, False), (0.0, True)):
        now = busy.look_again_at - earlier
        figures = Usage(usage({STARTS[2]: 50.0}).cpu_percent | quiet, dict.fromkeys([*STARTS, *quiet], 10.0))
        assert decide(MACHINE, figures, now).stop is stop
    young = needs(machine(launched_at=NOW - 10), NOW)
    assert not isinstance(young, Window)
    assert young.look_again_at is not None
    assert isinstance(needs(machine(launched_at=NOW - 10), young.look_again_at), Window)


@pytest.mark.parametrize("tag", [TAG_UNIT, TAG_DEPLOYMENT, TAG_CONTROL])
def test_a_deployments_machine_is_none(tag: str) -> None:
    assert is_plain({TAG_AUTO_STOP: "30m", "Name": "x"})
    assert not is_plain({TAG_AUTO_STOP: "30m", tag: "x"})
    assert not is_plain({"Name": "x"})
