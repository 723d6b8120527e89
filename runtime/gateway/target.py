"""What the HTTP side knows of a unit, whatever kind it is: `unit/` is the kind that is driven by a lease.

To add a kind: a class with these methods, and a line where `__main__.py` makes the targets.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from runtime.gateway.errors import Refusal


class Turn(Protocol):
    """One request's turn at an engine. After `go` each step is said once: `back`, or `answered` and then `end`."""

    refused: Refusal | None  # it lost its place

    @property
    def ahead(self) -> int:
        """How many came before it and still wait."""

    def go(self) -> bool:
        """Whether it may be sent now; if so, it counts as on its way."""

    def sent(self) -> None:
        """All of it is written."""

    def back(self) -> None:
        """It reached no engine: it waits again, in its old place."""

    def answered(self) -> None:
        """The engine has begun to answer."""

    def end(self) -> None:
        """The answer is over; again is harmless."""

    async def changed(self, timeout_s: float) -> None:
        """Return when something of the unit or of this turn may have changed, or after `timeout_s`."""


class Target(Protocol):
    """One unit as a caller meets it. All of it is called in the event loop; none of it waits."""

    @property
    def state(self) -> str:
        """What the unit does, in the words of the model list."""

    @property
    def start_timeout_s(self) -> float:
        """How long a start may take at most."""

    def ready(self, engine: str) -> bool:
        """Requests may go to this engine."""

    def silent_s(self, engine: str) -> float | None:
        """How long this engine of an awake unit has not answered; None: it does, or the unit is not awake."""

    def words(self, engine: str) -> str:
        """What a caller who waits for this engine reads: one line."""

    def eta_s(self) -> float | None:
        """Seconds until the unit is expected to be awake; None where nothing is known."""

    def not_yet(self, engine: str) -> Refusal:
        """What a caller is told who has waited for as long as is allowed."""

    def refuse_if_hopeless(self, engine: str) -> None:
        """Raise the Refusal that waiting would not change."""

    def ask(self, engine: str, key: str) -> None:
        """A caller wants this engine, and is refused now; the demand outlives it. `key`: the name of its key, or ""."""

    def place(self, engine: str, key: str, user: str) -> AbstractContextManager[Turn]:
        """A place in the queue for a caller who wants this engine; Refusal `queue_full` where there is none.

        `user`: the account behind the chat page, or "".
        """

    def crowded(self, engine: str) -> bool:
        """Others wait for this engine: whoever comes now goes behind them."""

    def note_answered(self, engine: str) -> None:
        """The engine took a request."""

    def note_refused(self, engine: str) -> None:
        """The engine took no connection although it was ready."""

    def health(self) -> dict[str, Any]:
        """`state`, `waiting` (callers), `wanted`, `wakes` (that were seen), and what of the unit cannot be read, as
        `store`; else "ok".
        """
