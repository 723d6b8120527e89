"""The alert codes that the code can send, read from its syntax: what is given as `alert`, returned as a pair with
words, or told by name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from core import codes
from tests.references import ROOT, tree

_CODE: Final = re.compile(r"[a-z]+(-[a-z]+)*")
_TELLERS: Final = {"trouble": 1, "_tell": 1, "Verdict": 2}  # function → which positional argument is the code
_PAIRS: Final = ("tuple[str, str]", "tuple[tuple[str, str], ...]")


def alert_codes() -> set[str]:
    """Every code in core/policy/, core/plain.py, the reaper and the notifier."""
    folders = ("core/policy", "runtime/reaper", "runtime/notifier")
    files = [path for folder in folders for path in (ROOT / folder).glob("*.py")] + [ROOT / "core/plain.py"]
    constants = {name: value for path in files for name, value in _constants(tree(path))}
    places = (node for path in files for node in _places(tree(path)))
    found = {text for node in places for text in _texts(node, constants)}
    return {text for text in found if _CODE.fullmatch(text)}


def _constants(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in module.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value


def _texts(node: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str]:
    """The strings that an expression can be; names of constants and their mappings are followed."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Attribute(value=ast.Name(id=("Alert" | "Failure") as enum), attr=name):
            yield getattr(codes, enum)[name].value
        case ast.IfExp(body=one, orelse=other):
            yield from _texts(one, constants)
            yield from _texts(other, constants)
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)) if name in constants:
            yield from _texts(constants[name], {})
        case ast.Dict(values=values):
            for value in values:
                yield from _texts(value, constants)


def _places(module: ast.Module) -> Iterator[ast.expr]:
    """The expressions that stand where a code is meant."""
    for node in ast.walk(module):
        match node:
            case ast.keyword(arg="alert", value=value) | ast.Assign(targets=[ast.Name(id="alert")], value=value):
                yield value
            case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id="alert"), *_])], value=ast.Tuple(elts=[first, *_])):
                yield first
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args) if name in _TELLERS:
                yield from args[_TELLERS[name] : _TELLERS[name] + 1]
            case ast.Call(func=ast.Name(id="keep"), args=[_, _, third, *_]):
                yield third
            case ast.FunctionDef(returns=ast.expr() as returns) if ast.unparse(returns) in _PAIRS:
                yield from (pair.elts[0] for pair in ast.walk(node) if isinstance(pair, ast.Tuple) and pair.elts)
