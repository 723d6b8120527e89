"""The Pulumi project that an embedded cloud works on: a rendered copy in the state folder.

The checkout's `Pulumi.yaml` and `stacks/` are AWS's and stay untouched. `Pulumi.yaml` here points back at the
checkout's program; a stack file is the checkout's with the cloud's SSH key,
`pilotlight:cloud: embedded` and the caller's overrides. What Pulumi itself wrote into it (`encryptionsalt`, secrets)
is kept when it is rendered again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from core.errors import CloudError
from local import folders
from local.cloud import environment

PROJECT: Final = "pilotlight"
STACKS: Final = "stacks"
_KEPT: Final = ("encryptionsalt", "encryptedkey", "secretsprovider")


def render_project(state: Path) -> Path:
    """Write `<state>/project/Pulumi.yaml`; returns the folder."""
    folder = state / "project"
    (folder / STACKS).mkdir(parents=True, exist_ok=True)
    document = {
        "name": PROJECT,
        "runtime": "python",
        "main": str(folders.CHECKOUT),
        "stackConfigDir": STACKS,
        "description": "pilotlight on the embedded cloud (rendered: edit the checkout's files instead)",
    }
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


def stack_file(state: Path, stack: str) -> Path:
    """Where a rendered stack file is."""
    return state / "project" / STACKS / f"Pulumi.{stack}.yaml"


def render_stack(state: Path, stack: str, template: str, overrides: Mapping[str, Any]) -> Path:
    """Write the stack file from the checkout's `template`. CloudError where there is no such template."""
    source = folders.CHECKOUT / STACKS / f"Pulumi.{template}.yaml"
    if not source.exists():
        known = sorted(p.name.split(".")[1] for p in source.parent.glob("Pulumi.*.yaml"))
        raise CloudError(f"No stack file `{source}`. Stacks: {', '.join(known) or 'none'}.")
    path = stack_file(state, stack)
    before = yaml.safe_load(path.read_text()) if path.exists() else {}
    after = merge(yaml.safe_load(source.read_text()) or {}, before or {}, environment.public_key(state), overrides)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(after, sort_keys=False))
    return path


def merge(
    template: Mapping[str, Any], before: Mapping[str, Any], ssh_public_key: str, overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """The rendered document. `overrides` are config keys (`pilotlight:idle`, or `idle`), merged deeply into the
    template's; a value of None takes a key away.
    """
    config = _deep(template.get("config") or {}, {_key(name): value for name, value in overrides.items()})
    config = _deep(config, {"pilotlight:cloud": "embedded", "pilotlight:host": {"sshPublicKey": ssh_public_key}})
    secrets = {k: v for k, v in (before.get("config") or {}).items() if _holds_a_secret(v)}
    kept = {name: before[name] for name in _KEPT if name in before}
    return {**{k: v for k, v in template.items() if k != "config"}, **kept, "config": {**config, **secrets}}


def _holds_a_secret(value: Any) -> bool:
    """Whether `pulumi config set --secret` wrote it, or a part of it (`--path`)."""
    if isinstance(value, Mapping):
        return "secure" in value or any(_holds_a_secret(v) for v in value.values())
    return isinstance(value, list) and any(_holds_a_secret(v) for v in value)


def _key(name: str) -> str:
    return name if ":" in name else f"{PROJECT}:{name}"


def _deep(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = _deep(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return {name: value for name, value in merged.items() if value is not None}
