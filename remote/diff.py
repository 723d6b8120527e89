"""What a step would change, line by line, for `fab deploy --plan`: files as unified diffs, folders as lists of files.

A file that only some may read is secret as a whole: nothing of it is read or shown. In the others what looks like a
secret (somebody may have written one there by hand) is masked. Pure but for what a machine is asked beforehand.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from remote.items.certificates import OwnCertificate
from remote.items.files import File, Tree
from remote.items.secrets import DrawnSecret, SecretLines
from remote.machines.facts import Facts, FileFact, Query
from remote.plan import Step

ALL_READ: Final = 0o004  # of a file's mode
TREE_LINES_MAX: Final = 20
MASK: Final = "••••"
HIDDEN: Final = (SecretLines, DrawnSecret, OwnCertificate)
_SECRETS: Final = (
    # a name that ends so and its value, in YAML, JSON, INI and environment files
    re.compile(
        r"""(?i)((?:password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key)["']?\s*[:=]\s*)(\S.*)"""
    ),
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)([\w.~+/=-]{8,})"),
    re.compile(r"(\w+://[^\s/:@]+:)([^\s/@]+)(?=@)"),  # a URL with a log-in
    re.compile(r"()\b((?:sk|hf|ghp|glpat|xox[a-z])[-_][\w-]{12,}|(?:AKIA|ASIA)[A-Z0-9]{16})\b"),  # tokens by their form
)


def query(steps: Sequence[Step]) -> Query:
    """What must be asked beside the plan's facts: texts of files that all may read, and hashes of folders' files."""
    files = tuple(s.item.path for s in steps if isinstance(s.item, File) and _open(s.item))
    return Query(bodies=files, tree_files=tuple(s.item.path for s in steps if isinstance(s.item, Tree)))


def lines(step: Step, planned: Facts, asked: Facts) -> list[str]:
    """The change in lines, none for what is no file. `asked`: the answer to `query`."""
    match step.item:
        case File() as file:
            return list(_file(file, planned.files.get(file.path), asked.bodies.get(file.path, "")))
        case Tree() as tree:
            return list(_tree(tree, asked.tree_files.get(tree.path, {})))
        case item if isinstance(item, HIDDEN):
            return [f"  {item.label}: its contents are secret, and not shown"]
    return []


def mask(line: str) -> str:
    """The line without what looks like a secret."""
    for pattern in _SECRETS:
        line = pattern.sub(rf"\g<1>{MASK}", line)
    return line


def _open(file: File) -> bool:
    return bool(file.mode & ALL_READ)


def _file(file: File, found: FileFact | None, text: str) -> Iterator[str]:
    wanted = f"{file.mode:o} {file.owner}:{file.group}"
    there = f"{found.mode:o} {found.owner}:{found.group}" if found else ""
    if found and there != wanted:
        yield f"  {file.path}: {there} → {wanted}"
    if found and found.sha256 == file.digest:
        return
    if not _open(file):
        yield f"  {file.path}: its contents are secret, and not shown"
        return
    before = _shown(file.path, text) if found else []
    after = _shown(file.path, file.content.decode(errors="replace"))
    names = (file.path if found else "/dev/null", file.path)
    for line in difflib.unified_diff(before, after, *names, lineterm=""):
        yield f"  {mask(line)}"


def _shown(path: str, text: str) -> list[str]:
    """A text's lines; a JSON document, which is one line, by its fields."""
    if path.endswith(".json"):
        try:
            text = json.dumps(json.loads(text), indent=2, sort_keys=True)
        except ValueError:  # edited by hand into something else
            return text.splitlines()
    return text.splitlines()


def _tree(tree: Tree, found: Mapping[str, str]) -> Iterator[str]:
    wanted = {name: hashlib.sha256(content).hexdigest() for name, content in tree.files.items()}
    signs = dict.fromkeys(wanted.keys() - found.keys(), "+") | dict.fromkeys(found.keys() - wanted.keys(), "-")
    signs |= {name: "~" for name in wanted.keys() & found.keys() if wanted[name] != found[name]}
    for name in sorted(signs)[:TREE_LINES_MAX]:
        yield f"  {signs[name]} {tree.path}/{name}"
    if len(signs) > TREE_LINES_MAX:
        yield f"  and {len(signs) - TREE_LINES_MAX} more files"
