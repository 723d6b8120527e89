"""`fab backup`: API keys, Redis and the chat page of a gateway as one file on this computer. Nothing is stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core import backup
from core.backup import SCHEMA_VERSION
from core.contract.documents import Outputs
from core.errors import SettingsError
from core.times import moments
from remote import backup_file, paths
from remote.backup_file import BackupFile
from remote.machines import inventory
from remote.machines.inventory import Inventory
from remote.machines.transport import Machine
from remote.progress import Progress
from remote.services.gateway_state import GatewayState, counted
from remote.services.keys import Keys
from remote.verbs.version import version

SUFFIX: Final = ".tar.gz"
ON_THE_HOST: Final = "The chat page runs on the host (webui.host), and its conversations are on the host's own disk"


@dataclass(frozen=True)
class Front:
    """A stack and the state of the machine that callers talk to."""

    inventory: Inventory
    state: GatewayState

    @property
    def zone(self) -> str:
        """The time zone that people of this stack read times in."""
        return self.inventory.settings.idle.time_zone

    @property
    def has_page(self) -> bool:
        """The chat page is there, and with it the conversations."""
        return self.inventory.settings.chat_on == "gateway"


def front(stack: str, identity: str = "") -> Front:
    """Connect to the machine. DeployError: not deployed, or no answer."""
    found = inventory.load(stack, identity=identity)
    machine = Machine(found.gateway or found.host)
    machine.connect()
    return Front(found, GatewayState(machine, Keys(machine)))


@dataclass(frozen=True)
class Made:
    """A backup that was written and read again."""

    file: BackupFile
    zone: str
    page_on_host: bool

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        manifest = self.file.manifest
        return {
            "file": str(self.file.path),
            "bytes": self.file.path.stat().st_size,
            "made_at": moments.iso(manifest.made_at, self.zone),
            "keys": [key.name for key in self.file.contents.people],
            "chats": counted(manifest.chats),
            "redis_entries": manifest.counts,
        }

    def words(self) -> list[str]:
        """For people."""
        size = self.file.path.stat().st_size / (1 << 20)
        lines = [f"{self.file.path}, {size:.1f} MiB, read again and right:"]
        lines += [f"  {line}" for line in backup.words(self.file.contents)]
        lines += [f"{ON_THE_HOST}: they are not in it."] if self.page_on_host else []
        return [*lines, "Whoever has this file can read the conversations. Keep it where only you can."]


def place(text: str, stack: str, now: float) -> Path:
    """Where the backup goes: a file that is not there yet, or a name of ours in a folder; "" is this folder.

    SettingsError: it cannot.
    """
    given = paths.typed(text)
    try:
        if given.is_dir():
            return given / f"pilotlight-{stack}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}{SUFFIX}"
        if given.exists():
            raise SettingsError(f"{given} is there already. Name another file, or a folder.")
        if not given.parent.is_dir():
            raise SettingsError(f"There is no folder {given.parent}. Make it, or name another file.")
    except OSError as error:
        raise SettingsError(f"{given} cannot be written: {error.strerror}. Name another file, or a folder.") from error
    return given


def make(at: Front, path: Path, progress: Progress) -> Made:
    """Copy, bring, and read again. DeployError: it could not be made, and no file is left."""
    settings = at.inventory.settings
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "stack": at.inventory.stack,
        "deployment_id": at.inventory.outputs.get(Outputs.DEPLOYMENT_ID, ""),
        "version": version().number,
        "webui_image": settings.webui.image if at.has_page else "",
    }
    with progress.during("gateway  is copied; nothing is stopped"), backup_file.new(path) as file:
        at.state.copy(file, manifest)
    return Made(backup_file.judge(path), at.zone, settings.chat_on == "host")
