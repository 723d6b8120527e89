"""Files of secrets: `NAME=value` lines that only root reads. Values are made once and stay on the machine."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from remote.items import Order
from remote.machines.facts import Facts, Query


@dataclass(frozen=True)
class SecretLines:
    """The file has a value for each name. A value that is there stays, unless its name is in `renew`.

    `stamp` is a file that keeps `mark`, by which a later deployment knows the file without reading it: a hash of the
    values in it that others must know too. `reader` is the stamp of the unit that reads the file: it goes first, so
    that a deployment that dies before the unit's restart is made good by the next one.
    """

    path: str
    values: Mapping[str, str] = field(repr=False)
    renew: tuple[str, ...]
    stamp: str
    mark: str
    reader: str
    slow: bool = False

    @property
    def label(self) -> str:
        return self.path

    def query(self) -> Query:
        return Query(files=(self.path,), texts=(self.stamp,))

    def reason(self, facts: Facts) -> str:
        found = facts.files.get(self.path)
        if found is None:
            return "missing"
        if (found.mode, found.owner) != (0o600, "root"):
            return "mode or owner differs"
        return "" if facts.texts.get(self.stamp) == self.mark else "it was not finished"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        path, stamp = shlex.quote(self.path), shlex.quote(self.stamp)
        folders = " ".join(shlex.quote(str(PurePosixPath(p).parent)) for p in (self.path, self.stamp))
        script = f"""
set -e; umask 022; mkdir -p {folders}; umask 077
: > {path}.new
while IFS= read -r line; do
  name=${{line%%=*}}
  case ' {" ".join(self.renew)} ' in *" $name "*) old= ;; *) old=$(grep "^$name=" {path} 2>/dev/null || true) ;; esac
  printf '%s\\n' "${{old:-$line}}" >> {path}.new
done
rm -f {shlex.quote(self.reader)}
chown root:root {path}.new; mv -f {path}.new {path}; umask 022; echo {shlex.quote(self.mark)} > {stamp}
"""
        lines = "".join(f"{name}={value}\n" for name, value in self.values.items())
        return (Order(script, lines.encode(), failure=f"could not write {self.path}"),)


@dataclass(frozen=True)
class DrawnSecret:
    """A file of one line, `prefix` and 64 hex digits, that root and a group read. The machine draws it once, and it
    never leaves the machine; who deletes the file has a new one drawn.

    `readers` are the stamps of the units that read the file: they go first, so that these start anew with it.
    """

    path: str
    prefix: str
    group: str
    readers: tuple[str, ...]
    slow: bool = False

    @property
    def label(self) -> str:
        return self.path

    def query(self) -> Query:
        return Query(files=(self.path,))

    def reason(self, facts: Facts) -> str:
        found = facts.files.get(self.path)
        if found is None:
            return "missing"
        return "" if (found.mode, found.owner, found.group) == (0o640, "root", self.group) else "mode or owner differs"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        path, prefix = shlex.quote(self.path), shlex.quote(self.prefix)
        draw = "python3 -c 'import secrets, sys; print(sys.argv[1] + secrets.token_hex(32))'"
        script = f"""
set -e; umask 022; mkdir -p {shlex.quote(str(PurePosixPath(self.path).parent))}; umask 077
rm -f {" ".join(map(shlex.quote, self.readers))}
if [ -s {path} ]; then cp {path} {path}.new; else {draw} {prefix} > {path}.new; fi
chown root:{shlex.quote(self.group)} {path}.new; chmod 640 {path}.new; mv -f {path}.new {path}
"""
        return (Order(script, failure=f"could not write {self.path}"),)
