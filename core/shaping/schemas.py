"""JSON schemas of answers: what a stack file may ask for, and whether an answer is as asked.

`pattern` is searched by RE2, as filters are. References to other documents are refused: nothing is fetched.

jsonschema is imported where it is needed: it would take a tenth of a second of every `fab` command, and few stacks have
a schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import re2

from core.shaping import patterns

SCHEMA_BYTES_MAX: Final = 64 * 2**10
_SHOWN: Final = 200  # characters of what is wrong


def check(schema: Any) -> str:
    """A schema as JSON text with sorted keys; ValueError says why it is none, and where in it."""
    if not isinstance(schema, Mapping):
        raise ValueError("is no JSON schema, which is a mapping such as {type: object, properties: {…}}")
    try:
        text = json.dumps(schema, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from error
    if len(text) > SCHEMA_BYTES_MAX:
        raise ValueError(f"is longer than {SCHEMA_BYTES_MAX // 2**10} KiB")
    from jsonschema import Draft202012Validator, SchemaError

    plain = json.loads(text)
    try:
        Draft202012Validator.check_schema(plain)
    except SchemaError as error:
        where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path).lstrip(".")
        raise ValueError(f"is no JSON schema: at {where or 'its top'}: {error.message[:_SHOWN]}") from error
    _check_inside(plain)
    return text


def wrong(text: str, schema: str) -> str:
    """Why an answer is not the asked JSON, in one line; "" where it is. `schema` "": any JSON object."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"it is not JSON: {error}"
    if not schema:
        return "" if isinstance(answer, dict) else "it is no JSON object"
    try:
        found = next(validator(schema).iter_errors(answer), None)
    except RecursionError:
        return "it is nested too deeply"
    if found is None:
        return ""
    return f"at {found.json_path}: {found.message[:_SHOWN]}"


@lru_cache(maxsize=64)
def validator(schema: str) -> Any:
    """Of a schema that was checked. Made before it is needed, it costs the first answer nothing."""
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry

    kind = validators.extend(Draft202012Validator, {"pattern": _pattern})
    return kind(json.loads(schema), registry=Registry())


def _pattern(_: Any, pattern: str, text: Any, __: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if isinstance(text, str) and not patterns.found(pattern, text):
        yield ValidationError(f"{text[:60]!r} does not match {pattern!r}")


def _check_inside(schema: Any) -> None:
    """References lead to places in the schema itself, and patterns are RE2's."""
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    resolver = Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver("")
    for key, value in _members(schema):
        if key == "$ref" and isinstance(value, str):
            try:
                resolver.lookup(value)
            except Unresolvable as error:
                raise ValueError(f"has the reference {value[:60]!r}, which leads nowhere in it") from error
        if key == "pattern" and isinstance(value, str):
            try:
                patterns.compiled(value)
            except re2.error as error:
                raise ValueError(f"has the pattern {value[:60]!r}, which does not compile (RE2's syntax)") from error


def _members(part: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(part, Mapping):
        for key, value in part.items():
            yield key, value
            yield from _members(value)
    elif isinstance(part, list):
        for value in part:
            yield from _members(value)
