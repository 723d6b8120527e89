"""Check: the program's inputs as the provider takes them, with names drawn and defaults filled in. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.provider.kind import Kind
from local.provider.properties import DEFAULTS, Prop, document, policy
from local.provider.structs import is_unknown

Failures = list[tuple[str, str]]  # (property, reason)
INTERNAL = "__"


@dataclass(frozen=True)
class Naming:
    """What a drawn name comes from: the resource's logical name and the engine's random seed."""

    name: str
    seed: bytes


def check(
    kind: type[Kind], naming: Naming, news: Mapping[str, Any], olds: Mapping[str, Any], tags: Mapping[str, str]
) -> tuple[dict[str, Any], Failures]:
    """Inputs with `__defaults`, and what is wrong with them. `tags` are the provider's defaultTags."""
    inputs = {k: v for k, v in news.items() if v is not None and not k.startswith(INTERNAL)}
    failures = _refusals(kind, inputs)
    props = kind.props()
    if "tags" in props and tags:
        inputs["tags"] = {**tags, **(inputs.get("tags") or {})}
    for key, prop in props.items():
        if key in inputs and prop.normal in (policy, document) and isinstance(inputs[key], Mapping):
            inputs[key] = json.dumps(inputs[key], sort_keys=True)
    filled = {key: prop.fill for key, prop in props.items() if prop.fill is not None and key not in inputs}
    if kind.name_property and kind.name_property not in inputs:
        filled[kind.name_property] = _drawn_name(kind, naming, olds)
    return {**inputs, **filled, DEFAULTS: sorted(filled)}, failures


def _drawn_name(kind: type[Kind], naming: Naming, olds: Mapping[str, Any]) -> str:
    """`name-<7 hex>` from the engine's seed; an old drawn name stays."""
    if kind.name_property in (olds.get(DEFAULTS) or ()) and olds.get(kind.name_property):
        return str(olds[kind.name_property])
    return f"{naming.name}-{hashlib.sha256(naming.seed or naming.name.encode()).hexdigest()[:7]}"


def _refusals(kind: type[Kind], inputs: Mapping[str, Any]) -> Failures:
    props = kind.props()
    missing = [(n, f"{kind.token} needs {n!r}") for n, p in props.items() if p.required and n not in inputs]
    return missing + list(_unknown_names(kind.token, props, inputs, ""))


def _unknown_names(token: str, props: Mapping[str, Prop], values: Mapping[str, Any], where: str) -> Failures:
    found: Failures = []
    for name, value in values.items():
        prop = props.get(name)
        if prop is None:
            reason = (
                f"the embedded cloud's provider does not have {where}{name} of {token} (it has {', '.join(props)}). "
                "Leave it out, or add it to local/provider/behaviour.py and its service's file"
            )
            found.append((f"{where}{name}", reason))
        elif prop.fields is not None and prop.normal is None and not is_unknown(value):
            for part in value if isinstance(value, list) else [value]:
                found += _unknown_names(token, prop.fields, part, f"{where}{name}.")
    return found
