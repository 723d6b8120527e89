"""A stack on the embedded cloud: made by the real Pulumi engine, read back as settings and outputs."""

from __future__ import annotations

import json
from typing import Any

import yaml

from core import money
from core.lease import Event
from core.settings import StackSettings, load
from core.settings import shape as settings_shape
from local import project
from local.cloud.client import Cloud


def create(cloud: Cloud, stack: str, **overrides: Any) -> dict[str, Any]:
    """Render the stack's file, `pulumi up`; returns the outputs. Safe to repeat, also after an interrupted run."""
    cloud.render_stack(stack, overrides=overrides)
    cloud.pulumi(["stack", "select", "--create", stack])
    cloud.pulumi(["cancel", "--yes", "-s", stack], check=False)  # an interrupted run leaves its lock; no run, no lock
    cloud.pulumi(["up", "--yes", "--skip-preview", "-s", stack])
    return outputs(cloud, stack)


def outputs(cloud: Cloud, stack: str) -> dict[str, Any]:
    """What the stack exports."""
    found: dict[str, Any] = json.loads(cloud.pulumi(["stack", "output", "--json", "-s", stack]).stdout)
    return found


def settings(cloud: Cloud, stack: str) -> StackSettings:
    """The settings of a rendered stack."""
    document = yaml.safe_load(project.stack_file(cloud.state, stack).read_text())
    return load(document["config"], stack)


def service(found: StackSettings) -> str:
    """What a caller names as `model`: the first service, else the first engine."""
    return next(iter(found.services or found.engines))


def engine(found: StackSettings) -> str:
    """The first engine's name."""
    return next(iter(found.engines))


def cost(found: StackSettings, events: list[dict[str, Any]], now: float) -> str:
    """One line: what was spent so far at the prices of the first instance type, against always-on."""
    history = [
        Event(int(e["epoch"]), float(e["at"]), str(e["before"]), str(e["after"]), str(e["by"]), str(e["reason"]))
        for e in events
    ]
    shape = settings_shape(found)
    bill = money.bill(shape, money.intervals(history, now=now), since=history[0].at, now=now)
    asleep, awake = money.standing_hour(shape), money.standing_hour(shape) + money.awake_hour(shape)
    return (
        f"So far, at {found.host.instance_types[0]} prices in {found.region}: ${bill.spent_usd:.4f} against "
        f"${bill.always_on_usd:.4f} always on ({bill.on_s:.0f} s on of {bill.elapsed_s:.0f} s; "
        f"asleep ${asleep:.3f}/h, awake ${awake:.3f}/h)"
    )
