"""The agent's loop: read the lease, do what its state asks of the host, write down what happened.

`_BY_STATE` says which method serves which state; each is one tick's work, never waits, and may be called again after
a crash. Every write names instance and boot. A table that does not answer changes nothing here, and what it said is
believed for `max_silence_s` only; then the machine is the dead-man's switch's, a program of its own (`dead_man.py`).

Admission is closed from this boot's first tick until this boot is RUNNING, so that a relay that still believes in the
boot before sends nothing into a start that may yet fail (ADR 4). The agent's own probes come from root on the
loopback, which admission lets through.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from core import lease as protocol
from core.codes import Writer
from core.contract.documents import HostConfig
from core.contract.intervals import AGENT_TICK_S, HEARTBEAT_S, LEASE_READ_OTHERWISE_S, LEASE_READ_RUNNING_S
from core.errors import LeaseError
from core.lease import ON, Lease, Outcome, Refused, State, Value
from runtime.agent.admission import AdmissionError, AdmissionLike, AdmissionState
from runtime.agent.drain import Drain, Step
from runtime.agent.engines import Engine
from runtime.agent.idle_check import Lister, idle_check
from runtime.agent.machine import MachineLike
from runtime.agent.pulse import NOTHING, Pulse
from runtime.agent.sessions import Sessions, nobody
from runtime.agent.table_seen import Answer
from runtime.backends.leases import LeaseStore, StoreUnavailable, create

log = logging.getLogger("pilotlight.agent")
RETRY_COMPLETION_S: Final = 2.0  # an engine that listens and fails a completion is asked again this rarely
RETRY_POWER_OFF_S: Final = 10.0


class ShutdownReportLike(Protocol):
    """What the agent needs of `shutdown_report.Shipper`."""

    def ship(self, lease: Lease, now: float) -> None: ...

    def look_back(self, lease: Lease, now: float) -> object: ...


class Agent:
    """The agent of one host. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        config: HostConfig,
        store: LeaseStore,
        machine: MachineLike,
        engines: Sequence[Engine],
        *,
        admission: AdmissionLike,
        connections: Lister,
        heard: Callable[[Answer], None] = lambda _: None,
        shutdown_report: ShutdownReportLike | None = None,
        instance_type: Callable[[], str] = lambda: "",
        sessions: Sessions | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._store, self._machine = config, store, machine
        self._engines, self._connections, self._clock = engines, connections, clock
        self._admission = AdmissionState(admission, lambda wrong: self._say("admission", wrong), clock)
        self._heard, self._shutdown_report, self._instance_type = heard, shutdown_report, instance_type
        self._sessions = sessions or nobody()
        began = clock()
        self._lease: Lease | None = None
        self._table_now, self._read_at = 0.0, began  # the table's time at a moment of our clock
        self._answered_at = began  # the table's last answer
        self._next_read = began
        self._next_beat = began
        self._proved: set[str] = set()
        self._ask_again: dict[str, float] = {}
        self._pulse = Pulse(engines, machine, clock)
        self._drain: Drain | None = None
        self._boot_looked_at = False
        self._off_again = 0.0
        self._said: dict[str, str] = {}

    # ------------------------------------------------------------ the loop
    def tick(self) -> float:
        """One round; returns how many seconds to sleep."""
        if not self._boot_looked_at:
            self._begin()
        if self._clock() >= self._next_read:
            self._read()
        fresh = self._clock() - self._answered_at < self._config.max_silence_s
        try:
            if fresh:
                self._act()
            else:
                self._beat_if_due()
        except AdmissionError as error:
            self._say("admission", str(error))
        return self._pause()

    def _begin(self) -> None:
        """Before the table is asked: admission is closed, unless this boot was ready under an agent before this one."""
        self._boot_looked_at = True
        if not self._machine.was_ready():
            self._admission.until_ready()

    def _pause(self) -> float:
        lease = self._lease
        if lease is not None and lease.state in (State.NEW, State.STARTING, State.DRAINING):
            return AGENT_TICK_S
        return max(AGENT_TICK_S, min(self._next_read, self._next_beat) - self._clock())

    def _act(self) -> None:
        lease = self._lease
        if lease is None:
            return
        if lease.instance_id != self._config.instance_id:
            self._say("lease", f"the lease is for {lease.instance_id}, this is {self._config.instance_id}")
            return
        if not self._machine.boot_id:  # only on a machine that stays on: elsewhere nobody would ask
            self._next_beat = self._clock() + HEARTBEAT_S
            self._admission.close()
            self._say("lease", f"the engines are off, the lease is {lease.state}")
            return
        if lease.boot_id != self._machine.boot_id:
            self._claim(lease)
            return
        self._BY_STATE[lease.state](self, lease)
        self._beat_if_due()

    # ------------------------------------------------------------ table
    def _read(self) -> None:
        """Read the lease; make it where there is none. What the table does not say leaves things as they are."""
        try:
            reading = self._store.read(self._config.unit)
        except (StoreUnavailable, LeaseError) as error:
            self._say("table", f"no lease: {error}")
            self._next_read = self._clock() + LEASE_READ_RUNNING_S
            return
        self._say("table", "")
        self._table_now, self._read_at = reading.now, self._clock()
        self._answered_at = self._read_at
        self._lease = reading.lease
        inhibitor = reading.lease.inhibitor(reading.now) if reading.lease else None
        self._heard(Answer(self._read_at, self._read_at + inhibitor.until - reading.now if inhibitor else 0.0))
        if reading.lease is None:
            self._create()
        self._next_read = self._clock() + self._read_every()

    def _create(self) -> None:
        """The lease where there is none. Where it cannot be made, the reaper tells people; the next read tries."""
        unit, machine = self._config.unit, self._config.instance_id
        try:
            self._lease = create(self._store, unit, machine, by=Writer.AGENT, now=self._now(), nonce=_nonce())
        except (StoreUnavailable, LeaseError) as error:
            self._say("create", f"no lease: {error}")
            return
        self._say("create", "made" if self._lease else "somebody else made it")

    def _read_every(self) -> float:
        changing = self._lease is not None and self._lease.state in (State.NEW, State.STARTING, State.DRAINING)
        return LEASE_READ_OTHERWISE_S if changing else LEASE_READ_RUNNING_S

    def _now(self) -> float:
        """The table's time."""
        return self._table_now + self._clock() - self._read_at

    def _write(self, outcome: Outcome) -> Lease | None:
        """Send a write; the lease afterwards, or None where it was refused or unanswered: read again at once."""
        if isinstance(outcome, Refused):
            log.info("not written: %s", outcome.reason)
            self._next_read = min(self._next_read, self._clock() + LEASE_READ_OTHERWISE_S)
            return None
        try:
            after = self._store.write(outcome)
        except (StoreUnavailable, LeaseError) as error:
            self._say("table", f"not written: {error}")
            self._next_read = self._clock()
            if outcome.event and outcome.event.after == State.STOPPING and self._drain:
                self._drain.stop_tried = True
            return None
        if after is None:
            self._next_read = self._clock()
            return None
        self._lease = after
        if outcome.event:
            log.info("%s → %s: %s", outcome.event.before or "(none)", outcome.event.after, outcome.event.reason)
        return after

    # ------------------------------------------------------------ one method a state
    def _claim(self, lease: Lease) -> None:
        """This boot takes the lease, unless it is ending or the machine should be off."""
        if lease.state not in ON:
            self._say("lease", f"the lease is {lease.state} and not of this boot: waiting")
            return
        self._admission.until_ready()
        boot, machine = self._machine.boot_id, self._config.instance_id
        claim = protocol.claim_boot(lease, instance_id=machine, boot_id=boot, now=self._now(), nonce=_nonce())
        if self._write(claim):
            self._say("lease", f"claimed by boot {boot}")
            self._proved.clear()
            if self._shutdown_report:
                self._shutdown_report.look_back(lease, self._now())

    def _prove(self, lease: Lease) -> None:
        """NEW, STARTING: one real completion of every engine with admission closed, then RUNNING, and it opens."""
        self._admission.until_ready()
        for engine in self._engines:
            if engine.name not in self._proved and self._clock() >= self._ask_again.get(engine.name, 0.0):
                self._ask(engine)
        if len(self._proved) < len(self._engines):
            return
        facts = self._start_facts(lease)
        self._pulse.begin()  # before callers come: what they ask from here on is demand
        ready = protocol.ready(lease, boot_id=self._machine.boot_id, now=self._now(), nonce=_nonce(), facts=facts)
        if self._write(ready):
            self._next_beat = self._clock() + HEARTBEAT_S
            self._run(lease)  # in this tick: the relay forwards as soon as it reads RUNNING

    def _ask(self, engine: Engine) -> None:
        if not engine.listens():
            return
        wrong = engine.completes()
        self._say(engine.name, wrong or "a real completion succeeded")
        if wrong:
            self._ask_again[engine.name] = self._clock() + RETRY_COMPLETION_S
        else:
            self._proved.add(engine.name)

    def _start_facts(self, lease: Lease) -> Mapping[str, Value]:
        """What the start was made of, in seconds, and what its hours cost by.

        `boot_s`: from the start order (of a first deployment: from the machine's start) until the engines' processes
        started; `engine_<name>_s`: from there until now, when the engines have answered.
        """
        kind = self._instance_type()
        up = {engine.name: self._machine.engine_up_s(engine.name) for engine in self._engines}
        engines = {name: seconds for name, seconds in up.items() if seconds is not None}
        whole = self._now() - lease.since if lease.state is State.STARTING else self._machine.up_s()
        boot = max(0.0, whole - max(engines.values(), default=0.0))
        facts: dict[str, Value] = {"instance_type": kind} if kind else {}
        facts["boot_s"] = round(boot, 1)
        return facts | {f"engine_{name}_s": round(seconds, 1) for name, seconds in engines.items()}

    def _run(self, lease: Lease) -> None:
        """RUNNING: admission is open, and an agent of this boot that comes later knows that it was."""
        self._drain = None
        self._pulse.knew(dict.fromkeys(lease.dead_engines, self._clock() - self._now() + (lease.dead_at or 0.0)))
        self._admission.open()
        self._sessions.running(lease, self._now())
        if not self._machine.was_ready():
            self._machine.note_ready()

    def _leave(self, _: Lease) -> None:
        """STOPPED, FAILED under a running machine: the reaper's business."""

    def _off(self, lease: Lease) -> None:
        """STOPPING of this boot: off. After our own idle check the engines are idle and need no time to end."""
        if self._clock() < self._off_again:
            return
        proved_idle = lease.by == Writer.AGENT
        if not proved_idle:
            log.warning("forced stop by %s: %s", lease.by, lease.reason)
        self._admission.keep_closed("before the machine goes off")
        self._sessions.going_off(lease)
        if self._shutdown_report:  # before the order: idle engines are killed right after it
            self._shutdown_report.ship(lease, self._now())
        self._off_again = self._clock() + RETRY_POWER_OFF_S
        self._machine.power_off(lease.reason, idle_engines=[e.name for e in self._engines] if proved_idle else ())

    # ------------------------------------------------------------ the stop
    def _stop(self, lease: Lease) -> None:
        """DRAINING: cordon, admission, idle check, and either our stop or our veto."""
        drain = self._this_drain(lease.epoch)
        now = self._clock()
        if lease.wanted(self._now()) or lease.inhibitor(self._now()):
            drain.given_up = drain.given_up or "somebody wants or inhibits the host"
        self._sessions.draining(lease)
        if who := self._sessions.working():
            drain.given_up = drain.given_up or f"somebody works here: {who}"
        step = drain.next(now, cordoned=lease.cordon_epoch == lease.epoch)
        if step is Step.CLOSE:
            self._close_for(drain)
        elif step is Step.CHECK:
            drain.saw(idle_check(self._engines, self._connections), self._clock())
        elif step is Step.QUIET:
            drain.again()
            boot = self._machine.boot_id
            if not self._admission.is_closed():
                drain.given_up = "somebody opened admission"
            elif self._write(protocol.stop(lease, boot_id=boot, now=self._now(), nonce=_nonce())):
                self._next_read = self._clock()
        elif step is Step.GIVE_UP:
            self._veto(lease, drain)

    def _this_drain(self, epoch: int) -> Drain:
        """The drain of this epoch. An admission that a crashed agent left closed stays closed, and counts from now."""
        if self._drain is None or self._drain.epoch != epoch:
            self._drain = Drain(epoch, self._clock())
            if self._admission.found_closed():
                self._drain.closed_at, self._drain.stop_tried = self._clock(), True
        return self._drain

    def _close_for(self, drain: Drain) -> None:
        try:
            self._admission.close()
        except AdmissionError as error:
            drain.given_up = f"admission does not close: {error}"
            return
        drain.closed_at = self._clock()

    def _veto(self, lease: Lease, drain: Drain) -> None:
        """Back to RUNNING, in the table first. Where the table is silent admission opens all the same, unless a stop
        of ours may have been written: then it stays closed until the table says that it was not.
        """
        outcome = protocol.resume(
            lease,
            by=Writer.AGENT,
            now=self._now(),
            nonce=_nonce(),
            reason=f"veto: {drain.given_up}",
            boot_id=self._machine.boot_id,
            demand=drain.by_demand,
        )
        if self._write(outcome) or not drain.stop_tried:
            self._admission.open()

    # ------------------------------------------------------------ counters
    def _beat_if_due(self) -> None:
        """A heartbeat: how many requests, whether anybody asked since the last one, and which engines do not answer."""
        if self._clock() < self._next_beat:
            return
        self._next_beat = self._clock() + HEARTBEAT_S
        lease = self._lease
        found = self._pulse.take() if lease is None or lease.state in (State.RUNNING, State.DRAINING) else NOTHING
        if lease is None or lease.state not in ON:
            return
        now, at = self._now(), self._clock()
        beat = protocol.agent_beat(
            lease,
            boot_id=self._machine.boot_id,
            now=now,
            busy=found.busy,
            unknown=found.unknown,
            demand=found.demand,
            dead={name: now - (at - since) for name, since in found.dead.items()},
            nonce=_nonce(),
        )
        after = self._write(beat)
        if after and (note := self._sessions.note(after, now=now, nonce=_nonce())):
            self._write(note)
        # whoever inhibits the host may be at work on its engines
        if lease.state is State.RUNNING and not lease.inhibitor(now):
            self._pulse.restart_dead()

    def _say(self, about: str, message: str) -> None:
        """Log a message once, until it changes."""
        if self._said.get(about, "") != message:
            self._said[about] = message
            log.info("%s: %s", about, message or "well again")

    _BY_STATE: Final[Mapping[State, Callable[[Agent, Lease], None]]] = {
        State.NEW: _prove,
        State.STARTING: _prove,
        State.RUNNING: _run,
        State.DRAINING: _stop,
        State.STOPPING: _off,
        State.STOPPED: _leave,
        State.FAILED: _leave,
    }


def _nonce() -> str:
    return uuid.uuid4().hex
