"""API keys: made here, shown once, kept only as hashes on the gateway.

`Keys` is the gateway's file of keys as a verb sees it: read it, or change it by a decision of `core.keys`. Two verbs at
once do not undo each other: a change that was decided by keys that are no longer those is decided again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from core import keys
from core.contract.documents import ApiKey, ApiKeys
from core.contract.network import KEY_MEMORY_S, WEBUI_KEY
from core.contract.paths import RELAY_APP, RELAY_VENV
from core.errors import DeployError
from core.keys import Change, KeyState
from remote.items.keys import FILES, KeyFiles
from remote.items.venvs import ENVIRONMENT
from remote.machines.transport import Machine, Result, tail
from remote.scripts import edit_keys

PREFIX: Final = "sk-pl-"
TRIES: Final = 20  # of a change while others change keys too
Decide = Callable[[ApiKeys, float], Change]  # the keys and the gateway's clock, s


@dataclass(frozen=True)
class Key:
    """A key in the clear (`secret`; never in a log) and the name under which the gateway logs it."""

    secret: str = field(repr=False)
    name: str

    @property
    def hash(self) -> str:
        """As HAProxy computes it: SHA-256, upper-case hex."""
        return hash_of(self.secret)


@dataclass(frozen=True)
class Used:
    """What HAProxy remembers of a key since it was started or reloaded last: requests, and when the last one came."""

    requests: int
    at: float


@dataclass(frozen=True)
class Seen:
    """The keys as they are on the gateway, at `now` by its clock. `running` False: no HAProxy runs that knows them."""

    keys: ApiKeys
    now: float
    running: bool
    used: Mapping[str, Used] = field(default_factory=dict)  # by name
    digest: str = ""


class Keys:
    """A gateway's keys. Every call also mends what an earlier one left half done."""

    def __init__(self, machine: Machine, files: KeyFiles = FILES) -> None:
        self._machine, self._files = machine, files

    def read(self, *, usage: bool = False) -> Seen:
        """The keys as they are. DeployError: there are none yet, or they cannot be read."""
        return self._seen(self._run(self._files.program(usage=usage)))

    def tokens(self) -> Mapping[str, int]:
        """By name: what the relay's ledger says that was used since midnight UTC. DeployError: it cannot tell."""
        words = f"cd {RELAY_APP} && PYTHONPATH={RELAY_APP} exec {RELAY_VENV}/bin/python -m runtime.gateway.usage"
        result = self._machine.run(f"{ENVIRONMENT}; {words}", timeout_s=30.0)
        try:
            return {str(name): int(count) for name, count in json.loads(result.out)["tokens"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            said = tail(result.err, 1) or "its answer cannot be read"
            raise DeployError(f"The relay's ledger on the {self._machine.role} cannot be read: {said}") from error

    def change(self, decide: Decide) -> Seen:
        """Do what `decide` says, by the keys as they are when it is done; it may be asked several times.

        What it raises goes on to the caller, and nothing was changed. DeployError: the gateway could not.
        """
        for _ in range(TRIES):
            before = self.read()
            result = self._run(self._files.program(decide(before.keys, before.now), only_if=before.digest))
            if result.code != edit_keys.STALE:
                return self._seen(result)
        raise DeployError("Others keep changing keys on this gateway, so this change was not made. Run it again.")

    def _run(self, program: bytes) -> Result:
        return self._machine.run(self._files.command, stdin=program, timeout_s=edit_keys.LOCK_S + 30)

    def _seen(self, result: Result) -> Seen:
        if result.code != 0:
            said = tail(f"{result.err}\n{result.out}")
            raise DeployError(f"The keys on the {self._machine.role} could not be changed or read: {said}")
        printed = json.loads(result.out)
        now, text = float(printed["now"]), str(printed["keys"])
        used, digest = _used(str(printed["usage"]), now), hashlib.sha256(text.encode()).hexdigest()
        return Seen(ApiKeys.from_json(text), now, bool(printed["running"]), used, digest)

    def add_next(self) -> Key:
        """One more key with the next name of its kind."""
        made: list[Key] = []

        def decide(there: ApiKeys, now: float) -> Change:
            made.append(make(next_name(there)))
            return keys.add(there, ApiKey(made[-1].name, made[-1].hash, now), now)

        self.change(decide)
        return made[-1]


_ENTRY: Final = re.compile(r"key=(\S+) .*\bexp=(\d+) .*\bhttp_req_cnt=(\d+)")


def _used(table: str, now: float) -> Mapping[str, Used]:
    """`show table keys`: an entry's time is what is left of KEY_MEMORY_S since its last use, ms."""
    found = _ENTRY.finditer(table)
    return {m[1]: Used(int(m[3]), now - max(0.0, KEY_MEMORY_S - int(m[2]) / 1000)) for m in found}


def hash_of(secret: str) -> str:
    """SHA-256 of a key, upper-case hex."""
    return hashlib.sha256(secret.encode()).hexdigest().upper()


def make(name: str) -> Key:
    """A fresh secret for a name."""
    return Key(PREFIX + secrets.token_urlsafe(32), name)


def people(there: ApiKeys) -> list[ApiKey]:
    """The keys without the chat page's own."""
    return [key for key in there.keys if key.name != WEBUI_KEY]


def next_name(there: ApiKeys) -> str:
    """key-1, key-2, …: counts on from the highest, so that no name is used again while a later one stands."""
    numbers = (int(found[1]) for key in there.keys if (found := re.fullmatch(r"key-(\d+)", key.name)))
    return f"key-{max(numbers, default=0) + 1}"


def needed(there: ApiKeys, key_file: Path | None, now: float) -> bool:
    """A deployment makes a key where people have none yet, and where `key_file` holds none that works."""
    if not people(there):
        return True
    return key_file is not None and not works(there, key_file, now)


def works(there: ApiKeys, key_file: Path, now: float) -> bool:
    """The file holds a key that the gateway takes at `now`."""
    try:
        secret = key_file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"The key file {key_file} cannot be read: {error}.") from error
    mine = [key for key in there.keys if key.sha256 == hash_of(secret)]
    return any(keys.state(there, key, now) is not KeyState.EXPIRED for key in mine)


def write(secret: str, path: Path) -> None:
    """Write a key or a password into a file that only its owner reads."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secret + "\n")
        new.replace(path)
    except OSError as error:
        raise DeployError(
            f"The secret could not be written to {path}: {error}. Name another file, or none to have it printed."
        ) from error
