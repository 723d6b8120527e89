"""A stack on the embedded cloud: made by the real Pulumi engine, read back as settings and outputs."""

from __future__ import annotations

import json
from typing import Any

import yaml

from core import money
from core.lease import Event
from core.money import ledger
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
    """One line: what was spent so far at AWS's prices for the types that the events record, against always-on."""
    history = [_event(item) for item in events]
    shape, on = settings_shape(found), ledger.intervals(history, now=now)
    bill = money.bill(shape, on, since=history[0].at, now=now)
    types = ", ".join(sorted({interval.instance_type or shape.host_type for interval in on} or {shape.host_type}))
    return (
        f"So far, at {types} prices in {found.region}: ${bill.spent_usd:.4f} against "
        f"${bill.always_on_usd:.4f} always on (EC2 bills at least a minute a start: {bill.on_s:.0f} s of "
        f"{bill.elapsed_s:.0f} s). A month with 100 hours awake: ${money.month(shape, 100):.0f} against "
        f"${money.always_on_month(shape):.0f}"
    )


def _event(item: dict[str, Any]) -> Event:
    texts = {name: str(item[name]) for name in ("before", "after", "by", "reason")}
    return Event(epoch=int(item["epoch"]), at=float(item["at"]), facts=dict(item.get("facts", {})), **texts)
