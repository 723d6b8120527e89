"""The relay's heart: reads the lease, lets the waker react, beats; faster while somebody waits.

A store or a cloud that does not answer changes nothing: routes stay as they are (the agent's look protects the host),
callers wait, and the next round tries again. Any other error ends the process; systemd starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from core.contract.intervals import HEARTBEAT_S, LEASE_READ_GAP_S, LEASE_READ_OTHERWISE_S, LEASE_READ_RUNNING_S
from core.errors import LeaseError
from core.lease import State
from runtime.backends.leases import LeaseStore, StoreUnavailable
from runtime.backends.power import PowerRefused, PowerUnanswered
from runtime.gateway.unit import eta
from runtime.gateway.unit.acting import Acting
from runtime.gateway.unit.queue import Queue
from runtime.gateway.unit.threads import Threads
from runtime.gateway.unit.view import View
from runtime.gateway.unit.wake import Waker

LEASE_READ_WAITING_S: Final = 0.2  # relay in STARTING while callers wait
TAKE_OVER_S: Final = 0.5  # a relay that does not act tries this often whether it may
log = logging.getLogger(__name__)

EVENTS_READ: Final = 64  # the last ones: some ten wakes
HISTORY_S: Final = 14 * 86400.0  # past wakes older than this say little about the next


class GivenUp(Exception):
    """This process will not reach AWS any more; a new one may."""


class Watch:
    """Owns the one task that reads and acts. `given_up` says why the process should end, "" where it should not."""

    def __init__(
        self,
        *,
        store: LeaseStore,
        threads: Threads,
        view: View,
        queue: Queue,
        waker: Waker,
        acting: Acting,
        given_up: Callable[[], str] = lambda: "",
        tell_others: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._threads = store, threads
        self._view = view
        self._queue = queue
        self._waker = waker
        self._acting, self._ends = acting, False
        self._given_up, self._tell_others = given_up, tell_others
        self._beat_at = float("-inf")
        self._learned_epoch = -1

    async def run(self) -> None:
        """Look for ever; GivenUp where that has become pointless."""
        while True:
            again = await self.look()
            if why := self._given_up():
                raise GivenUp(why)
            await asyncio.sleep(LEASE_READ_GAP_S)
            if not again:
                await self._pause()

    def end(self) -> None:
        """This relay goes on for those who wait here; another one acts as soon as this one owes no order."""
        self._ends = True
        self._queue.arrived.set()

    async def look(self) -> bool:
        """One round. True where something changed under our hands: look again at once."""
        self._queue.arrived.clear()
        self._settle_acting()
        try:
            before = self._known()
            self._view.publish(await self._threads.run(self._store.read, self._view.unit))
            again = await self._waker.react()
            if self._known() != before:
                self._tell_others()
            await self._beat()
            await self._learn()
        except (StoreUnavailable, LeaseError) as error:
            self._view.publish_failure(str(error))
            log.warning("lease", extra={"facts": {"unit": self._view.unit, "error": str(error)}})
            return False
        except (PowerRefused, PowerUnanswered) as error:
            log.warning("power", extra={"facts": {"unit": self._view.unit, "error": str(error)}})
            return False
        return again

    def _known(self) -> tuple[int, float | None] | None:
        """What of the lease is news to the other relays: a transition, or a wake request."""
        lease = self._view.lease
        return None if lease is None else (lease.epoch, lease.wake_until)

    def interval_s(self) -> float:
        """How long to wait before the next look, if nobody comes."""
        lease, waiting = self._view.lease, self._queue.waiting > 0
        at_rest = self._view.read_once and (self._view.awake or not self._acting.held)
        if at_rest and not (waiting or self._view.doubted):
            return LEASE_READ_RUNNING_S
        if waiting and lease is not None and lease.state is State.STARTING and not self._view.store_down:
            return LEASE_READ_WAITING_S
        return LEASE_READ_OTHERWISE_S

    def _settle_acting(self) -> bool:
        """True where this relay acts from now on, and did not before."""
        if self._acting.held:
            if self._ends and not self._waker.owes:
                self._acting.release()
            return False
        if self._ends or not self._acting.take():
            return False
        log.info("acts", extra={"facts": {"unit": self._view.unit}})
        self._waker.took_over()
        return True

    async def _pause(self) -> None:
        """Until the next look is due, somebody comes, or the relay that acts has ended."""
        left_s = self.interval_s()
        while left_s > 0:
            step_s = left_s if self._acting.held else min(left_s, TAKE_OVER_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._queue.arrived.wait(), step_s)
            if self._queue.arrived.is_set() or self._settle_acting():
                return
            left_s -= step_s

    async def _beat(self) -> None:
        if self._acting.held and self._view.now() - self._beat_at >= HEARTBEAT_S:
            await self._waker.beat()
            self._beat_at = self._view.now()

    async def _learn(self) -> None:
        """Past wakes, read once and again after each wake; nobody waits for it."""
        lease = self._view.lease
        if lease is None or self._learned_epoch == lease.epoch or self._queue.wanted:
            return
        if lease.state is State.RUNNING or self._learned_epoch < 0:
            last = range(lease.epoch - EVENTS_READ, lease.epoch + 1)
            self._view.publish_usual_wake(await self._threads.run(self._usual_wake_s, last))
            self._learned_epoch = lease.epoch

    def _usual_wake_s(self, epochs: range) -> float | None:
        """In a thread: the history is read and looked through beside the event loop."""
        since = self._view.now() - HISTORY_S
        return eta.usual_wake_s(self._store.events(self._view.unit, since=since, epochs=epochs))
