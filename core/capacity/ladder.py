"""The capacity ladder: which types are tried after a refusal for want of capacity, and what is said about it. Pure.

What a refusal means is `core/capacity/power_errors.py`'s; the reaper climbs (`runtime/reaper/climb.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from core.capacity.instance_types import GPUS, architecture
from core.errors import SettingsError


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
