"""The relay's hands: it carries out the acts of `steps.py` on the lease, on EC2 and on HAProxy's routes.

Only the watch's task calls `react`, so there is one writer in a process; request handlers only leave demand in the
queue. Of the gateway's relays one acts (`acting.py`); the others read, and request wakes for their callers.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from core import lease as protocol
from core.codes import Writer
from core.contract.intervals import DESCRIBE_S, STOPPED_TWICE_S, WAKE_REQUEST_EXTRA_S
from core.lease import Lease, Outcome, Refused, State
from runtime.backends.leases import LeaseStore
from runtime.backends.power import Power, PowerRefused, PowerUnanswered
from runtime.gateway.unit.acting import Acting
from runtime.gateway.unit.queue import Queue
from runtime.gateway.unit.routes import Routes, RoutesUnavailable
from runtime.gateway.unit.steps import Act, Situation, next_act, wake_request_due
from runtime.gateway.unit.threads import Threads
from runtime.gateway.unit.view import View

log = logging.getLogger(__name__)

ACTS_AT_ONCE: Final = 6  # wake request, describe, stopped, start, order: one after the other without a pause
ORDER_PAUSE_MAX_S: Final = 8.0  # between two orders that EC2 does not take: DESCRIBE_S, then twice as long each time

InvokeReaper = Callable[[], None]


class Waker:
    """Drives one unit. All of its methods run in the event loop; what blocks runs in the unit's threads."""

    def __init__(
        self,
        instance_id: str,
        *,
        queue_timeout_s: float,
        wakes: bool,
        store: LeaseStore,
        power: Power,
        threads: Threads,
        routes: Routes,
        acting: Acting,
        view: View,
        queue: Queue,
        invoke_reaper: InvokeReaper,
    ) -> None:
        self._instance_id, self._wakes = instance_id, wakes
        self._store = store
        self._power = power
        self._threads = threads
        self._routes = routes
        self._acting = acting
        self._view = view
        self._queue = queue
        self._invoke_reaper = invoke_reaper
        self._ttl_s = queue_timeout_s + WAKE_REQUEST_EXTRA_S  # of a wake request
        self._owed_epoch: int | None = None
        self._inherits = False
        self._order_after = float("-inf")
        self._order_pause_s = 0.0
        self._closed = False
        self._asked_reaper_at = float("-inf")
        self._do: dict[Act, Callable[[Lease], Awaitable[bool]]] = {
            Act.REQUEST_WAKE: self._request_wake,
            Act.START: self._start,
            Act.ORDER: self._order,
            Act.REPEAT: self._repeat,
            Act.RESUME: self._resume,
            Act.CORDON: self._cordon,
            Act.DESCRIBE: self._describe,
            Act.STOPPED: self._stopped,
        }

    async def react(self) -> bool:
        """Do what is due for the reading in the view. True: something was refused meanwhile, read again soon."""
        self._settle_inheritance()
        await self._settle_routes()
        for _ in range(ACTS_AT_ONCE):
            lease = self._view.lease
            if lease is None:
                return False
            act = next_act(lease, self._view.now(), self._situation(lease))
            self._settle_demand(lease, act)
            if act is Act.WAIT:
                return False
            if not await self._do[act](lease):
                return True
            if self._closed is self._view.awake:
                await self._settle_routes()
        return False

    @property
    def owes(self) -> bool:
        """Our own START is in the lease, and its order is still to be given."""
        lease = self._view.lease
        ours = lease is not None and self._owed_epoch == lease.epoch and lease.by == Writer.RELAY
        return ours and lease is not None and lease.state is State.STARTING

    def took_over(self) -> None:
        """This relay acts from now on. What the one before it owed is found in the lease."""
        self._inherits = True

    async def beat(self) -> None:
        """The heartbeat: this relay lives."""
        if (lease := self._view.lease) is not None:
            await self._write(protocol.relay_beat(lease, now=self._view.now(), nonce=_nonce()))

    # ------------------------------------------------------------ what is
    def _situation(self, lease: Lease) -> Situation:
        return Situation(
            wanted=self._queue.wanted,
            engines=self._queue.engines,
            wake_request_ttl_s=self._ttl_s,
            machine=self._view.fresh_machine,
            doubted=self._view.doubted or self._view.off,
            owed=self._owes(lease),
            closed=self._closed,
            may_wake=self._wakes,
            acts=self._acting.held,
            inherited=self._inherits,
        )

    def _owes(self, lease: Lease) -> bool:
        """Our own START is in the lease, and EC2 has not confirmed the order."""
        ours = self._owed_epoch == lease.epoch and lease.by == Writer.RELAY
        return ours and self._view.now() >= self._order_after

    def _settle_demand(self, lease: Lease, act: Act) -> None:
        """Demand of callers who left is settled by RUNNING, by a wake request in the lease, or by a budget that is
        spent.

        By RUNNING only where their engine answers: else they are whom the next start is for.
        """
        running = self._view.awake and not self._view.doubted and lease.answers(self._queue.engines)
        requested = lease.wanted(self._view.now()) and act not in (Act.REQUEST_WAKE, Act.START, Act.RESUME)
        if running or requested or lease.unpaid(self._view.now()):
            self._queue.settle()

    def _settle_inheritance(self) -> None:
        """A START of the relay before this one is ours to order until EC2 says that the machine is not stopped."""
        lease, machine = self._view.lease, self._view.fresh_machine
        theirs = lease is not None and lease.state is State.STARTING and lease.by == Writer.RELAY
        up = machine is not None and machine.state not in ("stopped", "stopping")
        self._inherits = self._inherits and theirs and not up and not self.owes

    async def _settle_routes(self) -> None:
        if not self._acting.held:
            self._closed = False
            return
        awake, lease = self._view.awake, self._view.lease
        try:
            await self._routes.settle(awake=awake, dead=lease.dead_engines if lease else frozenset())
        except RoutesUnavailable as error:
            self._closed = False
            log.warning("routes", extra={"facts": {"unit": self._view.unit, "error": str(error)}})
        else:
            self._closed = not awake

    # ------------------------------------------------------------ acts; True: done, go on
    async def _request_wake(self, lease: Lease) -> bool:
        """By the name of the key that asks: whoever pays will want to know."""
        now = self._view.now()
        return await self._write(
            protocol.request_wake(lease, by=self._queue.who, now=now, until=now + self._ttl_s, nonce=_nonce())
        )

    async def _start(self, lease: Lease) -> bool:
        """The order is owed before the write: where the write's answer is lost, the next reading shows whose it was.

        Callers' wake request goes with the start, in one write; another's that stands must still stand in the table.
        """
        self._owed_epoch, self._order_pause_s = lease.epoch + 1, 0.0
        now = self._view.now()
        until = now + self._ttl_s if wake_request_due(lease, now, self._situation(lease)) else None
        who = self._queue.who
        return await self._write(
            protocol.start(lease, by=Writer.RELAY, now=now, nonce=_nonce(), wake_until=until, wake_by=who)
        )

    async def _order(self, lease: Lease) -> bool:
        try:
            await self._threads.run(self._power.start, self._instance_id)
        except PowerUnanswered as error:
            return await self._not_now(lease, error)
        except PowerRefused as refused:
            return await self._refused(lease, refused)
        self._owed_epoch = None
        log.info("ordered", extra={"facts": {"unit": self._view.unit, "epoch": lease.epoch}})
        return True

    async def _not_now(self, lease: Lease, error: PowerUnanswered) -> bool:
        """The order stays owed, and does not count."""
        log.warning("order not taken", extra={"facts": {"unit": self._view.unit, "error": str(error)}})
        self._order_pause_s = min(max(DESCRIBE_S, 2 * self._order_pause_s), ORDER_PAUSE_MAX_S)
        self._order_after = self._view.now() + self._order_pause_s
        if lease.attempts:
            await self._write(protocol.not_now(lease, nonce=_nonce()))
        return False

    async def _repeat(self, lease: Lease) -> bool:
        """Claim the next order; where none is left, the reaper ends this start."""
        outcome = protocol.repeat_start(lease, now=self._view.now(), nonce=_nonce())
        self._owed_epoch = None if isinstance(outcome, Refused) else lease.epoch
        self._inherits = False
        return await self._write(outcome)

    async def _refused(self, lease: Lease, refused: PowerRefused) -> bool:
        log.warning(
            "order refused",
            extra={"facts": {"unit": self._view.unit, "code": refused.code, "message": refused.message}},
        )
        self._owed_epoch = None
        now, words, failure = self._view.now(), str(refused), refused.failure
        write = protocol.fail(
            lease, by=Writer.RELAY, now=now, nonce=_nonce(), reason=words, failure=failure, order=False
        )
        done = await self._write(write)
        if refused.capacity:
            await self._ask_reaper()
        return done

    async def _resume(self, lease: Lease) -> bool:
        now, engines = self._view.now(), None if lease.wanted(self._view.now()) else self._queue.engines
        reason = f"wanted by {self._queue.who if self._queue.wanted else lease.wake_by}"
        outcome = protocol.resume(lease, by=Writer.RELAY, now=now, nonce=_nonce(), reason=reason, engines=engines)
        return await self._write(outcome)

    async def _cordon(self, lease: Lease) -> bool:
        return await self._write(protocol.cordon(lease, now=self._view.now(), nonce=_nonce()))

    async def _describe(self, lease: Lease) -> bool:
        machine = await self._threads.run(self._power.describe, self._instance_id)
        self._view.publish_machine(machine)
        if self._view.off and self._view.now() - self._asked_reaper_at > STOPPED_TWICE_S:
            log.warning(
                "off", extra={"facts": {"unit": self._view.unit, "lease": lease.state.value, "machine": machine.state}}
            )
            await self._ask_reaper()
        return True

    async def _stopped(self, lease: Lease) -> bool:
        return await self._write(protocol.stopped(lease, by=Writer.RELAY, now=self._view.now(), nonce=_nonce()))

    # ------------------------------------------------------------ doors to the outside
    async def _write(self, outcome: Outcome) -> bool:
        if isinstance(outcome, Refused):
            log.info("nothing to write", extra={"facts": {"unit": self._view.unit, "why": outcome.reason}})
            return False
        after = await self._threads.run(self._store.write, outcome)
        if after is None:
            return False
        if outcome.event is not None:
            event = outcome.event
            facts = {"before": event.before, "after": event.after, "reason": event.reason}
            log.info("transition", extra={"facts": {"unit": self._view.unit, **facts}})
        self._view.publish_lease(after)
        return True

    async def _ask_reaper(self) -> None:
        """Invoke the reaper for this unit; its own minute comes anyway, so a refusal is only logged."""
        self._asked_reaper_at = self._view.now()
        try:
            await self._threads.run(self._invoke_reaper)
        except (PowerRefused, PowerUnanswered) as error:
            log.warning("reaper not invoked", extra={"facts": {"unit": self._view.unit, "error": str(error)}})


def _nonce() -> str:
    return secrets.token_hex(8)
