"""What every section of a stack file has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Section(BaseModel):
    """Frozen, typed, and without unknown keys. Lists come as tuples, mappings as read-only views."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)


def as_tuple(value: Any) -> Any:
    """A list as a tuple; what is none stays for the check that follows."""
    return tuple(value) if isinstance(value, list) else value


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    """The values, or ValueError where one is there twice."""
    twice = sorted({v for v in values if values.count(v) > 1})
    if twice:
        raise ValueError(f"names {', '.join(twice)} twice")
    return values
