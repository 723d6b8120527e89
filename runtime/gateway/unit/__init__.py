"""One unit that is driven by its lease: what is known of it, who waits for it, and what reads and changes its lease.

The HTTP side meets it as a `Target`; nobody but this file and its parts writes into its view.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from core.contract.documents import RelayConfig, RelayUnit
from runtime.backends.leases import LeaseStore
from runtime.backends.power import Power
from runtime.gateway.errors import Refusal
from runtime.gateway.unit.acting import Acting
from runtime.gateway.unit.line import Turn
from runtime.gateway.unit.queue import Places, Queue
from runtime.gateway.unit.routes import Routes
from runtime.gateway.unit.threads import Threads
from runtime.gateway.unit.view import View
from runtime.gateway.unit.wake import InvokeReaper, Waker
from runtime.gateway.unit.watch import Watch


class Unit:
    """View, queue, waker and watch of one unit. `places` are the relay's; by `tell_others` its siblings look at the
    lease; `monotonic` is for tests.
    """

    def __init__(
        self,
        config: RelayConfig,
        unit: RelayUnit,
        *,
        store: LeaseStore,
        power: Power,
        routes: Routes,
        acting: Acting,
        places: Places,
        invoke_reaper: InvokeReaper,
        given_up: Callable[[], str] = lambda: "",
        tell_others: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = unit.unit
        self.start_timeout_s = unit.start_timeout_s
        self.view = View(unit.unit, monotonic=monotonic)
        self.queue = Queue(places)
        self._threads = Threads(unit.unit)
        self.waker = Waker(
            unit.instance_id,
            queue_timeout_s=config.queue_timeout_s,
            wakes=config.wakes,
            store=store,
            power=power,
            threads=self._threads,
            routes=routes,
            acting=acting,
            view=self.view,
            queue=self.queue,
            invoke_reaper=invoke_reaper,
        )
        self.watch = Watch(
            store=store,
            threads=self._threads,
            view=self.view,
            queue=self.queue,
            waker=self.waker,
            acting=acting,
            given_up=given_up,
            tell_others=tell_others,
        )
        self._wakes = config.wakes
        self._acting = acting

    # ------------------------------------------------------------ as the process runs it
    async def run(self) -> None:
        """Read the lease and act on it for ever; GivenUp where that has become pointless. Once: its threads end with
        it.
        """
        try:
            await self.watch.run()
        finally:
            self._acting.release()
            self._threads.close()

    def look(self) -> None:
        """The lease has changed, a sibling says."""
        self.queue.arrived.set()

    def end(self) -> None:
        """The relay takes nobody any more: who waits here is served, and another relay acts."""
        self.watch.end()

    def close(self) -> None:
        """The relay ends: who waits is told at once."""
        self.view.close()

    # ------------------------------------------------------------ as the HTTP side sees it (`Target`)
    @property
    def state(self) -> str:
        """The lease's state, or what is wrong with it."""
        return self.view.state

    def ready(self, engine: str) -> bool:
        """The lease says RUNNING, EC2 does not say otherwise, and the agent does not miss the engine."""
        return self.view.ready(engine)

    def silent_s(self, engine: str) -> float | None:
        """By the agent or by ourselves."""
        return self.view.silent_s(engine)

    def words(self, engine: str) -> str:
        """From the lease and past wakes."""
        return self.view.words(engine)

    def eta_s(self) -> float | None:
        """From the lease and past wakes."""
        return self.view.eta_s()

    def not_yet(self, engine: str) -> Refusal:
        """Waking, or the engine does not answer."""
        return self.view.not_yet(engine)

    def refuse_if_hopeless(self, engine: str) -> None:
        """From the lease, and whether this relay may wake."""
        self.view.refuse_if_hopeless(engine, wakes=self._wakes)

    def ask(self, engine: str, key: str) -> None:
        """The watch writes it into the lease."""
        self.queue.ask(engine, key)

    @contextmanager
    def place(self, engine: str, key: str, user: str) -> Iterator[Turn]:
        """In this unit's queue, out of the gateway's places; stirred at each reading or act."""
        with self.queue.place(engine, key, user) as turn, self.view.listening(turn.stirred):
            yield turn

    def crowded(self, engine: str) -> bool:
        """By its line."""
        return self.queue.crowded(engine)

    def note_answered(self, engine: str) -> None:
        """Whatever was doubted, it runs."""
        self.view.note_answered(engine)

    def note_refused(self, engine: str) -> None:
        """The lease says RUNNING, the engine refuses: read again, ask EC2."""
        self.view.note_refused(engine)
        self.queue.arrived.set()

    async def changed(self, timeout_s: float) -> None:
        """At the next reading or act, for whoever has no place in the queue."""
        await self.view.changed(timeout_s)

    def health(self) -> dict[str, Any]:
        """For people and scripts on the gateway."""
        seen = {"state": self.state, "waiting": self.queue.waiting, "wanted": self.queue.wanted}
        seen |= {"acts": self._acting.held, "wakes": self.view.wakes}
        return seen | {"store": self.view.store_down or "ok"}
