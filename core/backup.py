"""A backup of what outlives the gateway: what its manifest says, whose it is, and what a restore would take away.

Pure. `remote/scripts/gateway_state.py` writes the manifest, which stands first in the archive.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.contract.documents import ApiKey
from core.contract.network import WEBUI_KEY
from core.errors import DeployError
from core.times import moments

SCHEMA_VERSION: Final = 1
MANIFEST: Final = "manifest.json"  # names in the archive
KEYS: Final = "keys.json"
LATEST: Final = 4102444800.0  # 2100: what says that it was made later was not made by `fab backup`


@dataclass(frozen=True)
class Chats:
    """The chat page's database. None: it could not be counted, and `problem` says why."""

    chats: int | None
    accounts: int | None
    newest: float | None = None  # when a conversation changed last, seconds since 1970
    problem: str = ""


@dataclass(frozen=True)
class Contents:
    """What a backup or a gateway has. `chats` None: no chat page. `counts`: entries in Redis, None: nobody knows."""

    keys: tuple[ApiKey, ...]
    chats: Chats | None
    counts: int | None

    @property
    def people(self) -> tuple[ApiKey, ...]:
        """The keys without the chat page's own, which stays with its machine."""
        return tuple(key for key in self.keys if key.name != WEBUI_KEY)


@dataclass(frozen=True)
class Stored:
    """A file of the archive."""

    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Whose backup it is, when it was made (seconds since 1970, by the gateway's clock), and of which files."""

    stack: str
    deployment_id: str
    made_at: float
    version: str  # of pilotlight
    webui_image: str  # "": the stack had no chat page on its gateway
    files: Mapping[str, Stored]
    chats: Chats | None = None
    counts: int | None = None
    schema_version: int = field(default=SCHEMA_VERSION)

    @property
    def size(self) -> int:
        """Bytes of all files, unpacked."""
        return sum(file.size for file in self.files.values())


def read(text: str) -> Manifest:
    """The manifest. DeployError: another version's, or none of ours; the message goes behind the file's name."""
    try:
        told = json.loads(text)
        if told["schema_version"] != SCHEMA_VERSION:
            raise DeployError(
                f"is a backup of schema_version {told['schema_version']}, and this pilotlight reads {SCHEMA_VERSION}. "
                f"It was made by pilotlight {told.get('version')}: restore it with that checkout."
            )
        files = {str(name): Stored(int(one["bytes"]), str(one["sha256"])) for name, one in told["files"].items()}
        made_at, counts = float(told["made_at"]), told["counts"]
        if KEYS not in files or not 0 <= made_at < LATEST or not (counts is None or isinstance(counts, int)):
            raise ValueError(KEYS)
        return Manifest(
            stack=str(told["stack"]),
            deployment_id=str(told["deployment_id"]),
            version=str(told["version"]),
            webui_image=str(told["webui_image"]),
            made_at=made_at,
            files=files,
            chats=chats(told["chats"]),
            counts=counts,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DeployError("is not a backup of `fab backup`: its manifest cannot be read.") from error


def chats(told: Mapping[str, Any] | None) -> Chats | None:
    """As the gateway's script tells them."""
    return None if told is None else Chats(told["chats"], told["accounts"], told["newest"], told["problem"])


def check_owner(manifest: Manifest, stack: str, deployment_id: str, of: str, zone: str) -> None:
    """DeployError unless the backup is this deployment's, or that of the stack which the user named by `--of`."""
    if of:
        if manifest.stack != of:
            raise DeployError(f"is of the stack `{manifest.stack}`, and --of says `{of}`. Nothing was changed.")
        return
    if (manifest.stack, manifest.deployment_id) == (stack, deployment_id):
        return
    when = moments.with_year(manifest.made_at, zone)
    whose = f"of another stack, `{manifest.stack}`"
    if manifest.stack == stack:
        whose = f"of an earlier deployment of `{stack}` ({manifest.deployment_id}; this one is {deployment_id})"
    raise DeployError(
        f"is a backup {whose}, made {when} ({zone}). Nothing was changed. If it is meant, add `--of {manifest.stack}`."
    )


def lost(there: Contents, backup: Contents, made_at: float, zone: str) -> list[str]:
    """What a gateway has that a restore takes away, in words; empty where nothing would be missed."""
    return [*_lost_keys(there, backup), *_lost_chats(there, made_at, zone), *_lost_counts(there)]


def _lost_keys(there: Contents, backup: Contents) -> Iterator[str]:
    kept = {key.sha256 for key in backup.people}
    if gone := sorted({key.name for key in there.people if key.sha256 not in kept}):
        yield f"API keys that would stop working: {', '.join(gone)}"


def revived(there: Contents, backup: Contents) -> list[str]:
    """Names of keys that a restore brings (back): one of them may have been revoked since."""
    known = {key.sha256 for key in there.people}
    return sorted({key.name for key in backup.people if key.sha256 not in known})


def _lost_chats(there: Contents, made_at: float, zone: str) -> Iterator[str]:
    found = there.chats
    if found is None or found.chats == 0:
        return
    if found.chats is None:
        yield f"the chat page's database, which cannot be read ({found.problem})"
        return
    newest = f", the newest of {moments.with_year(found.newest, zone)}" if found.newest else ""
    newer = ", newer than the backup" if found.newest and found.newest > made_at else ""
    yield f"{_many(found.chats, 'conversation')} of {_many(found.accounts or 0, 'account')}{newest}{newer}"


def _lost_counts(there: Contents) -> Iterator[str]:
    if there.counts:
        yield f"{_many(there.counts, 'entry', 'entries')} in Redis (what keys used, cached answers)"


def words(contents: Contents) -> list[str]:
    """What there is, a line a part."""
    names = [key.name for key in contents.people]
    told = [f"{_many(len(names), 'API key')}" + (f": {', '.join(names)}" if names else "")]
    if contents.counts is not None:
        told.append(f"{_many(contents.counts, 'entry', 'entries')} in Redis (what keys used, cached answers)")
    if (found := contents.chats) is not None and found.chats is not None:
        told.append(f"{_many(found.chats, 'conversation')} of {_many(found.accounts or 0, 'account')}")
    return told


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def new_keys(backup: Sequence[ApiKey], there: Sequence[ApiKey]) -> tuple[tuple[str, ...], tuple[ApiKey, ...]]:
    """Hashes that go and records that come, so that people's keys are the backup's and the page's own stays."""
    gone = tuple(key.sha256 for key in there if key.name != WEBUI_KEY)
    return gone, tuple(key for key in backup if key.name != WEBUI_KEY)
