"""API keys on the gateway: only SHA-256 hashes, in a map that HAProxy reads. `remote/services/keys.py` mints and adds
them.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from remote.items import Order
from remote.machines.facts import Facts, Query


@dataclass(frozen=True)
class KeysFile:
    """The map exists and belongs to root and HAProxy; its content is left alone."""

    path: str
    slow: bool = False

    @property
    def label(self) -> str:
        return self.path

    def query(self) -> Query:
        return Query(files=(self.path,), texts=(self.path,))

    def reason(self, facts: Facts) -> str:
        found = facts.files.get(self.path)
        if found is None:
            return "missing"
        return "" if (found.mode, found.owner, found.group) == (0o640, "root", "haproxy") else "mode or owner differs"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        path = shlex.quote(self.path)
        folder = shlex.quote(self.path.rsplit("/", 1)[0])
        script = f"set -e; mkdir -p -m 755 {folder}; touch {path}; chown root:haproxy {path}; chmod 640 {path}"
        return (Order(script, failure=f"could not make {self.path}"),)


@dataclass(frozen=True)
class NewKey:
    """One more key: its hash on disk, and at once in the running HAProxy, which is not reloaded for it.

    With `alone`, keys that had the name before are taken out, in both places.
    """

    path: str
    socket: str
    hash: str  # SHA-256, upper-case hex
    name: str
    alone: bool = False
    slow: bool = False

    @property
    def label(self) -> str:
        return f"API key {self.name}"

    def query(self) -> Query:
        return Query(texts=(self.path,))

    def reason(self, facts: Facts) -> str:
        return "" if self.hash in facts.texts.get(self.path, "") else "new"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        others = 'cat "$f"' if not self.alone else 'awk -v n="$name" \'$2 != n\' "$f"'
        old = "" if not self.alone else '$(awk -v n="$name" \'$2 == n {print $1}\' "$f")'
        script = f"""
set -e; umask 027; f={shlex.quote(self.path)}
read -r hash name
old="{old}"
cp -p "$f" "$f.new"; {{ {others}; printf '%s %s\\n' "$hash" "$name"; }} > "$f.new"; mv "$f.new" "$f"
python3 - "$f" "$hash" "$name" $old <<'END'
import socket, sys
path, key, name, *old = sys.argv[1:]
for words in (f"add map {{path}} {{key}} {{name}}", *(f"del map {{path}} {{hash}}" for hash in old)):
    s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect({self.socket!r})
    s.sendall(f"{{words}}\\n".encode()); said = s.recv(4096).decode().strip()
    if said and not (words.startswith("del") and "not found" in said):
        sys.exit(f"HAProxy refused the key: {{said}}")
END
"""
        return (Order(script, f"{self.hash} {self.name}\n".encode(), failure="the new API key could not be added"),)


@dataclass(frozen=True)
class NoKey:
    """No key of this name, on disk and in the running HAProxy."""

    path: str
    socket: str
    name: str
    slow: bool = False

    @property
    def label(self) -> str:
        return f"no API key {self.name}"

    def query(self) -> Query:
        return Query(texts=(self.path,))

    def reason(self, facts: Facts) -> str:
        names = [line.split()[1:] for line in facts.texts.get(self.path, "").splitlines()]
        return "nothing uses it any longer" if [self.name] in names else ""

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        script = f"""
set -e; umask 027; f={shlex.quote(self.path)}; name={shlex.quote(self.name)}
old="$(awk -v n="$name" '$2 == n {{print $1}}' "$f")"
cp -p "$f" "$f.new"; awk -v n="$name" '$2 != n' "$f" > "$f.new"; mv "$f.new" "$f"
python3 - "$f" $old <<'END'
import socket, sys
path, *old = sys.argv[1:]
for words in [f"del map {{path}} {{hash}}" for hash in old]:
    s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect({self.socket!r})
    s.sendall(f"{{words}}\\n".encode()); said = s.recv(4096).decode().strip()
    if said and "not found" not in said:
        sys.exit(f"HAProxy did not take the key out: {{said}}")
END
"""
        return (Order(script, failure=f"the API key {self.name} could not be taken out"),)
