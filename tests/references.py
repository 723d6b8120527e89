"""What the checkout's words point to: comments, docstrings, pages, templates and messages, and the names that exist."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDERS: Final = ("core", "components", "remote", "runtime", "local", "bench", "tools", "tests")
_DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Text:
    """Words for people, and where they stand. A message is what a program prints; its backticks are commands."""

    where: str
    text: str
    message: bool = False


@dataclass
class Names:
    """Every name and word of the code: identifiers, and words in strings that are no docstring."""

    identifiers: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    members: dict[str, set[str]] = field(default_factory=dict)  # of a class, or of a module by its dotted name


def modules() -> list[Path]:
    """Our Python files."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return sorted([*found, ROOT / "__main__.py", ROOT / "fabfile.py"])


def others() -> list[Path]:
    """Templates, scripts, pages and stack files. The change log tells of what is gone, and so do old decisions."""
    folders = ("remote/templates", "remote/scripts", "local", "stacks", "docs")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.*")]
    found = [p for p in [*found, ROOT / "Makefile", ROOT / "README.md"] if p.suffix in SUFFIXES or not p.suffix]
    return sorted(p for p in found if OLD_WORDS not in p.read_text())


OLD_WORDS: Final = "Words and paths changed in ADR 21."  # a decision of before; what it names is history
SUFFIXES: Final = (".j2", ".sh", ".md", ".yaml")


@cache
def tree(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text())


@cache
def texts() -> tuple[Text, ...]:
    """All words for people, but those of the tests, whose names and strings are inventions."""
    return tuple(_texts())


def _texts() -> Iterator[Text]:
    for path in others():
        yield Text(_short(path), path.read_text())
    for path in modules():
        if path.relative_to(ROOT).parts[0] != "tests":
            yield from _of_module(path)


def _of_module(path: Path) -> Iterator[Text]:
    docs = _docstrings(tree(path))
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield Text(f"{_short(path)}:{token.start[0]}", token.string)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Text(f"{_short(path)}:{node.lineno}", node.value, message=id(node) not in docs)


def _docstrings(module: ast.Module) -> set[int]:
    found = set()
    for node in ast.walk(module):
        if isinstance(node, _DOCUMENTED) and node.body and isinstance(first := node.body[0], ast.Expr):
            found.add(id(first.value))
    return found


@cache
def names() -> Names:
    """What there is to point to."""
    found = Names()
    for path in modules():
        found.identifiers.add(path.stem)
        docs = _docstrings(tree(path))
        found.members[_dotted(path)] = _bound(tree(path))
        for node in ast.walk(tree(path)):
            _note(node, found, docs)
    for path in others():
        if path.suffix != ".md":
            found.words |= set(re.findall(r"[\w-]+", path.read_text()))
    return found


@cache
def read_names() -> set[str]:
    """Names that some code reads, in whatever module, and words of templates, scripts and the requirement lists."""
    found = {n.id for path in modules() for n in ast.walk(tree(path)) if isinstance(n, ast.Name) and _is_read(n)}
    found |= {word for path in others() if path.suffix != ".md" for word in re.findall(r"\w+", path.read_text())}
    return found | read_attributes(but=ROOT)


def read_attributes(*, but: Path) -> set[str]:
    """Attributes that code of ours reads, its tests left out."""
    files = [path for path in modules() if path != but and path.relative_to(ROOT).parts[0] != "tests"]
    return {n.attr for path in files for n in ast.walk(tree(path)) if isinstance(n, ast.Attribute) and _is_read(n)}


def _is_read(node: ast.Name | ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Load)


def _note(node: ast.AST, found: Names, docs: set[int]) -> None:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            found.identifiers.add(name)
        case ast.keyword(arg=str(name)):
            found.identifiers.add(name)
        case ast.ClassDef(name=name):
            found.identifiers.add(name)
            found.members.setdefault(name, set()).update(_bound(node), _attributes(node))
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            found.identifiers.add(name)
        case ast.alias(name=name):
            found.identifiers |= set(name.split("."))
        case ast.Constant(value=str(value)) if id(node) not in docs:
            found.words |= set(re.findall(r"[\w-]+", value))


def _bound(node: ast.Module | ast.ClassDef) -> set[str]:
    """Names that a module or class body binds, branches and imports too."""
    found = set()
    for inner in ast.walk(node):
        match inner:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.alias(name=name, asname=asname):
                found.add(asname or name.partition(".")[0])
    return found


def _attributes(node: ast.ClassDef) -> set[str]:
    """`self.x = …`."""
    return {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
