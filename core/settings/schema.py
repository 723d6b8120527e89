"""JSON Schema of a stack file, for editors. `python -m tools.settings_pages` writes it to stacks/schema.json."""

from __future__ import annotations

import json
from typing import Any

from core.settings.checks import BOUNDS_KEY
from core.settings.messages import PREFIX
from core.settings.model import StackSettings
from core.times import durations


def document() -> str:
    """The schema as text. Only `pilotlight:` keys are ours to refuse; other namespaces are Pulumi's providers'."""
    model = StackSettings.model_json_schema(by_alias=True)
    ours = {f"{PREFIX}{key}": value for key, value in model["properties"].items() if key in _keys()}
    config = {
        "type": "object",
        "description": "Keys are <namespace>:<section>.",
        "properties": {"aws:region": model["properties"]["region"], **ours},
        "required": [f"{PREFIX}{key}" for key in model["required"] if key in _keys()],
        "patternProperties": {f"^(?!{PREFIX})": {}},
        "additionalProperties": False,
    }
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": "A pilotlight stack file",
        "type": "object",
        "properties": {"config": config},
        "required": ["config"],
        "$defs": model["$defs"],
    }
    return json.dumps(_tidy(schema), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _keys() -> set[str]:
    return {f.alias or name for name, f in StackSettings.model_fields.items() if not f.exclude}


def _tidy(part: Any) -> Any:
    """Without pydantic's titles, and with durations as the file writes them (`12h`, not 43200.0)."""
    if isinstance(part, list):
        return [_tidy(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {
        key: _tidy(value)
        for key, value in part.items()
        if not (key == "title" and not {"type", "oneOf"}.isdisjoint(part))
    }
    if isinstance(kept.get("default"), float) and kept.get("type") != "number":
        kept["default"] = durations.spell(kept["default"]) if kept["default"] else "off"
    if between := kept.pop(BOUNDS_KEY, ""):
        kept["description"] = f"{kept['description']} {between}."
    return kept
