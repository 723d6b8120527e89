"""Time zones: one list and one set of rules, the same on this computer, in the Lambda and on the machines.

Both come from the package `tzdata` (in requirements.txt, and shipped with the reaper), never from the system: systems
differ in their age, in the names that they have, and a name may be a folder there (`Europe`).
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

from core.errors import SettingsError

_PACKAGE: Final = "tzdata"
_NO_PLACE: Final = frozenset({"Factory"})  # in the list, and means: not set


@functools.cache
def names() -> frozenset[str]:
    """Every name that is a time zone; what only holds others (`America`, `America/Argentina`) is none."""
    listed = resources.files(_PACKAGE).joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(listed) - _NO_PLACE


@functools.cache
def zone(name: str) -> ZoneInfo:
    """The time zone of that name. SettingsError: there is none."""
    if name not in names():
        raise SettingsError(f"{name!r} is not a time zone; write an IANA name such as Europe/Berlin")
    with resources.files(_PACKAGE).joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def inside(name: str) -> tuple[str, ...]:
    """The time zones in a part of the world: of `America/Argentina` Buenos_Aires and others; () where it is none."""
    return tuple(sorted(known for known in names() if known.startswith(f"{name.rstrip('/')}/")))
