"""One unit as the dashboard meets it: what is known of it, what was, and what people do to it."""

from __future__ import annotations

from collections.abc import Callable

from core.contract.documents import RelayUnit
from runtime.backends.leases import LeaseStore
from runtime.backends.power import Power
from runtime.gateway.dashboard.look import Look, Seen
from runtime.gateway.dashboard.past import Past, PastReader
from runtime.gateway.unit.threads import Threads
from runtime.operations import Answer, Operations


class DashboardUnit:
    """A unit with its store and power. `threads` are its own, never the watch's, and are
    closed with it.
    """

    def __init__(self, config: RelayUnit, seen: Seen, *, store: LeaseStore, power: Power, threads: Threads) -> None:
        self.name = config.unit
        self._seen, self._threads = seen, threads
        self._past = PastReader(config, store, power, threads.run)
        self._operations = Operations(config.unit, config.instance_id, store, power)

    def look(self) -> Look:
        """Now."""
        return self._seen.look()

    async def past(self, look: Look) -> Past:
        """What was, up to this look."""
        return await self._past.at(look.lease.epoch if look.lease else 0, look.now)

    async def do(self, operation: Callable[[Operations], Answer]) -> Answer:
        """Carry out what a button stands for; the lease is read again at once."""
        answer = await self._threads.run(operation, self._operations)
        await self._seen.look_again()
        return answer

    def close(self) -> None:
        """The relay ends."""
        self._threads.close()
