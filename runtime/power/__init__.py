"""What one switch turns on and off. `Power` is the protocol; one file a kind (`ec2.py`).

To add a kind (an engine on a machine that stays on): a class with the protocol's methods in a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from core import ladder


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
    """The cloud refused an order. `code` is its code; `capacity` says that waiting or another type may help.

    As text: the code, the cloud's words, and what a person can do where a person must (quota, key, type).
    """

    def __init__(self, code: str, message: str, *, capacity: bool) -> None:
        super().__init__(ladder.with_fix(f"{code}: {message}", ladder.kind(code)))
        self.code = code
        self.message = message
        self.capacity = capacity


def refusal(code: str, message: str) -> PowerRefused:
    """The refusal that the code stands for; what is capacity is the ladder's knowledge."""
    return PowerRefused(code, message, capacity=ladder.kind(code) is ladder.Kind.CAPACITY)


class PowerUnanswered(Exception):
    """The cloud did not answer: the order may have landed or not. Read the facts and decide again."""


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

    def set_type(self, instance_id: str, instance_type: str) -> None:
        """Change the type of a stopped machine, sent once; PowerRefused where the cloud says no."""
        ...
