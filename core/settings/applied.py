"""Which command applies a setting, `pulumi up` or `fab deploy`, and a digest of what `pulumi up` applies.

The mark stands beside the key in `model.py` and goes into the schema, so the page for people and the digest read the
same one. A section has a mark for all its keys (`model_config`), a key may have its own (`json_schema_extra`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

KEY: Final = "x-applied-by"  # in the schema; editors pass over keywords that they do not know
_SECRET: Final = "x-secret"

Extra = dict[str, Any]


class AppliedBy(StrEnum):
    """The command that a change needs."""

    UP = "pulumi up"
    DEPLOY = "fab deploy"
    BOTH = "both"
    AT_ONCE = "nothing: read at once"


UP: Final[Extra] = {KEY: AppliedBy.UP.value}
DEPLOY: Final[Extra] = {KEY: AppliedBy.DEPLOY.value}
BOTH: Final[Extra] = {KEY: AppliedBy.BOTH.value}
AT_ONCE: Final[Extra] = {KEY: AppliedBy.AT_ONCE.value}
# What may be encrypted is in no digest: Pulumi reads the plain value and `fab` none, and a digest is no secret
UP_SECRET: Final[Extra] = UP | {_SECRET: True}
BOTH_SECRET: Final[Extra] = BOTH | {_SECRET: True}


def section(mark: Extra) -> ConfigDict:
    """A section's `model_config`: this mark for each key that has none of its own."""
    return ConfigDict(json_schema_extra=mark)


def digest(settings: BaseModel) -> str:
    """SHA-256 (hex) over the settings that `pulumi up` applies: equal for equal values, in whatever order or notation.

    Changes that only `fab deploy` applies do not change it, nor do secrets. Of sections by name (`engines`) it counts
    which values there are, not the names.
    """
    return hashlib.sha256(json.dumps(_part(settings), sort_keys=True).encode()).hexdigest()


def _part(settings: BaseModel) -> dict[str, Any]:
    """The marked keys of a section, as JSON."""
    return {name: value for name, field in _fields(settings) for value in _value(getattr(settings, name), field)}


def _fields(settings: BaseModel) -> Iterator[tuple[str, Extra]]:
    of_all = type(settings).model_config.get("json_schema_extra")
    for name, field in type(settings).model_fields.items():
        mark = (of_all if isinstance(of_all, dict) else {}) | _own(field)
        if _SECRET not in mark:
            yield name, mark


def _own(field: FieldInfo) -> Extra:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _value(value: Any, mark: Extra) -> Iterator[Any]:
    """The value as JSON, or nothing where `pulumi up` has nothing to do with it."""
    if isinstance(value, BaseModel):
        inside = _part(value)
        if inside:
            yield inside
    elif isinstance(value, Mapping) and value and all(isinstance(v, BaseModel) for v in value.values()):
        inner = [_part(v) for v in value.values()]
        if found := sorted({json.dumps(part, sort_keys=True) for part in inner if part}):
            yield found
    elif mark.get(KEY) in (AppliedBy.UP, AppliedBy.BOTH):
        yield value
