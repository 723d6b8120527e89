"""What the checkout's words point to: comments, docstrings, pages, templates and messages, and the names that exist."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
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


def tree(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text())


@dataclass(frozen=True)
class Module:
    """What one Python file says: read in one go, its syntax tree (megabytes, all told) is not kept."""

    path: Path
    texts: tuple[Text, ...]  # of comments, docstrings and messages
    names: Names
    read: frozenset[str]  # names that it reads
    attributes: frozenset[str]  # and attributes


@cache
def parsed() -> tuple[Module, ...]:
    """All Python files of ours."""
    return tuple(_parsed(path) for path in modules())


def _parsed(path: Path) -> Module:
    nodes = list(ast.walk(tree(path)))
    docs = _docstrings(nodes)
    names = Names(identifiers={path.stem}, members={_dotted(path): _bound(nodes)})
    for node in nodes:
        _note(node, names, docs)
    loaded = [n for n in nodes if isinstance(n, ast.Name | ast.Attribute) and isinstance(n.ctx, ast.Load)]
    return Module(
        path,
        () if _of_tests(path) else tuple(_texts_of(path, nodes, docs)),
        names,
        frozenset(n.id for n in loaded if isinstance(n, ast.Name)),
        frozenset(n.attr for n in loaded if isinstance(n, ast.Attribute)),
    )


def _of_tests(path: Path) -> bool:
    return path.relative_to(ROOT).parts[0] == "tests"


def _docstrings(nodes: Iterable[ast.AST]) -> set[int]:
    documented = (n for n in nodes if isinstance(n, _DOCUMENTED) and n.body)
    return {id(n.body[0].value) for n in documented if isinstance(n.body[0], ast.Expr)}


def _texts_of(path: Path, nodes: Iterable[ast.AST], docs: set[int]) -> Iterator[Text]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield Text(f"{_short(path)}:{token.start[0]}", token.string)
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Text(f"{_short(path)}:{node.lineno}", node.value, message=id(node) not in docs)


@cache
def texts() -> tuple[Text, ...]:
    """All words for people, but those of the tests, whose names and strings are inventions."""
    pages = [Text(_short(path), path.read_text()) for path in others()]
    return (*pages, *(text for module in parsed() for text in module.texts))


@cache
def names() -> Names:
    """What there is to point to."""
    found = Names()
    for module in parsed():
        found.identifiers |= module.names.identifiers
        found.words |= module.names.words
        for owner, members in module.names.members.items():
            found.members.setdefault(owner, set()).update(members)
    for path in others():
        if path.suffix != ".md":
            found.words |= set(re.findall(r"[\w-]+", path.read_text()))
    return found


@cache
def read_names() -> set[str]:
    """Names that some code reads, in whatever module, and words of templates, scripts and the requirement lists."""
    found = {name for module in parsed() for name in module.read}
    found |= {word for path in others() if path.suffix != ".md" for word in re.findall(r"\w+", path.read_text())}
    return found | read_attributes(but=ROOT)


def read_attributes(*, but: Path) -> set[str]:
    """Attributes that code of ours reads, its tests left out."""
    return {name for m in parsed() if m.path != but and not _of_tests(m.path) for name in m.attributes}


def _note(node: ast.AST, found: Names, docs: set[int]) -> None:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            found.identifiers.add(name)
        case ast.keyword(arg=str(name)):
            found.identifiers.add(name)
        case ast.ClassDef(name=name):
            found.identifiers.add(name)
            inside = list(ast.walk(node))
            found.members.setdefault(name, set()).update(_bound(inside), _attributes(inside))
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            found.identifiers.add(name)
        case ast.alias(name=name):
            found.identifiers |= set(name.split("."))
        case ast.Constant(value=str(value)) if id(node) not in docs:
            found.words |= set(re.findall(r"[\w-]+", value))


def _bound(nodes: Iterable[ast.AST]) -> set[str]:
    """Names that a module or class body binds, branches and imports too."""
    found = set()
    for inner in nodes:
        match inner:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.alias(name=name, asname=asname):
                found.add(asname or name.partition(".")[0])
    return found


def _attributes(nodes: Iterable[ast.AST]) -> set[str]:
    """`self.x = …`."""
    return {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
