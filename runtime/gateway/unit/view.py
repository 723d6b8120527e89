"""What the relay knows of a unit: the last reading of the lease, what EC2 said of the machine, whether it is awake.

Its `Unit` writes it, by the methods below and in the event loop; request handlers read it by way of that unit.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

from core.codes import Failure
from core.contract.intervals import CAPACITY_GRACE_S, DESCRIBE_S, HEARTBEAT_S
from core.engines import health
from core.lease import Lease, State
from runtime.backends.leases import Reading
from runtime.backends.power import Machine
from runtime.gateway import errors
from runtime.gateway.unit import eta
from runtime.gateway.unit.steps import OFF, left_to_reaper


class View:
    """The relay's picture of its host. `monotonic` is injectable so that tests own the time."""

    def __init__(self, unit: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.unit = unit
        self.lease: Lease | None = None
        self.read_once = False
        self.store_down = ""  # why the last read failed
        self.doubted = False  # an engine refused a connection while the lease says RUNNING
        self.usual_wake_s: float | None = None
        self.wakes = 0  # that were seen
        self.closing = False  # the relay ends: nobody waits any longer
        self._monotonic = monotonic
        self._table_minus_ours = 0.0
        self._machine: Machine | None = None
        self._machine_at = 0.0
        self._no_capacity_since: float | None = None
        # engines that took no connection: since when, and the last time (our clock)
        self._refused: dict[str, tuple[float, float]] = {}
        self._listeners: set[asyncio.Event] = set()

    # ------------------------------------------------------------ written by the unit
    def publish(self, reading: Reading) -> None:
        """A fresh reading of the lease."""
        self._table_minus_ours = reading.now - self._monotonic()
        self.store_down = ""
        self.read_once = True
        self.publish_lease(reading.lease)

    def publish_failure(self, why: str) -> None:
        """The lease cannot be read; what was known stays."""
        self.store_down = why
        self.tick()

    def publish_usual_wake(self, seconds: float | None) -> None:
        """How long past wakes took."""
        self.usual_wake_s = seconds

    def close(self) -> None:
        """The relay ends: nobody waits any longer."""
        self.closing = True
        self.tick()

    def publish_lease(self, lease: Lease | None) -> None:
        """The lease as read, or as a write of ours left it. What EC2 said before a transition is forgotten."""
        before = (self.lease.epoch, self.lease.state) if self.lease else None
        after = (lease.epoch, lease.state) if lease else None
        if before != after:
            self.wakes += bool(before and after and before[1] is State.STARTING and after[1] is State.RUNNING)
            self._machine = None
            self.doubted = False
            self._refused.clear()
        self.lease = lease
        if lease is not None and self._refused:
            self._forget_refusals(lease)
        self._note_capacity(lease)
        self.tick()

    def note_refused(self, engine: str) -> None:
        """The engine took no connection although the host is awake: ask EC2, and count since when."""
        self.doubted = True
        now = self._monotonic()
        since, _ = self._refused.get(engine, (now, now))
        self._refused[engine] = since, now

    def _forget_refusals(self, lease: Lease) -> None:
        """Of engines that are back. Awake traffic does not come by here, so the agent's word ends the doubt: a
        heartbeat whose reading is later than the last refusal, while EC2 says that the machine runs.
        """
        if self._machine is None or self._machine.state != "running" or lease.agent_at is None:
            return
        beat_at = lease.agent_at - self._table_minus_ours
        refused = self._refused.items()
        self._refused = {
            engine: (since, last)
            for engine, (since, last) in refused
            if engine in lease.dead_engines or beat_at - last < HEARTBEAT_S or self._machine_at <= last
        }
        self.doubted = bool(self._refused)

    def note_answered(self, engine: str) -> None:
        """The engine took a request."""
        self.doubted = False
        self._refused.pop(engine, None)

    def publish_machine(self, machine: Machine) -> None:
        """What EC2 says now."""
        self._machine, self._machine_at = machine, self._monotonic()
        self.tick()

    def tick(self) -> None:
        """Wake everybody who waits for a change."""
        for event in self._listeners:
            event.set()

    @contextlib.contextmanager
    def listening(self, event: asyncio.Event) -> Iterator[None]:
        """`event` is set at each change."""
        self._listeners.add(event)
        try:
            yield
        finally:
            self._listeners.discard(event)

    # ------------------------------------------------------------ read by handlers
    def now(self) -> float:
        """The table's time, s since 1970."""
        return self._monotonic() + self._table_minus_ours

    @property
    def off(self) -> bool:
        """The lease says that the host is up, and EC2 says that it is not."""
        up = self.lease is not None and self.lease.state in (State.RUNNING, State.DRAINING)
        return up and self._machine is not None and self._machine.state in OFF

    @property
    def awake(self) -> bool:
        """Requests may go to the engines."""
        return self.lease is not None and self.lease.state is State.RUNNING and not self.off

    def ready(self, engine: str) -> bool:
        """Requests may go to this engine."""
        return self.awake and self.lease is not None and engine not in self.lease.dead_engines

    def silent_s(self, engine: str) -> float | None:
        """How long this engine of an awake host has not answered, by its agent or by ourselves; None: it does."""
        if not self.awake or self.lease is None:
            return None
        said = [self._monotonic() - self._refused[engine][0]] if engine in self._refused else []
        if engine in self.lease.dead_engines:
            said.append(self.now() - (self.lease.dead_at or self.lease.since))
        return max(said, default=None)

    @property
    def fresh_machine(self) -> Machine | None:
        """What EC2 said within the last DESCRIBE_S, or None: ask again."""
        fresh = self._machine is not None and self._monotonic() - self._machine_at < DESCRIBE_S
        return self._machine if fresh else None

    @property
    def state(self) -> str:
        """The state in the words of the model list."""
        if not self.read_once:
            return "unknown"
        if self.lease is None:
            return "not deployed"
        return "stopped" if self.off else self.lease.state.value.lower()

    def words(self, engine: str) -> str:
        """What a caller who waits for this engine reads."""
        if self.lease is None or self.store_down:
            return "the lease cannot be read now; waiting"
        if self.off:
            return "the machine was stopped from outside; waiting for it to be started again"
        if (silent := self.silent_s(engine)) is not None:
            return f"the host is running; {health.words(engine, silent)}, it is being restarted"
        return eta.words(self.lease, self.now(), self.usual_wake_s)

    def eta_s(self) -> float | None:
        """Seconds until the host is expected to be awake."""
        return eta.left_s(self.lease, self.now(), self.usual_wake_s) if self.lease else None

    @property
    def attended(self) -> bool:
        """Somebody is at work on the host: `fab deploy` holds an engine's port closed while it waits for the answers in
        the engine, and starts it anew, which may take longer than callers wait for one that died.
        """
        return self.lease is not None and self.lease.inhibited_past_max_lease(self.now())

    def not_yet(self, engine: str) -> errors.Refusal:
        """What a caller is told who has waited for as long as is allowed."""
        silent = self.silent_s(engine)
        return errors.waking(self.state, self.eta_s()) if silent is None else errors.engine_dead(engine, silent)

    def refuse_if_hopeless(self, engine: str, *, wakes: bool) -> None:
        """Raise the Refusal that waiting would not change."""
        silent = self.silent_s(engine)
        if silent is not None and silent > health.GRACE_S and not self.attended:
            raise errors.engine_dead(engine, silent)
        if self.closing:
            raise errors.restarting()
        lease = self.lease
        if lease is None:
            if self.read_once:
                raise errors.not_deployed(self.unit)
            return
        if lease.unpaid(self.now()):
            raise errors.budget_spent(lease.spent_until or 0.0, self.now())
        if lease.state is State.FAILED:
            self._refuse_failed(lease)
        if not wakes and lease.state in (State.STOPPED, State.STOPPING, State.FAILED):
            raise errors.asleep(f"The host is {lease.state.value.lower()}, and this relay may not wake it.")

    def _refuse_failed(self, lease: Lease) -> None:
        """Hopeless until the relay itself tries again; no capacity only after the reaper had its grace."""
        if not left_to_reaper(lease, self.now()):
            return
        if lease.failure != Failure.CAPACITY:
            raise errors.host_failed(lease.failure)
        if self._no_capacity_since is not None and self.now() - self._no_capacity_since > CAPACITY_GRACE_S:
            raise errors.no_capacity()

    def _note_capacity(self, lease: Lease | None) -> None:
        """Since when EC2 has had no capacity: retries in between do not count as an end of it."""
        if lease is not None and lease.state is State.FAILED and lease.failure == Failure.CAPACITY:
            self._no_capacity_since = self._no_capacity_since or self.now()
        elif lease is None or lease.state is not State.STARTING:
            self._no_capacity_since = None

    async def changed(self, timeout_s: float) -> None:
        """Return at the next change, or after `timeout_s`."""
        event = asyncio.Event()
        with self.listening(event), contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), timeout_s)
