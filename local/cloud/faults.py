"""Injected faults: which call is refused, how often, for how long. The clock is passed in.

A fault names a call (`ec2:StartInstances`; `*` matches within it, as in `dynamodb:*`) or the machine event `stopping`
(with `delay_s`: the container is down, EC2 still says `stopping`). `count` is how many calls it hits (None: every one),
`seconds` is how long it lives. `applied` lets the call happen and then answers with the error: a write that was lost on
the way back. `source` is who calls: a machine's address, `lambda:<function>` or `poller:<function>`; `crash` kills that
function in the middle of its run instead of answering it. `skip` lets so many calls that match go through first.
`metadata:Token` and `metadata:Get` are the metadata service's two calls: after `delay_s` they are answered by 503, or,
with `error` "", as if nothing had happened.
"""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from core.errors import CloudError

STOPPING: Final = "stopping"
METADATA: Final = "metadata"
REFUSED: Final = "ServiceUnavailable"


@dataclass(frozen=True)
class Call:
    """One API call as far as faults care. Types and zones are those of the machines that it is about."""

    service: str
    action: str
    source: str = ""
    instance_types: frozenset[str] = frozenset()
    zones: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """`service:Action`, as IAM writes it."""
        return f"{self.service}:{self.action}"


@dataclass(frozen=True)
class Fault:
    """What goes wrong. `until` is on the board's clock, filled in from `seconds` when the fault is put there."""

    action: str
    error: str = REFUSED
    message: str = "injected by the embedded cloud"
    count: int | None = 1
    instance_type: str = "*"
    zone: str = "*"
    source: str = "*"
    delay_s: float = 0.0
    seconds: float | None = None
    applied: bool = False
    crash: bool = False
    skip: int = 0
    until: float | None = None


def parse(raw: Mapping[str, Any]) -> Fault:
    """A fault from JSON; CloudError names unknown keys. With `seconds` and no `count` it hits every call."""
    allowed = sorted(set(Fault.__dataclass_fields__) - {"until"})
    unknown = sorted(set(raw) - set(allowed))
    if unknown or not raw.get("action"):
        raise CloudError(f"A fault needs `action` and may have {allowed}; got {sorted(raw)}.")
    count = raw.get("count", None if raw.get("seconds") else 1)
    return Fault(**{**raw, "count": count})


def alive(fault: Fault, now: float) -> bool:
    """Whether it can still hit a call."""
    return fault.count != 0 and (fault.until is None or now < fault.until)


def matches(fault: Fault, call: Call) -> bool:
    """Whether this fault hits this call: the action, who calls, and any one machine of the call by type and zone."""
    pattern = fault.action if ":" in fault.action else f"*:{fault.action}"
    return (
        fnmatch.fnmatchcase(call.name, pattern)
        and fnmatch.fnmatchcase(call.source, fault.source)
        and _any(call.instance_types, fault.instance_type)
        and _any(call.zones, fault.zone)
    )


def _any(values: frozenset[str], pattern: str) -> bool:
    return pattern == "*" or any(fnmatch.fnmatchcase(value, pattern) for value in values)


class FaultBoard:
    """The faults that are waiting. Safe for threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def put(self, fault: Fault) -> None:
        """Add a fault; its life begins now."""
        until = None if fault.seconds is None else self._clock() + fault.seconds
        with self._lock:
            self._faults.append(replace(fault, until=until))

    def take(self, call: Call) -> Fault | None:
        """The first fault that hits this call, counted down; None where the call goes through."""
        now = self._clock()
        with self._lock:
            self._faults = [fault for fault in self._faults if alive(fault, now)]
            for index, fault in enumerate(self._faults):
                if matches(fault, call):
                    if fault.skip:
                        self._faults[index] = replace(fault, skip=fault.skip - 1)
                        continue
                    if fault.count is not None:
                        self._faults[index] = replace(fault, count=fault.count - 1)
                    return fault
        return None

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._faults.clear()

    def waiting(self) -> list[dict[str, Any]]:
        """What is on the board, as JSON values."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]
