"""The waiting room: who waits for the host, how many may, and the demand that outlives a caller who hung up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator

from core.contract import SSE_COMMENT_S
from runtime.gateway import errors
from runtime.gateway.view import View

Tell = Callable[[str], Awaitable[None]]


class Hall:
    """Counts those who wait. `demand` stays true until the lease knows that the host is wanted."""

    def __init__(self, seats: int) -> None:
        self.waiting = 0
        self.demand = False
        self.arrived = asyncio.Event()  # set: the watch should look now
        self._seats = seats

    @property
    def wanted(self) -> bool:
        """Somebody waits, or came and left before that was written down."""
        return self.demand or self.waiting > 0

    def ask(self) -> None:
        """Somebody wants the host; said even by those who are then refused."""
        if not self.wanted:
            self.arrived.set()
        self.demand = True

    @contextlib.contextmanager
    def seat(self) -> Iterator[None]:
        """Wait here; Refusal `queue_full` where the room is full."""
        self.ask()
        if self.waiting >= self._seats:
            raise errors.queue_full(self.waiting)
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1


async def until_awake(view: View, deadline: float, tell: Tell | None, *, wakes: bool = True) -> None:
    """Return when the host is awake. Refusal where it never will be, or `waking` at `deadline` (event loop's time).

    `tell` is given the words for the caller at once and every SSE_COMMENT_S.
    """
    clock = asyncio.get_running_loop().time
    next_word = clock()
    while not view.awake:
        view.refuse_if_hopeless(wakes=wakes)
        if clock() >= deadline:
            raise errors.waking(view.state, view.eta_s())
        if tell is not None and clock() >= next_word:
            await tell(view.words())
            next_word = clock() + SSE_COMMENT_S
        await view.changed(min(deadline, next_word if tell else deadline) - clock())
