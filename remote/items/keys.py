"""API keys on the gateway: keys.json (hashes only), and HAProxy's map and memory, which follow from it.

Each item runs scripts/edit_keys.py on the gateway, which holds the lock. `remote/services/keys.py` makes keys.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.contract.documents import SCHEMA_VERSION, ApiKey, ApiKeys
from core.contract.network import CHECK_KEY
from core.contract.paths import HAPROXY_SOCKET, KEYS_FILE, KEYS_MAP
from core.errors import ContractError, DeployError
from core.keys import Change
from remote.items import Order
from remote.machines.facts import Facts, Query
from remote.scripts import edit_keys

SCRIPT: Final = Path(__file__).parents[1] / "scripts" / "edit_keys.py"
BEFORE: Final = (
    "/etc/pilotlight/keys.json"  # where keys were until there was DATA_DIR, and chats and Redis elsewhere too
)
NOTHING: Final = Change()
EMPTY: Final = ApiKeys(SCHEMA_VERSION).to_json()


@dataclass(frozen=True)
class KeyFiles:
    """Where a gateway has its keys. `group`: who reads them beside root, HAProxy and the relay; "" for nobody else."""

    file: str = KEYS_FILE
    map: str = KEYS_MAP
    socket: str = HAPROXY_SOCKET
    group: str = "haproxy"

    @property
    def live(self) -> str:
        """As `Query.maps` asks for it."""
        return f"{self.socket} {self.map}"

    @property
    def command(self) -> str:
        """What runs on the gateway; the program comes by standard input."""
        return f"python3 - {shlex.quote(self.file)}"

    def program(
        self,
        change: Change = NOTHING,
        *,
        gone_names: Sequence[str] = (),
        only_if: str = "",
        empty: str = "",
        usage: bool = False,
    ) -> bytes:
        """What python3 reads on the gateway: the script, and a call of its `main`."""
        request: dict[str, Any] = {
            **dataclasses.asdict(self),
            "gone": change.gone,
            "gone_names": gone_names,
            "new": [dataclasses.asdict(key) for key in change.new],
            "only_if": only_if,
            "empty": empty,
            "keep": CHECK_KEY,
            "usage": usage,
        }
        return f"{SCRIPT.read_text(encoding='utf-8')}\n\nmain(json.loads({json.dumps(request)!r}))\n".encode()


FILES: Final = KeyFiles()


def read(facts: Facts, files: KeyFiles = FILES) -> ApiKeys:
    """The keys as a deployment found them; none where there is no file. DeployError where it cannot be read."""
    text = facts.texts.get(files.file, "")
    try:
        return ApiKeys.from_json(text or EMPTY)
    except ContractError as error:
        raise DeployError(
            f"The gateway's {files.file} cannot be read: {error} Nothing was changed. Put a copy of it back; without "
            "one, delete it, run `fab deploy`, and make the keys anew."
        ) from error


@dataclass(frozen=True)
class KeysFile:
    """keys.json is there, the map is derived from it, and the running HAProxy knows these keys and no others."""

    where: KeyFiles = FILES
    slow: bool = False

    @property
    def label(self) -> str:
        return self.where.file

    def query(self) -> Query:
        both = (self.where.file, self.where.map)
        return Query(files=both, texts=both, maps=(self.where.live,), paths=(BEFORE,))

    def reason(self, facts: Facts) -> str:
        found = [facts.files.get(path) for path in (self.where.file, self.where.map)]
        if found[0] is None:
            return f"{BEFORE} is in its old place" if BEFORE in facts.paths else "missing"
        if any(f and (f.mode, f.owner, f.group) != (edit_keys.MODE, "root", self.where.group) for f in found):
            return "mode or owner differs"
        return self._differs(facts, edit_keys.map_lines([dataclasses.asdict(k) for k in read(facts, self.where).keys]))

    def _differs(self, facts: Facts, wanted: dict[str, str]) -> str:
        if facts.texts.get(self.where.map, "") != edit_keys.text_of(wanted).strip():
            return "HAProxy's map is another"
        live = facts.maps.get(self.where.live)
        if live is None or not edit_keys.commands(self.where.map, wanted, edit_keys.pairs(live), CHECK_KEY):
            return ""
        return "the running HAProxy has other keys"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        if self.where.file not in facts.files and BEFORE in facts.paths:  # or nobody's key would work any more
            how = "docs/operate/backup.md says how they, Redis and chats get to their new one"
            return (Order("exit 1", failure=f"the API keys are in their old place, {BEFORE}; {how}"),)
        return (
            Order(self.where.command, self.where.program(empty=EMPTY), failure=f"could not make {self.where.file}"),
        )


@dataclass(frozen=True)
class OnlyKey:
    """The one key of this name: another that had it is gone."""

    key: ApiKey
    where: KeyFiles = FILES
    slow: bool = False

    @property
    def label(self) -> str:
        return f"API key {self.key.name}"

    def query(self) -> Query:
        return Query(texts=(self.where.file,))

    def reason(self, facts: Facts) -> str:
        own = read(facts, self.where).named(self.key.name)
        return "" if own and own.sha256 == self.key.sha256 else "new"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        program = self.where.program(Change(new=(self.key,)), gone_names=(self.key.name,), empty=EMPTY)
        return (Order(self.where.command, program, failure=f"the {self.label} could not be added"),)


@dataclass(frozen=True)
class NoKey:
    """No key of this name."""

    name: str
    where: KeyFiles = FILES
    slow: bool = False

    @property
    def label(self) -> str:
        return f"no API key {self.name}"

    def query(self) -> Query:
        return Query(texts=(self.where.file,))

    def reason(self, facts: Facts) -> str:
        return "nothing uses it any longer" if read(facts, self.where).named(self.name) else ""

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        program = self.where.program(gone_names=(self.name,), empty=EMPTY)
        return (Order(self.where.command, program, failure=f"the API key {self.name} could not be taken out"),)
