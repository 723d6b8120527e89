"""What was read of models outside the table, for `pulumi preview`, which asks no hub: `stacks/models.lock.json`.

`fab size MODEL --lock` writes an entry, and the file is committed like a stack file. Per model, by its text in a stack
file: what sizing reads of its config.json, and the bytes of its weights where they were seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from core.engines.sizing.architecture import CannotSize, Config, parse
from core.engines.sizing.fit import Model
from core.errors import SettingsError

NAME: Final = "models.lock.json"  # beside the stack files
_AGAIN: Final = "Take its entry away and run `fab size MODEL --lock` again"
# What is long and says nothing of a size
_LEFT_OUT: Final = frozenset({"architectures", "auto_map", "ignore", "modules_to_not_convert", "id2label", "label2id"})


def read(text: str) -> dict[str, Model]:
    """The models by their text. SettingsError: the file holds something else."""
    return {name: _model(name, entry) for name, entry in _entries(text).items()}


def _model(name: str, entry: Any) -> Model:
    stored = entry.get("stored_bytes") if isinstance(entry, Mapping) else None
    config = entry.get("config") if isinstance(entry, Mapping) else None
    if not isinstance(config, Mapping) or not (stored is None or isinstance(stored, int)):
        raise SettingsError(f"stacks/{NAME}: {name} has no `config`, or `stored_bytes` that are no number. {_AGAIN}.")
    try:
        return Model(name, parse(config), stored)
    except CannotSize as error:
        raise SettingsError(f"stacks/{NAME}: {name} cannot be sized: {error}. {_AGAIN}.") from error


def _entries(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SettingsError(
            f"stacks/{NAME} is no JSON: {error}. Write it anew with `fab size MODEL --lock`."
        ) from error
    if not isinstance(found, dict):
        raise SettingsError(f"stacks/{NAME} is no JSON object. Write it anew with `fab size MODEL --lock`.")
    return found


def written(text: str, name: str, config: Config, stored_bytes: int | None) -> str:
    """The file's text with a model put in, or renewed; `text` is what it holds now."""
    entries = _entries(text)
    entries[name] = {"stored_bytes": stored_bytes, "config": _kept(config)}
    return json.dumps(entries, indent=2, sort_keys=True) + "\n"


def _kept(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _kept(inner) for key, inner in value.items() if key not in _LEFT_OUT}
    return value
