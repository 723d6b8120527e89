"""Files and folders of files (trees), compared by content."""

from __future__ import annotations

import hashlib
import io
import shlex
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from remote.items import Order
from remote.machines.facts import Facts, FileFact, Query


@dataclass(frozen=True)
class File:
    """One file with its content, mode and owners. The content travels by standard input, never in a command line."""

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    check: str = ""  # a shell command with "$1" the new file: it must succeed before the file takes its place
    slow: bool = False

    @property
    def label(self) -> str:
        return self.path

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()

    def query(self) -> Query:
        return Query(files=(self.path,))

    def reason(self, facts: Facts) -> str:
        found = facts.files.get(self.path)
        if found is None:
            return "missing"
        if found.sha256 != self.digest:
            return "content differs"
        return "" if found == FileFact(self.digest, self.mode, self.owner, self.group) else "mode or owner differs"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        new = f"{self.path}.pilotlight-new"
        lines = [
            f"set -e; umask 022; mkdir -p {shlex.quote(str(PurePosixPath(self.path).parent))}; umask 077",
            f"set -- {shlex.quote(new)}",
            'cat > "$1"',
            self.check,
            f'chown {self.owner}:{self.group} "$1"; chmod {self.mode:o} "$1"',
            f'mv -f "$1" {shlex.quote(self.path)}',
        ]
        return (Order("\n".join(line for line in lines if line), self.content, failure=f"could not write {self.path}"),)


def tree_hash(files: Mapping[str, bytes]) -> str:
    """The hash that scripts/gather.py computes of a folder: over "<sha256> <relative path>" lines, sorted by path."""
    lines = [f"{hashlib.sha256(files[name]).hexdigest()} {name}\n" for name in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Tree:
    """A folder with exactly these files (relative path → content), replaced as a whole."""

    path: str
    files: Mapping[str, bytes] = field(repr=False)
    slow: bool = False

    @property
    def label(self) -> str:
        return f"{self.path} ({len(self.files)} files)"

    @property
    def digest(self) -> str:
        """Hash over all files."""
        return tree_hash(self.files)

    def query(self) -> Query:
        return Query(trees=(self.path,))

    def reason(self, facts: Facts) -> str:
        found = facts.trees.get(self.path, "")
        if not found:
            return "missing"
        return "" if found == self.digest else "content differs"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        path, new, old = (shlex.quote(self.path + end) for end in ("", ".new", ".old"))
        script = "\n".join(
            (
                "set -e; umask 022",  # folders above it are read by the program's own user
                f"rm -rf {new} {old}; mkdir -p -m 755 {new}",
                f"tar -x -z --no-same-owner -C {new}",
                f"if [ -e {path} ]; then mv {path} {old}; fi",
                f"mv {new} {path}; rm -rf {old}",
            )
        )
        return (Order(script, _archive(self.files), failure=f"could not write {self.path}"),)


def _archive(files: Mapping[str, bytes]) -> bytes:
    """A gzipped tar of the files; folders readable by all, times zero so that equal trees are equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()
