"""Every path, module, method, name, command and decision that our words point to is there."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest
from pydantic import BaseModel

from core import versions
from core.contract import documents, intervals, network, paths, table, tags
from core.settings import model
from tests.references import FOLDERS, ROOT, Text, names, read_attributes, read_names, texts

_TOPS: Final = "|".join((*FOLDERS, "docs", "stacks"))
_PATH: Final = re.compile(rf"(?<![\w./~<>$}}{{-])(?:{_TOPS})/[\w./*-]*[<{{…%]?")
_MODULE: Final = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})(?:\.[a-z_]\w*)(?:\.[A-Za-z_]\w*)*")
_FILE: Final = re.compile(r"(?<![\w/.<>}{*%-])[a-z_]\w*\.(?:py|j2|md|sh|yaml)\b")
_QUOTED: Final = re.compile(r"`([^`\n]+)`")
_NAME: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:\(\))?")
_ADR: Final = re.compile(r"\bADR (\d+)")
_COMMAND: Final = re.compile(r"(?<![\w./-])(make|fab) ([a-z][a-z.-]*\b)(?!\.[A-Z…*])")
_PROGRAM: Final = re.compile(
    r"python -m ((?:core|remote|runtime|local|bench|components|tests)(?:\.[a-z_]+)*)\b(?!\.[A-Z])"
)

# Names of other people's things, as their documentation has them
FOREIGN: Final = {
    *("dn", "mp", "nodev", "associate_public_ip_address", "modifyInstanceAttributeWithStopStart"),
    *("settings.py", "_usd", "errorfile", "http_err_msgs", "h1_send_error"),
}


def found(pattern: re.Pattern[str], *, messages: bool = True) -> Iterator[tuple[Text, str]]:
    """What the pattern finds (its group, where it has one), in all words or in those that are no messages."""
    for text in texts():
        if messages or not text.message:
            for match in pattern.finditer(text.text):
                yield text, match[match.lastindex or 0]


def wrong(pairs: Iterator[tuple[Text, str]]) -> list[str]:
    return sorted({f"{text.where}: {what}" for text, what in pairs})


def test_no_merge_was_committed_half() -> None:
    markers = ["git", "grep", "-lE", "^(<{7}|>{7})( |$)"]
    listed = subprocess.run(markers, cwd=ROOT, capture_output=True, text=True, check=False)
    assert listed.stdout.split() == [], "a conflict's markers stand in these files"


def test_paths() -> None:
    assert wrong((t, p) for t, p in found(_PATH) if not _exists(p, part_is_enough=t.message)) == []


def _exists(path: str, *, part_is_enough: bool) -> bool:
    """In the checkout; one that goes on with a placeholder (`stacks/Pulumi.<stack>.yaml`) up to there."""
    name = path.rstrip(".")
    if part_is_enough or path[-1:] in "<{…%":
        name = path.rpartition("/")[0]
    return any(ROOT.glob(name.rstrip("/")))


def test_modules_and_what_is_in_them() -> None:
    assert wrong((t, m) for t, m in found(_MODULE, messages=False) if not _is_there(m)) == []


def _is_there(dotted: str) -> bool:
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:length])
        if path.is_dir() or path.with_suffix(".py").exists():
            rest = parts[length:]
            inside = names().members.get(".".join(parts[:length]), set())
            return not rest or rest[0] in ("py", *inside) or path.with_suffix(f".{rest[0]}").exists()
    return False


def test_files_by_their_name() -> None:
    there = {path.name for folder in (*_TOPS.split("|"), ".") for path in _files(folder)}
    assert wrong((t, f) for t, f in found(_FILE, messages=False) if f not in there | FOREIGN) == []


def _files(folder: str) -> Iterator[Path]:
    return (ROOT / folder).glob("*") if folder == "." else (ROOT / folder).rglob("*")


def test_names_in_backticks() -> None:
    quoted = ((t, q.rstrip("()")) for t, q in found(_QUOTED, messages=False) if _NAME.fullmatch(q))
    assert wrong((t, q) for t, q in quoted if not _known(q)) == []


def _known(name: str) -> bool:
    """A member of a class of ours is a member of that class; any other name stands somewhere in the code."""
    first, _, last = name.rpartition(".")
    owner = first.rpartition(".")[2]
    if owner[:1].isupper() and owner in names().members and not owner.isupper():
        return last in names().members[owner] or _inherited(owner)
    return any(last in known for known in (names().identifiers, names().words, FOREIGN, _settings_keys()))


def _inherited(owner: str) -> bool:
    return issubclass(getattr(model, owner, object), BaseModel)


@cache
def _settings_keys() -> frozenset[str]:
    sections = [m for m in vars(model).values() if isinstance(m, type) and issubclass(m, BaseModel)]
    return frozenset(f.alias or n for section in sections for n, f in section.model_fields.items())


def test_decisions() -> None:
    there = {int(path.name[:4]) for path in (ROOT / "docs/adr").glob("[0-9]*.md")}
    assert wrong((t, n) for t, n in found(_ADR) if int(n) not in there) == []


def test_commands() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    fab = [str(Path(sys.executable).with_name("fab")), "--list"]
    listed = subprocess.run(fab, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    verbs = set(re.findall(r"^  ([a-z][a-z.-]*)", listed, re.MULTILINE))
    there = {"make": targets, "fab": verbs}
    quoted = ((t, m) for t, q in found(_QUOTED) for m in _COMMAND.finditer(q) if q.startswith(("make ", "fab ")))
    assert wrong((t, m[0]) for t, m in quoted if m[2].rstrip(".") not in there[m[1]]) == []


def test_programs() -> None:
    programs = ((t, p.rstrip(".")) for t, p in found(_PROGRAM))
    assert wrong((t, p) for t, p in programs if not _runs(ROOT / p.replace(".", "/"))) == []


def _runs(path: Path) -> bool:
    return path.with_suffix(".py").exists() or (path / "__main__.py").exists()


# Compared by the one that reads all documents; and by a test, with a list of requirements
UNREAD: Final = {"schema_version", "TORCH_CPU"}


@pytest.mark.parametrize(
    "module", [network, tags, table, paths, intervals, documents, versions], ids=lambda module: str(module.__name__)
)
def test_every_constant_and_field_has_a_reader(module: ModuleType) -> None:
    """What nobody reads is a promise that nobody keeps. A class's own module does not count for its fields."""
    file = Path(str(module.__file__))
    constants = {name for name in vars(module) if name.isupper() and not name.startswith("_")}
    classes = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__]
    fields = {f.name for c in classes if dataclasses.is_dataclass(c) for f in dataclasses.fields(c)}
    assert sorted(constants - UNREAD - read_names()) == []
    assert sorted(fields - UNREAD - read_attributes(but=file)) == []
