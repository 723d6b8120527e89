"""Answers against schemas: nothing is fetched, and no schema makes a check go on for ever."""

from __future__ import annotations

from typing import Any

import pytest

from core.shaping import schemas


@pytest.mark.parametrize(
    ("text", "schema", "wrong"),
    [
        ('{"n": 1}', {"type": "object", "required": ["n"]}, ""),
        ("[1]", {"type": "object"}, "at $: [1] is not of type 'object'"),
        ("{", {"type": "object"}, "it is not JSON"),
        ('{"n": "ab"}', {"properties": {"n": {"pattern": "^a$"}}}, "at $.n: 'ab' does not match '^a$'"),
        ('{"n": {"n": {}}}', {"properties": {"n": {"$ref": "#"}}}, ""),
        ("1", {"$ref": "#"}, "it is nested too deeply"),
        ("[" * 100_000, {"type": "array"}, "it is not JSON"),
    ],
)
def test_an_answer_is_as_asked_or_says_why_not(text: str, schema: Any, wrong: str) -> None:
    found = schemas.wrong(text, schemas.check(schema))
    assert found.startswith(wrong)
    assert bool(found) is bool(wrong)


def test_without_a_schema_any_json_object_will_do() -> None:
    assert schemas.wrong('{"a": 1}', "") == ""
    assert schemas.wrong("[1]", "") == "it is no JSON object"
