"""What one switch turns on and off. `Power` is the protocol; one file a kind (`ec2.py`).

To add a kind (an engine on a machine that stays on): a class with the protocol's methods in a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from core.capacity import power_errors
from core.capacity.power_errors import Kind
from core.plain import PlainMachine, Usage


@dataclass(frozen=True)
class Machine:
    """A machine as its cloud describes it.

    `state`: pending | running | stopping | stopped | shutting-down | terminated | missing.
    """

    instance_id: str
    state: str
    state_reason: str = ""  # the cloud's own words, e.g. "Client.UserInitiatedShutdown: …"
    instance_type: str = ""
    zone: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


class PowerRefused(Exception):
    """The cloud refused an order, and will again until something changes. `code` is its code, `kind` what it is about.

    As text: the code, the cloud's words, and what a person can do where a person must (quota, key, type).
    """

    def __init__(self, code: str, message: str) -> None:
        self.kind = power_errors.kind(code)
        super().__init__(power_errors.with_fix(f"{code}: {message}", self.kind))
        self.code = code
        self.message = message

    @property
    def capacity(self) -> bool:
        """Waiting, or another type, may help."""
        return self.kind is Kind.CAPACITY

    @property
    def failure(self) -> str:
        """How the lease names it."""
        return power_errors.failure(self.code)


class PowerUnanswered(Exception):
    """The cloud did not take the order now: no answer, an error of its own, a throttle, a machine that still changes.

    The order may have landed or not: read the facts and decide again. It is no failure of the machine.
    """


def refusal(code: str, message: str, status: int = 0) -> PowerRefused | PowerUnanswered:
    """What the cloud's answer stands for, by its code and its HTTP status; `core/capacity/power_errors.py` is the
    table.
    """
    if power_errors.kind(code, status) in power_errors.PASSING:
        return PowerUnanswered(f"{code}: {message}")
    return PowerRefused(code, message)


class Power(Protocol):
    """Orders and facts about one kind of machine. Methods block; any may raise PowerUnanswered."""

    def describe(self, instance_id: str) -> Machine:
        """What the cloud says now; state `missing` where it knows no such machine."""
        ...

    def start(self, instance_id: str) -> None:
        """Order a start; PowerRefused where the cloud says no. Idempotent for a running machine."""
        ...

    def stop(self, instance_id: str) -> None:
        """Order a stop from outside: no retries, 5 s time-out, so that it cannot land later than STOP_ORDER_LIFE_S."""
        ...


@runtime_checkable
class Resizable(Protocol):
    """Power over machines that can become another type while they are off; the capacity ladder needs it."""

    def set_type(self, instance_id: str, instance_type: str) -> None:
        """Change the type of a stopped machine, sent once; PowerRefused where the cloud says no."""
        ...


class ResizablePower(Power, Resizable, Protocol):
    """Both."""


class FleetPower(Power, Protocol):
    """Power that describes many machines in one call: what a pass over all units needs."""

    def describe_fleet(self, machines: Mapping[str, str]) -> dict[str, Machine]:
        """By id the machine of each unit (unit → id), `missing` where there is none, and others with a unit's tag."""
        ...


class Plain(Protocol):
    """Where plain instances are found and stopped: machines with a stop tag and without an agent."""

    def machines(self) -> Sequence[PlainMachine]:
        """Every running one."""
        ...

    def usage(self, starts: Mapping[str, float], end: float) -> Mapping[str, Usage]:
        """The figures of machines (id → since when, s) until `end`."""
        ...

    def stop(self, instance_id: str) -> None:
        """Order a stop, once."""
        ...
