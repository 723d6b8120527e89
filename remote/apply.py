"""Applying a plan: step by step on one machine, each said when it is done; a failure names machine, item and cause."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from core.errors import DeployError
from remote.items import Item
from remote.items.containers import ContainerUnit
from remote.items.units import Unit
from remote.machines.facts import Facts
from remote.machines.transport import Machine, tail
from remote.plan import Step
from remote.progress import Progress


def apply(
    machine: Machine,
    steps: Sequence[Step],
    facts: Facts,
    progress: Progress,
    *,
    before_agent: Callable[[], None] = lambda: None,
) -> None:
    """Do the steps in order. `before_agent` is called before a unit that may only start under an inhibitor.

    Raises:
        DeployError: a step failed; what was done before it stays, and the next run goes on from there.
    """
    for step in steps:
        if isinstance(step.item, Unit) and step.item.wait_for_inhibitor:
            before_agent()
        began = time.monotonic()
        line = f"{machine.role:<8} {step.text}"
        if step.item.slow:
            with progress.during(line):
                _do(machine, step.item, facts, progress)
        else:
            _do(machine, step.item, facts, progress)
        took = time.monotonic() - began
        progress.say(f"{machine.role:<8} done: {step.item.label} ({took:.1f} s)" if step.item.slow else line)


def _do(machine: Machine, item: Item, facts: Facts, progress: Progress) -> None:
    for order in item.orders(facts):
        result = machine.run(order.script, stdin=order.stdin, timeout_s=order.timeout_s)
        if result.code != 0:
            raise DeployError(_failed(machine, item, order.failure, tail(f"{result.err}\n{result.out}")))
        if order.tell and result.out.strip():
            progress.say(f"{machine.role:<8} {item.label}: {result.out.strip().splitlines()[-1]}")


def _failed(machine: Machine, item: Item, failure: str, said: str) -> str:
    """What failed, in the machine's own words, and where to look. Nothing after it was done."""
    stack, where = machine.where.stack, " --gateway" if machine.role == "gateway" else ""
    words = f" It said:\n{said}\n" if said else " "
    look = f"`fab ssh -s {stack}{where}` looks there"
    if isinstance(item, Unit | ContainerUnit):
        look = f"`fab logs -s {stack}` shows more, and {look}"
    return f"{machine.role}: {failure or item.label}.{words}{look}; `fab deploy -s {stack}` goes on from this step."
