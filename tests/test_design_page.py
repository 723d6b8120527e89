"""docs/design.md has the transitions and the rules that the code has, in its order, and the sections that are cited."""

from __future__ import annotations

import ast
import re
from typing import Final

from core.lease import State
from core.policy import RULES
from tests.references import ROOT, modules, tree

PAGE: Final = (ROOT / "docs/design.md").read_text()
SECTIONS: Final = dict(re.findall(r"^## (\d+)\. ([^\n]*\n.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_every_transition_has_its_row() -> None:
    module = tree(ROOT / "core/lease/transitions.py")
    functions = {node.name for node in module.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"}
    assert set(re.findall(r"^\|[^|]+\| `(\w+)` \|", SECTIONS["6"], re.MULTILINE)) == functions


def test_every_state_is_in_the_picture() -> None:
    (picture,) = re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)
    assert {state for state in State if state not in picture} == set()


def test_the_rules_stand_in_the_order_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \|", SECTIONS["7"], re.MULTILINE)
    assert rows == [f"{rule.__module__.rpartition('.')[2]}.{rule.__name__}" for rule in RULES]


def test_sections_that_the_code_names_are_there() -> None:
    pattern = re.compile(r"design(?:\.md|'s|\.md's)? section (\d+)")
    named = {(str(path), number) for path in modules() for number in pattern.findall(path.read_text())}
    assert {where for where, number in named if number not in SECTIONS} == set()
    assert named, "core/lease cites section 6"
