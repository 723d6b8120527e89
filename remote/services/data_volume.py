"""The gateway's data volume: mounted at DATA_DIR before those start who write there.

A gateway without one has the same folder on its root disk. Why it is a service and no line of fstab: it waits for a
volume that is attached after the boot, formats one that is blank, and takes along what the root disk had (ADR 39).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from core.contract.paths import DATA_DIR, DATA_UNIT, REDIS_UNIT, RELAY_UNITS, volume_link
from remote import templates
from remote.items import Item
from remote.items.files import File
from remote.items.units import Unit, digest_of
from remote.services import webui

SOURCE: Final = Path(__file__).parents[1] / "scripts" / "mount_data.sh"
SCRIPT: Final = "/opt/pilotlight/mount-data"
FIRST_COPY_S: Final = 1800  # of what the root disk had, onto a new volume
UNIT_FILE: Final = f"/etc/systemd/system/{DATA_UNIT}"


def items(volume_id: str) -> list[Item]:
    """Script and unit; "": there is no volume, and nothing to do."""
    if not volume_id:
        return []
    script = File(SCRIPT, SOURCE.read_bytes(), mode=0o755)
    unit = File(
        UNIT_FILE,
        templates.render(
            "pilotlight-data.service.j2",
            script=SCRIPT,
            volume=volume_link(volume_id),
            folder=DATA_DIR,
            start_s=FIRST_COPY_S,
            users=f"{REDIS_UNIT} {webui.UNIT}",
            relays=" ".join(RELAY_UNITS),
        ),
    )
    # reload: who writes there would be restarted with it
    return [script, unit, Unit(DATA_UNIT, digest_of((script, unit)), reload=True, start_s=FIRST_COPY_S, slow=True)]
