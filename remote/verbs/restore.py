"""`fab restore`: a gateway has again what a backup has. What it had before is asked about, and kept beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core import backup
from core.backup import Contents
from core.contract.documents import SCHEMA_VERSION, ApiKeys, Outputs
from core.errors import DeployError
from core.times import moments
from remote import backup_file
from remote.backup_file import BackupFile
from remote.progress import Progress
from remote.services.gateway_state import Look
from remote.verbs.backup import Front

REDIS_S: Final = 30.0  # Redis has so long to answer after it was started


@dataclass(frozen=True)
class Plan:
    """What a restore would do: `lost` is what the gateway has and would not have any more, in words."""

    file: BackupFile
    lost: list[str]
    notes: list[str]
    zone: str

    @property
    def words(self) -> str:
        """The question's beginning."""
        made = moments.with_year(self.file.manifest.made_at, self.zone)
        lines = [f"{self.file.path} of {made} ({self.zone}) would take the place of what is on the gateway:"]
        return "\n".join([*lines, *(f"  {line}" for line in self.lost), *self.notes])


@dataclass(frozen=True)
class Restored:
    """What was done. `kept`: the gateway's folder with what was there before. `live`: the running HAProxy has them."""

    contents: Contents
    kept: str
    live: bool
    page: bool  # the chat page was started anew

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        chats = self.contents.chats
        return {
            "keys": [key.name for key in self.contents.people],
            "conversations": chats.chats if chats else None,
            "redis_entries": self.contents.counts,
            "kept": self.kept,
            "live": self.live,
        }

    def text(self) -> list[str]:
        """For people."""
        lines = ["The gateway has again:", *(f"  {line}" for line in backup.words(self.contents))]
        lines.append(f"What was there before is in {self.kept} on the gateway. Remove it when nobody needs it.")
        if self.page:
            lines.append("The chat page starts anew and is back within a minute or two. Its users log in again.")
        if not self.live:
            lines.append("HAProxy does not run on the gateway; it reads the keys when it starts.")
        return lines


def read(at: Front, path: Path, of: str) -> BackupFile:
    """The backup, whole and this stack's. DeployError: it is damaged, or another's."""
    found = backup_file.judge(path)
    try:
        backup.check_owner(
            found.manifest, at.inventory.stack, at.inventory.outputs.get(Outputs.DEPLOYMENT_ID, ""), of, at.zone
        )
    except DeployError as error:
        raise DeployError(f"{path} {error}") from error
    return found


def plan(at: Front, file: BackupFile, look: Look) -> Plan:
    """What would be lost, and what else is to be known."""
    there = look.contents if file.manifest.chats else Contents(look.contents.keys, None, look.contents.counts)
    notes = ["A restore that had been cut off was finished first."] if look.finished else []
    if names := backup.revived(look.contents, file.contents):
        them = ", ".join(names)
        notes.append(
            f"API keys that the gateway does not have now would work again: {them}. `fab keys.revoke` ends one."
        )
    old, new = file.manifest.webui_image, at.inventory.settings.webui.image
    if file.manifest.chats and at.has_page and old != new:
        notes.append(f"The chat page was {old} then, and is {new} now: it takes over older data, but not newer ones.")
    if file.manifest.chats and not at.has_page:
        notes.append("There is no chat page on this gateway; the conversations are laid where it would look for them.")
    return Plan(file, backup.lost(there, file.contents, file.manifest.made_at, at.zone), notes, at.zone)


def restore(
    at: Front, file: BackupFile, progress: Progress, *, pause: Callable[[float], None] = time.sleep
) -> Restored:
    """Put it in place. DeployError before anything is changed, or with where the old data are."""
    manifest = file.manifest
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    with (
        progress.during("gateway  is restored; Redis and the chat page are started anew"),
        file.path.open("rb") as archive,
    ):
        kept = at.state.restore(archive, manifest, stamp)
    live = at.state.restore_keys(ApiKeys(SCHEMA_VERSION, file.contents.keys))
    _redis_answers(at, kept, pause)
    return Restored(file.contents, kept, live, bool(manifest.chats) and at.has_page)


def _redis_answers(at: Front, kept: str, pause: Callable[[float], None]) -> None:
    for _ in range(int(REDIS_S)):
        if at.state.look().contents.counts is not None:
            return
        pause(1.0)
    raise DeployError(
        f"Redis does not answer after the restore: see `fab logs -s {at.inventory.stack}`. What was there before is in "
        f"{kept} on the gateway."
    )
