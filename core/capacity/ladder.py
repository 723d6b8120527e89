"""The capacity ladder: which types are tried after a refusal for want of capacity, and what is said about it. Pure.

What a refusal means is `core/capacity/power_errors.py`'s; the reaper climbs (`runtime/reaper/climb.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from core.capacity.instance_types import GPUS, architecture
from core.errors import SettingsError

Skipped = Mapping[str, str]  # types on which the engines would not load, and why: what `up` found by their size
NONE: Final[Skipped] = MappingProxyType({})


def rungs(instance_types: Sequence[str], current: str, skipped: Skipped = NONE) -> tuple[str, ...]:
    """The types to change to after `current` was refused: those of its processor, in the stack file's order.

    The disk stays in its zone and its programs are built for one processor; a type of another one would not boot.
    """
    found: list[str] = []
    for name in instance_types:
        if name != current and name not in found and name not in skipped and _same_processor(name, current):
            found.append(name)
    return tuple(found)


def order(instance_types: Sequence[str], current: str, refused: str, skipped: Skipped = NONE) -> tuple[str, ...]:
    """What is still to be tried, `current` once more first; `refused` is the lease's `tried`: nothing in it again."""
    each = (current, *rungs(instance_types, current, skipped))
    return tuple(t for t in each if f"{t} (" not in refused)


def by_memory(instance_types: Sequence[str]) -> dict[str, str]:
    """What to skip where a model's size is not known: types with less GPU memory than the first, each or in all.

    What was chosen for the first type's GPUs may not load with less. A type that the table does not know is kept.
    """
    name = instance_types[0] if instance_types else ""
    first = GPUS.get(name)
    if first is None:
        return {}
    known = {other: GPUS[other] for other in instance_types if other in GPUS}
    small = {other: has for other, has in known.items() if has.gib_each < first.gib_each or has.gib < first.gib}
    return {other: f"{has} GiB of GPU memory, {name} has {first}" for other, has in small.items()}


def skipped_words(skipped: Skipped) -> str:
    """The rungs that are never tried, and why: "g4dn.xlarge skipped: 16 GiB of GPU memory, g6.xlarge has 24"."""
    return "; ".join(f"{name} skipped: {why}" for name, why in skipped.items())


def first_up(first: str, other: str) -> str:
    """What a first `up` is told: it makes the preferred type or fails; only later starts climb the ladder."""
    return (
        f"the first `up` makes a {first} and tries no other type. If EC2 answers InsufficientInstanceCapacity, put "
        f"{other} first in pilotlight:host.instanceTypes and run `pulumi up` again"
    )


def preferred(instance_types: Sequence[str], current: str) -> str:
    """The type that the host should have while nothing is short: the stack file's first, or what it has."""
    first = instance_types[0] if instance_types else ""
    return first if first and _same_processor(first, current) else current


def tried(before: str, instance_type: str, code: str) -> str:
    """The refused rungs as they stand in the lease: "g6.xlarge (InsufficientInstanceCapacity), g5.xlarge (…)"."""
    words = f"{instance_type} ({code})"
    return before if words in before.split(", ") else ", ".join(filter(None, (before, words)))


def words(rung: str, refused: str, left_out: str = "") -> str:
    """What the ladder did for a start, to stand after "starting"; "" where EC2 refused nothing. `left_out`: of
    `skipped_words`.
    """
    if not refused:
        return ""
    return f"{f' as {rung}' if rung else ''} after EC2 refused {refused}{f' ({left_out})' if left_out else ''}"


def _same_processor(one: str, other: str) -> bool:
    try:
        return architecture(one) == architecture(other)
    except SettingsError:
        return False
