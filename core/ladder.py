"""The capacity ladder: what a refusal of EC2 means, which types are tried next, and what is said about it. Pure.

EC2 refuses a start for reasons that differ in what helps. Capacity: waiting, or another type; the reaper climbs
(`runtime/reaper/climb.py`). Everything else (quota, key, a type that the zone does not have): a person, and the words
say what to do. To know another code: its place in `_CODES`, a row in `tests/core/test_ladder.py`.
Codes: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html and, for a machine that falls back
to `stopped`, the codes of StateReason (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from core.errors import SettingsError
from core.instance_types import GPUS, architecture


class Kind(StrEnum):
    """What a refusal is about; the values of the first four are `failure` codes in the lease."""

    CAPACITY = "capacity"
    QUOTA = "quota"
    KEY = "kms-key"
    TYPE = "unsupported-type"
    OTHER = "other"


_CODES: Final[dict[str, Kind]] = {
    "InsufficientInstanceCapacity": Kind.CAPACITY,
    "InsufficientHostCapacity": Kind.CAPACITY,
    "InsufficientReservedInstanceCapacity": Kind.CAPACITY,
    "InsufficientCapacity": Kind.CAPACITY,
    "VcpuLimitExceeded": Kind.QUOTA,
    "InstanceLimitExceeded": Kind.QUOTA,
    "MaxSpotInstanceCountExceeded": Kind.QUOTA,
    "VolumeLimitExceeded": Kind.QUOTA,
    "Unsupported": Kind.TYPE,
    "InvalidInstanceType": Kind.TYPE,
    "InvalidInstanceAttributeValue": Kind.TYPE,
}
_SIDES: Final = ("Client.", "Server.")  # StateReason's codes say whose fault it is
_FIXES: Final[dict[Kind, str]] = {
    Kind.QUOTA: "This is a quota of the account, not capacity: ask for more under Service Quotas, Amazon EC2 (running "
    "On-Demand G and VT instances counts vCPUs), or stop other instances",
    Kind.KEY: "The disk's KMS key refuses: enable the key, or undo its deletion, and let its key policy grant this "
    "role kms:CreateGrant for EC2",
    Kind.TYPE: "The zone or the image does not take this type: name another one in host.instanceTypes of the stack "
    "file and run `pulumi up`, then `fab deploy`",
}


def kind(code: str) -> Kind:
    """What a code of EC2 is about, with or without `Client.` or `Server.` before it."""
    for side in _SIDES:
        code = code.removeprefix(side)
    if code.startswith(("InvalidKMSKey", "KMS", "Kms")):
        return Kind.KEY
    return _CODES.get(code, Kind.OTHER)


def kind_of_words(state_reason: str) -> Kind:
    """What EC2's StateReason ("Server.InsufficientInstanceCapacity: …") is about."""
    code, colon, _ = state_reason.partition(":")
    return kind(code.strip()) if colon else Kind.OTHER


def fix(of: Kind) -> str:
    """What a person can do about it, as one sentence without a full stop; "" where only time helps."""
    return _FIXES.get(of, "")


def with_fix(words: str, of: Kind) -> str:
    """EC2's words and what to do about them."""
    return f"{words.rstrip('.')}. {fix(of)}" if fix(of) else words


def rungs(instance_types: Sequence[str], current: str, *, needs_gpu: bool = True) -> tuple[str, ...]:
    """The types to change to after `current` was refused: those of its processor, in the stack file's order.

    The disk stays in its zone and its programs are built for one processor; a type of another one would not boot.
    What is sized for the first type's GPUs (`needs_gpu`) would not load with less of their memory: those are skipped.
    """
    found: list[str] = []
    for name in instance_types:
        if name != current and name not in found and _same_processor(name, current):
            found.append(name)
    small = too_small(instance_types) if needs_gpu else ()
    return tuple(name for name in found if name not in small)


def order(instance_types: Sequence[str], current: str, refused: str, *, needs_gpu: bool = True) -> tuple[str, ...]:
    """What is still to be tried, `current` once more first; `refused` is the lease's `tried`: nothing in it again."""
    each = (current, *rungs(instance_types, current, needs_gpu=needs_gpu))
    return tuple(t for t in each if f"{t} (" not in refused)


def too_small(instance_types: Sequence[str]) -> tuple[str, ...]:
    """The types with less GPU memory than the first, each or in all; a type that the table does not know is none."""
    first = GPUS.get(instance_types[0]) if instance_types else None
    if first is None:
        return ()
    known = {name: GPUS[name] for name in instance_types if name in GPUS}
    return tuple(name for name, has in known.items() if has.gib_each < first.gib_each or has.gib < first.gib)


def skipped(instance_types: Sequence[str], *, needs_gpu: bool = True) -> str:
    """The rungs that are never tried, and why: "g4dn.xlarge skipped: 16 GiB of GPU memory, g6.xlarge has 24"."""
    names = too_small(instance_types) if needs_gpu else ()
    if not names:
        return ""
    first = instance_types[0]
    each = [f"{name} skipped: {GPUS[name]} GiB of GPU memory" for name in names]
    return f"{'; '.join(each)}, {first} has {GPUS[first]}"


def preferred(instance_types: Sequence[str], current: str) -> str:
    """The type that the host should have while nothing is short: the stack file's first, or what it has."""
    first = instance_types[0] if instance_types else ""
    return first if first and _same_processor(first, current) else current


def tried(before: str, instance_type: str, code: str) -> str:
    """The refused rungs as they stand in the lease: "g6.xlarge (InsufficientInstanceCapacity), g5.xlarge (…)"."""
    words = f"{instance_type} ({code})"
    return before if words in before.split(", ") else ", ".join(filter(None, (before, words)))


def words(rung: str, refused: str, left_out: str = "") -> str:
    """What the ladder did for a start, to stand after "starting"; "" where EC2 refused nothing. `left_out`: `skipped`'s
    words.
    """
    if not refused:
        return ""
    return f"{f' as {rung}' if rung else ''} after EC2 refused {refused}{f' ({left_out})' if left_out else ''}"


def _same_processor(one: str, other: str) -> bool:
    try:
        return architecture(one) == architecture(other)
    except SettingsError:
        return False
