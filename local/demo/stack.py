"""A stack on the embedded cloud: made by the real Pulumi engine, read back as settings and outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from core.settings import StackSettings, load
from local import project
from local.cloud.client import Cloud


def create(cloud: Cloud, stack: str, edits: Mapping[str, Any] | None = None, **overrides: Any) -> dict[str, Any]:
    """Render the stack's file, `pulumi up`; returns the outputs. Safe to repeat, also after an interrupted run.

    `edits` of the rendered file are kept, over what the checkout says.
    """
    cloud.render_stack(stack, overrides=overrides, edits=edits)
    settings(cloud, stack)  # a wrong value is told by the file that holds it, before anything is made
    cloud.pulumi(["stack", "select", "--create", stack])
    cloud.pulumi(["cancel", "--yes", "-s", stack], check=False)  # an interrupted run leaves its lock; no run, no lock
    cloud.pulumi(["up", "--yes", "--skip-preview", "-s", stack])
    return outputs(cloud, stack)


def outputs(cloud: Cloud, stack: str) -> dict[str, Any]:
    """What the stack exports."""
    found: dict[str, Any] = json.loads(cloud.pulumi(["stack", "output", "--json", "-s", stack]).stdout)
    return found


def settings(cloud: Cloud, stack: str) -> StackSettings:
    """The settings of a rendered stack. SettingsError names the checkout's file, or an edited rendered one."""
    rendered = project.stack_file(cloud.state, stack)
    edited = project.edits(cloud.state, stack)
    file = rendered if edited else project.remembered_source(cloud.state, stack)
    return load(yaml.safe_load(rendered.read_text())["config"], stack, file=str(file))


def service(found: StackSettings) -> str:
    """What a caller names as `model`: the first service, else the first engine."""
    return next(iter(found.services or found.engines))


def engine(found: StackSettings) -> str:
    """The first engine's name."""
    return next(iter(found.engines))
