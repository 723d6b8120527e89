"""Codes are members of their enum wherever they are said, and every member is said somewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.capacity.power_errors import Kind
from core.codes import Alert, ErrorCode, Failure, Writer
from tests.references import ROOT, tree

PLACES = {"alert", "failure", "code", "by"}  # what an argument or an attribute is called that takes a code
FILES = [p for top in ("core", "runtime", "remote") for p in sorted((ROOT / top).rglob("*.py")) if p.name != "codes.py"]
OURS = {member.value for enum in (Alert, ErrorCode, Failure, Writer) for member in enum}


def spelled_out(path: Path) -> Iterator[str]:
    """Codes in quotes where a code is given or compared."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.keyword(arg=name, value=ast.Constant(value=str(text))) if name in PLACES and text in OURS:
                yield text
            case ast.Compare(left=ast.Attribute(attr=name), comparators=[ast.Constant(value=str(text))]):
                if name in PLACES and text in OURS:
                    yield text
            case ast.Call(func=ast.Name(id="Refusal") | ast.Attribute(attr="Refusal"), args=[_, ast.Constant(), *_]):
                yield ast.unparse(node)


def test_no_code_is_spelled_out() -> None:
    assert {f"{path.relative_to(ROOT)}: {text}" for path in FILES for text in spelled_out(path)} == set()


@pytest.mark.parametrize("enum", [Alert, ErrorCode, Failure, Writer], ids=lambda e: e.__name__)
def test_every_code_is_used(enum: type[Alert | ErrorCode | Failure | Writer]) -> None:
    text = "\n".join(path.read_text() for path in FILES)
    used = set(re.findall(rf"\b{enum.__name__}\.([A-Z_]+)\b", text))
    assert set(enum.__members__) - used == set()


def test_an_answer_of_ec2_that_has_a_name_is_a_failure_of_a_start() -> None:
    assert {Kind.CAPACITY, Kind.QUOTA, Kind.KEY, Kind.TYPE} == set(Kind) & {failure.value for failure in Failure}
