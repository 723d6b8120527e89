"""What the gateway's programs take of its memory, and which type of machine has that. Pure.

A type's memory follows from its name for the families that a gateway is made of (T, C, M, R and A1); of others nothing
is known here, and nothing is refused. `tests/core/capacity/test_gateway_memory.py` compares it with EC2's answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from core.capacity.instance_types import NAME

# MiB, resident, measured on x86 with nobody waiting, but for the first: there was no machine on AWS to measure it on
SYSTEM_MIB: Final = 200  # kernel, systemd, journal, sshd; assumed
DOCKER_MIB: Final = 126  # dockerd, containerd and a container's shim; only with the chat page
HAPROXY_MIB: Final = 30  # master and worker
RELAYS_MIB: Final = 2 * 107  # ADR 29
WAITING_MIB: Final = 64  # bodies of requests that wait, and HAProxy's buffers
REDIS_MIB: Final = (32, 256)  # at least and at most, of a sixteenth of the machine's (ADR 22)

_SIZES: Final = ("nano", "micro", "small", "medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge")
_BURSTABLE_LARGEST: Final = "2xlarge"
_MIB_A_VCPU: Final = {"c": 2048, "m": 4096, "r": 8192, "a": 2048}
_OLDEST: Final = {"c": 5, "m": 4, "r": 5, "a": 1}  # generations before these have sizes of their own
_VCPUS: Final = {"medium": 1, "large": 2, "xlarge": 4}


def memory_mib(instance_type: str) -> int | None:
    """The memory that a type is sold with, MiB; None where the name does not tell."""
    found = NAME.fullmatch(instance_type)
    if found is None:
        return None
    family, generation, size = found["family"], int(found["generation"]), found["size"]
    if family == "t" and generation > 1:
        return _burstable(size)
    if generation < _OLDEST.get(family, generation + 1) or (family, found["attributes"]) == ("c", "n"):
        return None
    vcpus = _vcpus(size)
    return vcpus * _MIB_A_VCPU[family] if vcpus else None


def _burstable(size: str) -> int | None:
    """From a nano's half GiB on, each size has twice the memory of the one before."""
    known = _SIZES[: _SIZES.index(_BURSTABLE_LARGEST) + 1]
    return 512 << known.index(size) if size in known else None


def _vcpus(size: str) -> int | None:
    several = re.fullmatch(r"([1-9][0-9]*)xlarge", size)
    return 4 * int(several[1]) if several else _VCPUS.get(size)


def needed_mib(machine_mib: int, page_mib: int) -> int:
    """What must fit into a machine of this size. `page_mib`: the chat page's limit, 0 where it does not run here."""
    redis = min(max(machine_mib // 16, REDIS_MIB[0]), REDIS_MIB[1])
    docker = DOCKER_MIB if page_mib else 0
    return SYSTEM_MIB + docker + HAPROXY_MIB + RELAYS_MIB + WAITING_MIB + redis + page_mib


def too_small(instance_type: str, page_mib: int) -> str:
    """The sentence that refuses a type, with the smallest of its family that fits; "" where it fits or nobody knows."""
    memory = memory_mib(instance_type)
    if memory is None or needed_mib(memory, page_mib) <= memory:
        return ""
    inside = f" and the chat page ({page_mib} MiB)" if page_mib else ""
    fits = next(_larger(instance_type, page_mib), "")
    advice = f"The smallest of its family that fits is {fits}" if fits else "No type of its family fits"
    return (
        f"{instance_type} has {memory} MiB of memory, and system, HAProxy, relays, Redis{inside} need "
        f"{needed_mib(memory, page_mib)}. {advice}"
    )


def _larger(instance_type: str, page_mib: int) -> Iterator[str]:
    family = instance_type.partition(".")[0]
    for size in _SIZES:
        memory = memory_mib(f"{family}.{size}")
        if memory is not None and needed_mib(memory, page_mib) <= memory:
            yield f"{family}.{size}"
