"""What each button does, in the words of `runtime.operations`, and what it then says. `who`: the operator's key.

To add one: an entry in BUTTONS and its form in `templates/parts/actions.html.j2`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from core.lease import State
from core.times import durations
from runtime.gateway.dashboard.show import PINS
from runtime.operations import Answer, Operations

VIA: Final = "dashboard"


@dataclass(frozen=True)
class Press:
    """A button that was pressed: by whom, and how long a pin shall last, s."""

    who: str
    lasts_s: float = 0.0

    @property
    def by(self) -> str:
        """As lease and history show it: `ann (dashboard)`."""
        return f"{self.who} ({VIA})"


@dataclass(frozen=True)
class Button:
    """`do` carries it out, `said` is what people read afterwards."""

    do: Callable[[Operations, Press], Answer]
    said: Callable[[Answer], str]


def lasts_s(text: str) -> float | None:
    """How long a pin lasts, s; None for what the form does not offer."""
    return durations.parse(text) if text in PINS else None


def _woken(answer: Answer) -> str:
    """By the state it led to: the relay's own watch may have started it first, for the same wake request."""
    state, note = answer["state"], answer.get("note")
    if state == State.STARTING:
        return f"The start goes on: {note}." if note and answer["changed"] else "It is being started."
    if state == State.FAILED and note:
        return f"It could not be started: {note}."
    return f"Nothing was done: {note}." if note else "It is wanted, and is started as soon as it may be."


def _pinned(answer: Answer) -> str:
    return "Pinned." if answer["changed"] else f"It was not pinned: {answer['note']}."


def _unpinned(answer: Answer) -> str:
    return "The pin is over." if answer["changed"] else f"Nothing was done: {answer['note']}."


def _stopped(answer: Answer) -> str:
    pin = "The pin is over. " if answer["unpinned"] else ""
    if answer["state"] != State.DRAINING or not answer["changed"]:
        return f"{pin}It was not asked to stop: {answer['note']}."
    return f"{pin}It was asked to stop: it checks whether anybody is served, and goes off if not."


BUTTONS: Final[Mapping[str, Button]] = MappingProxyType(
    {
        "wake": Button(lambda unit, press: unit.wake(press.who, VIA), _woken),
        "pin": Button(
            lambda unit, press: unit.pin(press.by, until=lambda now: now + press.lasts_s),
            _pinned,
        ),
        "unpin": Button(lambda unit, _: unit.unpin(), _unpinned),
        "stop": Button(lambda unit, press: unit.drain(press.by, "stop on the dashboard"), _stopped),
    }
)
