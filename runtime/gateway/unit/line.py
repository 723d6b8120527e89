"""The order in which those who wait go to an engine that is ready, at the rate at which it takes them.

Callers take turns, and one caller's requests go in the order in which they came. At most RELEASED_MAX of them are in
the engine at a time, so that a full queue does not fill the connections to it, and SENDING_MAX are on their way: more
would arrive in any order, and a port that refuses is tried by so many.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
from enum import Enum, auto
from itertools import count
from typing import Final

from core.contract.network import RELEASED_MAX
from runtime.gateway.errors import Refusal

SENDING_MAX: Final = 8
Caller = tuple[str, str]  # the name of a key, and the account behind the chat page, or ""


class _State(Enum):
    WAITING = auto()
    SENDING = auto()
    SENT = auto()
    ANSWERED = auto()
    OVER = auto()


class Turn:
    """One request's turn. `refused`: it lost its place, for this reason."""

    def __init__(self, line: Line, caller: Caller, number: int) -> None:
        self.caller, self.number = caller, number
        self.refused: Refusal | None = None
        self.stirred = asyncio.Event()  # its wait should look again
        self.state = _State.WAITING
        self._line = line

    @property
    def waits(self) -> bool:
        """It has not been sent."""
        return self.state is _State.WAITING

    @property
    def ahead(self) -> int:
        """How many came before it and still wait."""
        return self._line.ahead(self)

    def go(self) -> bool:
        """Whether it may be sent now; if so, it counts as on its way."""
        return self._line.go(self)

    def sent(self) -> None:
        """All of it is written."""
        if self.state is _State.SENDING:
            self._line.moved(self, _State.SENT)

    def answered(self) -> None:
        """The engine has begun to answer: `end` says when it is through."""
        self._line.moved(self, _State.ANSWERED)

    def back(self) -> None:
        """It reached no engine: it waits again, in its old place."""
        self._line.moved(self, _State.WAITING)

    def refuse(self, refusal: Refusal) -> None:
        """It waits in vain, and in nobody's way."""
        self.refused = refusal
        self.end()
        self.stirred.set()

    def leave(self) -> None:
        """Its caller waits no longer; what an engine answers goes on."""
        if self.state is not _State.ANSWERED:
            self.end()

    def end(self) -> None:
        """It is over; again is harmless."""
        self._line.moved(self, _State.OVER)

    async def changed(self, timeout_s: float) -> None:
        """Return when it may be its turn, when whoever else stirs it does, or after `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stirred.wait(), timeout_s)
        self.stirred.clear()


class Line:
    """Those who wait for one engine, and those who were let go."""

    def __init__(self) -> None:
        self._waiting: dict[Caller, list[Turn]] = {}  # the first caller is next
        self._numbers = count()
        self._out = dict.fromkeys(_State, 0)

    def __len__(self) -> int:
        return sum(len(turns) for turns in self._waiting.values())

    def join(self, caller: Caller) -> Turn:
        """A turn behind the caller's others."""
        turn = Turn(self, caller, next(self._numbers))
        self._waiting.setdefault(caller, []).append(turn)
        return turn

    def ahead(self, turn: Turn) -> int:
        """How many that came before this turn wait."""
        return sum(bisect.bisect_left(turns, turn.number, key=_number) for turns in self._waiting.values())

    def go(self, turn: Turn) -> bool:
        """Let it go, if it is the next one and there is room."""
        if self._next() is not turn:
            return False
        self.moved(turn, _State.SENDING)
        return True

    def moved(self, turn: Turn, state: _State) -> None:
        """From one state to another; who comes next is stirred."""
        if turn.state is _State.WAITING:
            self._remove(turn)
        else:
            self._out[turn.state] -= 1
        turn.state = state
        if state is _State.WAITING:
            bisect.insort(self._waiting.setdefault(turn.caller, []), turn, key=_number)
        else:
            self._out[state] += 1
        if (following := self._next()) is not None:
            following.stirred.set()

    def _remove(self, turn: Turn) -> None:
        """Out of the line; its caller's next one comes after all other callers'."""
        turns = self._waiting.pop(turn.caller)
        turns.remove(turn)
        if turns:
            self._waiting[turn.caller] = turns

    def _next(self) -> Turn | None:
        on_the_way = self._out[_State.SENDING]
        if (
            on_the_way >= SENDING_MAX
            or on_the_way + self._out[_State.SENT] + self._out[_State.ANSWERED] >= RELEASED_MAX
        ):
            return None
        return next((turns[0] for turns in self._waiting.values()), None)


def _number(turn: Turn) -> int:
    return turn.number
