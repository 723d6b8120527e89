"""What `pulumi up` leaves as it is, and the stack file says otherwise: asleep is not drift, so the host's type, key and
tags are ignored there (`components/aws/gpu_host.py`). What is ignored is not hidden.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from core.contract import tags
from core.settings import Ec2Host, StackSettings, stop_after_s
from core.times import durations
from remote.checks import Area, Check, passed, warned
from remote.checks.machine import GIB, Disk
from remote.machines.lease_client import Instance

ROOM: Final = 0.85  # of the disk that is paid for: the rest is the file system's own, and what boots


def machine(settings: StackSettings, found: Instance) -> Iterator[Check]:
    """Type and tags of the host, as EC2 describes it. Nothing where nobody told, or it is no EC2 instance."""
    if not found.instance_type or not isinstance(settings.host, Ec2Host):
        return
    yield _type(settings.host, found.instance_type)
    edited = list(_tags(settings, found))
    yield from edited
    if not edited:
        yield passed(Area.HOST, "tags", "say what the stack file says")


def _type(host: Ec2Host, actual: str) -> Check:
    first, *rungs = host.instance_types
    if actual == first:
        return passed(Area.HOST, "type", actual)
    if actual in rungs:
        return passed(Area.HOST, "type", f"{actual}: EC2 had no {first} when it was started; a later start tries again")
    said = f"the stack file says {', '.join(host.instance_types)}, the host is {actual}"
    fix = (
        "While it is off: `aws ec2 modify-instance-attribute` sets it, docs/operate/move.md; or correct the stack file."
    )
    return warned(Area.HOST, "type", said, fix)


def _tags(settings: StackSettings, found: Instance) -> Iterator[Check]:
    """Operations may edit these in the console, and then they win."""
    stop, lease = stop_after_s(settings.idle), settings.idle.max_lease or None
    for name, seconds in ((tags.TAG_AUTO_STOP, stop), (tags.TAG_MAX_LEASE, lease)):
        wanted, actual = "off" if seconds is None else durations.spell(seconds), found.tags.get(name)
        if actual is not None and actual != wanted:
            said = f"{name} is {actual}, the stack file says {wanted}; the tag counts"
            fix = f"Nothing, where that is meant; else `pulumi up -s {settings.stack} --refresh`."
            yield warned(Area.HOST, "tags", said, fix)


def disk(area: Area, root: Disk | None, wanted_gib: int, stack: str) -> Iterator[Check]:
    """The file system has grown with the disk that is paid for."""
    if root is None or root.size >= ROOM * wanted_gib * GIB:
        return
    said = f"the stack file says {wanted_gib} GiB, the file system has {root.size / GIB:.0f} GiB"
    fix = f"`pulumi up -s {stack}` grows the disk, and a reboot the file system."
    yield warned(area, "disk", said, fix)


def ssh_key(area: Area, accepted: str, wanted: str | None) -> Check:
    """The stack file's key logs in. `accepted` is the text of the machine's authorized_keys."""
    words = (wanted or "").split()[:2]
    lines = [line.split() for line in accepted.splitlines()]
    if not words or any(words[1] in line for line in lines):
        return passed(area, "SSH key", "the stack file's is accepted")
    said = "the stack file has another key than the machine accepts; `pulumi up` changes it for new machines only"
    return warned(area, "SSH key", said, "docs/operate/keys.md says how the machine gets it.")
