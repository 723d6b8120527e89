"""API keys: minted here, shown once, kept only as hashes on the gateway."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from core.contract.network import WEBUI_KEY
from core.errors import DeployError

PREFIX: Final = "sk-pl-"


@dataclass(frozen=True)
class Key:
    """A key in the clear (`secret`; never in a log) and the name under which the gateway logs it."""

    secret: str = field(repr=False)
    name: str

    @property
    def hash(self) -> str:
        """As HAProxy computes it: SHA-256, upper-case hex."""
        return hash_of(self.secret)


def hash_of(secret: str) -> str:
    """SHA-256 of a key, upper-case hex."""
    return hashlib.sha256(secret.encode()).hexdigest().upper()


def of_people(keys_map: str) -> str:
    """The map without the chat page's own key."""
    return "\n".join(line for line in keys_map.splitlines() if line.split()[1:] != [WEBUI_KEY])


def mint(keys_map: str) -> Key:
    """A fresh key. Its name counts on from the highest in the map: one whose key was removed is not used again while a
    later one stands, so that removing by name takes one key.
    """
    numbers = (int(found[1]) for found in re.finditer(r" key-(\d+)$", keys_map, re.MULTILINE))
    return Key(PREFIX + secrets.token_urlsafe(32), f"key-{max(numbers, default=0) + 1}")


def needed(keys_map: str, *, new_key: bool, key_file: Path | None) -> bool:
    """A key is minted where there is none yet, on demand, and where `key_file` holds none that works."""
    if new_key or not keys_map:
        return True
    return key_file is not None and not works(keys_map, key_file)


def works(keys_map: str, key_file: Path) -> bool:
    """The file holds a key that the gateway knows."""
    try:
        secret = key_file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"The key file {key_file} cannot be read: {error}.") from error
    return hash_of(secret) in keys_map


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
