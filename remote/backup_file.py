"""A backup on this computer: written by `fab backup`, judged by its checksums, read by `fab restore`."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final

from core import backup
from core.backup import Contents, Manifest
from core.contract.documents import ApiKeys
from core.errors import ContractError, DeployError

BLOCK: Final = 1 << 20
_NAME_MAX: Final = 100  # of a part's name: what is added must fit
MANIFEST_MAX: Final = 64 << 20  # bytes; 300,000 files
_NOTHING: Final = "Nothing was changed. Take another backup."


@dataclass(frozen=True)
class BackupFile:
    """An archive whose every checksum is right."""

    path: Path
    manifest: Manifest
    contents: Contents


@contextmanager
def new(path: Path) -> Iterator[BinaryIO]:
    """A file that only its owner reads, and that stands under its name only when it is whole."""
    part: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name[:_NAME_MAX]}.", suffix=".part")
        part = Path(name)  # its own: another backup of that name may be on its way
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        judge(part)
        part.replace(path)
    except OSError as error:
        raise DeployError(f"The backup could not be written to {path}: {error.strerror or error}.") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def judge(path: Path) -> BackupFile:
    """Read all of it. DeployError: it cannot be read, is none of ours, or something in it is not as it was stored."""
    try:
        with gzip.open(path) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
            manifest, keys = _read(tar)
            while plain.read(BLOCK):
                pass  # tar stops before the end, where gzip's own checksum stands: the manifest has no other
    except DeployError as error:
        raise DeployError(f"{path} {error}") from error
    except (EOFError, gzip.BadGzipFile, tarfile.TarError, zlib.error) as error:
        raise DeployError(f"{path} is damaged, or no backup at all ({error}). {_NOTHING}") from error
    except OSError as error:
        raise DeployError(f"{path} cannot be read: {error.strerror or error}.") from error
    return BackupFile(path, manifest, Contents(keys.keys, manifest.chats, manifest.counts))


def _read(tar: tarfile.TarFile) -> tuple[Manifest, ApiKeys]:
    members = ((member.name, tar.extractfile(member)) for member in tar)
    name, content = next(members, ("", None))
    if name != backup.MANIFEST or content is None:
        raise DeployError("is not a backup of `fab backup`: it does not begin with a manifest.")
    manifest = backup.read(content.read(MANIFEST_MAX).decode(errors="replace"))
    keys, seen = b"", set[str]()
    for name, content in members:
        stored = manifest.files.get(name)
        if content is None or stored is None:
            raise DeployError(f"is damaged: its manifest does not name {name}. {_NOTHING}")
        found, text = _digest(content, keep=name == backup.KEYS)
        keys = text or keys
        if found != stored.sha256:
            raise DeployError(f"is damaged: {name} is not what its checksum says. {_NOTHING}")
        seen.add(name)
    if missing := sorted(manifest.files.keys() - seen):
        raise DeployError(f"is damaged: {missing[0]} is missing. {_NOTHING}")
    try:
        return manifest, ApiKeys.from_json(keys.decode())
    except (ContractError, UnicodeDecodeError) as error:
        raise DeployError(f"is damaged: {backup.KEYS} holds no keys ({error}). {_NOTHING}") from error


def _digest(content: IO[bytes], *, keep: bool) -> tuple[str, bytes]:
    """SHA-256, and the content where it is to be kept."""
    found, kept = hashlib.sha256(), []
    while block := content.read(BLOCK):
        found.update(block)
        if keep:
            kept.append(block)
    return found.hexdigest(), b"".join(kept)
