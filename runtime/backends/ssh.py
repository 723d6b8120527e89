"""A machine of one's own: leases in a SQLite file on it, engines that systemd starts and stops, a reaper beside them.

Agent, relay, reaper and lease client all run on that machine and open the same file. The settings, which on AWS
`pulumi up` writes into the table, are a file that `fab deploy` writes (UNIT_SETTINGS). The reasons:
docs/adr/0034-your-own-machine.md
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from core.contract.documents import Place, UnitSettings
from core.contract.paths import UNIT_SETTINGS
from core.errors import ContractError
from runtime.backends import Backend
from runtime.backends.leases import StoreUnavailable
from runtime.backends.leases.items import read_settings
from runtime.backends.leases.sqlite import SqliteLeaseStore
from runtime.backends.notifications.log import LogNotifications
from runtime.backends.power.systemd import SystemdPower


def open(place: Place) -> Backend:
    """The machine that this runs on; the unit is the place's `control`. ContractError: its file is not to be had."""
    try:
        make_file(Path(place.table))
        leases = OwnLeases(place.table, place.control)
    except (OSError, StoreUnavailable) as error:
        raise ContractError(f"The lease file {place.table} cannot be used: {error}. Run `fab deploy`.") from error
    return Backend(
        leases=leases,
        power=SystemdPower(),
        notifications=LogNotifications(),
        ask_reaper=_looks_by_itself,
    )


def _looks_by_itself(unit: str) -> None:
    """The reaper of a machine passes every few seconds; nothing needs to be asked of it."""


class OwnLeases(SqliteLeaseStore):
    """The leases of one machine. It has one unit, and that one's settings are the file `settings_file`."""

    def __init__(self, path: str | Path, unit: str, settings_file: str = UNIT_SETTINGS) -> None:
        super().__init__(path)
        self._unit, self._settings_file = unit, Path(settings_file)

    def units(self) -> Sequence[str]:
        """The one, where it was deployed."""
        return [self._unit] if self._settings_file.exists() else []

    def settings(self, unit: str) -> UnitSettings | None:
        """As `fab deploy` wrote them; None of another unit. ContractError where they cannot be read."""
        if unit not in self.units():
            return None
        try:
            return read_settings(unit, self._settings_file.read_text())
        except OSError as error:
            raise ContractError(f"Cannot read {self._settings_file}: {error.strerror}. Run `fab deploy`.") from error


def make_file(path: Path) -> None:
    """An empty file where there is none, which belongs to whom its folder belongs to: root's programs are often the
    first to open it, and the relay is not root. (SQLite gives the files beside it the same owner.) OSError, also where
    a link is there: the relay can put one in its folder, and root would give it the file behind it.
    """
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        folder, found = path.parent.stat(), os.fstat(file)
        if os.geteuid() == 0 and (found.st_uid, found.st_gid) != (folder.st_uid, folder.st_gid):
            os.fchown(file, folder.st_uid, folder.st_gid)
    finally:
        os.close(file)
