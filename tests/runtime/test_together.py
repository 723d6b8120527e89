"""The real agent and the real reaper over one store, with a simulated gateway, in random order and with faults.

The explorer in `tests/core/protocol/` walks every order of an abstract agent; this walks few orders of the code that
runs. Safety: no machine is turned off unforced with a request in it. Liveness: when the faults end, every request is
answered, and then the machine is turned off.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import pytest

from core import lease as protocol
from core.contract.documents import EngineAddress, HostConfig, Place
from core.contract.tags import TAG_UNIT
from core.lease import Lease, Refused, State, Write
from core.notifications import Notification
from runtime.agent.agent import Agent
from runtime.agent.engines import Counters, Engine, Unreadable
from runtime.backends.leases import Reading, StoreUnavailable
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.backends.power import Machine
from runtime.reaper.sweep import Sweep
from tests.samples import unit_settings

UNIT = "demo/host"
ADDRESS = EngineAddress("m", "127.0.0.1", 8100)
CONFIG = HostConfig(1, "demo", UNIT, Place("made up"), "i-1", (ADDRESS,), 1800.0)
SETTINGS = unit_settings(unit=UNIT, stop_after_s=5.0, max_lease_s=0.0)
SEEDS = 24
STEPS = 400


class Flaky:
    """The store as one process sees it: down for a while, or answering a write that it then loses."""

    def __init__(self, store: MemoryLeaseStore) -> None:
        self.store, self.down, self.lose = store, False, False

    def read(self, unit: str) -> Reading:
        self._check()
        return self.store.read(unit)

    def last_epoch(self, unit: str) -> int:
        self._check()
        return self.store.last_epoch(unit)

    def write(self, write: Write) -> Lease | None:
        self._check()
        after = self.store.write(write)
        if self.lose:
            self.lose = False
            raise StoreUnavailable("the answer was lost")
        return after

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("down")


class Simulation:
    """One machine, its agent, one gateway, the reaper. Every method is one step; some do nothing when not possible."""

    def __init__(self, seed: int) -> None:
        self.random, self.clock = random.Random(seed), 0.0
        self.store = MemoryLeaseStore(lambda: 1e6 + self.clock)
        self.store.put_settings(SETTINGS)
        self.for_agent, self.for_relay = Flaky(self.store), Flaky(self.store)
        self.sweep = Sweep(self.store, self, self)
        self.power, self.boots, self.admission_closed = "stopped", 0, False
        self.running, self.uncounted, self.tokens = 0, 0, 0.0  # requests in the engine; not in its counters yet
        self.queued, self.answered, self.sent = 0, 0, 0
        self.known: Lease | None = None  # what the relay last read
        self.log: list[str] = []
        self.order_started = 0.0
        self.offs = 0
        self._boot()

    # ------------------------------------------------------------ machine, as agent and reaper see it
    def _boot(self) -> None:
        self.power, self.admission_closed, self.boots = "running", False, self.boots + 1
        self.was_running = False
        self.boot_id = f"boot-{self.boots}"
        self._new_agent()

    def _new_agent(self) -> None:
        self.agent = Agent(
            CONFIG,
            self.for_agent,  # type: ignore[arg-type]
            self,
            [SimulatedEngine(self)],
            admission=self,
            connections=lambda ports: "peer" * (self.running + self.uncounted),
            clock=lambda: self.clock,
        )

    def close(self) -> None:
        self.admission_closed = True

    def open(self) -> None:
        self.admission_closed = False

    def is_closed(self) -> bool:
        return self.admission_closed

    def was_ready(self) -> bool:
        return self.was_running

    def note_ready(self) -> None:
        self.was_running = True

    def up_s(self) -> float:
        return 1.0

    def engine_up_s(self, engine: str) -> float | None:
        return None

    def engine_state(self, engine: str) -> str:
        return "active"

    def restart_engine(self, engine: str) -> bool:
        raise AssertionError("the engine answers")

    def power_off(self, reason: str, *, idle_engines: Sequence[str]) -> bool:
        assert self.running + self.uncounted == 0, f"turned off with a request in it: {reason}\n" + "\n".join(self.log)
        self.power, self.offs = "stopping", self.offs + 1
        return True

    def describe(self, instance_id: str) -> Machine:
        return Machine(instance_id, self.power, tags={TAG_UNIT: UNIT})

    def describe_fleet(self, machines: Mapping[str, str]) -> dict[str, Machine]:
        return {i: self.describe(i) for i in machines.values()}

    def start(self, instance_id: str) -> None:
        if self.power == "stopped":
            self.power = "pending"

    def stop(self, instance_id: str) -> None:
        if self.power in ("running", "pending"):
            self.power_off("StopInstances", idle_engines=())

    def send(self, topic: str, notification: Notification) -> bool:
        return True

    # ------------------------------------------------------------ steps
    def tick(self) -> None:
        if self.power == "running":
            self.clock += self.agent.tick()
        else:
            self.clock += 1.0

    def ec2(self) -> None:
        if self.power == "stopping":
            self.power = "stopped"
        elif self.power == "pending":
            self._boot()

    def reap(self) -> None:
        self.sweep.run()

    def arrive(self) -> None:
        if self.sent < 40:
            self.sent += 1
            self.queued += 1
            self.release()

    def release(self) -> None:
        """Through an open route and an open admission; a close admission sends the request back to the relay, body
        intact.
        """
        route = self.known is not None and self.known.state is State.RUNNING
        if self.queued and route and self.power == "running" and not self.admission_closed:
            self.queued -= 1
            self.uncounted += 1

    def count(self) -> None:
        if self.uncounted:
            self.uncounted -= 1
            self.running += 1

    def finish(self) -> None:
        if self.running:
            self.running -= 1
            self.tokens += 7.0
            self.answered += 1

    def relay(self) -> None:
        """Read, and do what the state asks for."""
        try:
            reading = self.for_relay.read(UNIT)
            self.known = reading.lease
            if reading.lease is not None:
                self._relay_acts(reading.lease, reading.now)
        except StoreUnavailable:
            return

    def _relay_acts(self, lease: Lease, now: float) -> None:
        nonce = f"r{self.random.random()}"
        if lease.state is State.DRAINING:
            outcome = (
                protocol.resume(lease, by="relay", now=now, nonce=nonce, reason="demand")
                if self.queued
                else protocol.cordon(lease, now=now, nonce=nonce)
            )
        elif lease.state is State.STOPPING and self.power == "stopped":
            outcome = protocol.stopped(lease, by="relay", now=now, nonce=nonce)
        elif self.queued and not lease.wanted(now):
            outcome = protocol.request_wake(lease, by="relay", now=now, until=now + 1140, nonce=nonce)
        elif self.queued and lease.state is State.STOPPED:
            outcome = protocol.start(lease, by="relay", now=now, nonce=nonce)
        else:
            return
        after = None if isinstance(outcome, Refused) else self.for_relay.write(outcome)
        if after is not None and after.state is State.STARTING and after.by == "relay":
            self.start("i-1")

    # ------------------------------------------------------------ faults
    def crash_agent(self) -> None:
        if self.power == "running":
            self._new_agent()

    def lose_an_answer(self) -> None:
        self.random.choice([self.for_agent, self.for_relay]).lose = True

    def cut(self) -> None:
        self.random.choice([self.for_agent, self.for_relay]).down = True

    def heal(self) -> None:
        for flaky in (self.for_agent, self.for_relay):
            flaky.down = flaky.lose = False

    def lease(self) -> Lease:
        lease = self.store.read(UNIT).lease
        assert lease is not None
        return lease

    def do(self, step: Callable[[], None]) -> None:
        step()
        lease = self.store.read(UNIT).lease
        state = "none" if lease is None else f"{lease.state} {lease.epoch}"
        admission = "closed" if self.admission_closed else "open"
        self.log.append(
            f"{self.clock:8.1f} {step.__name__:14} {state:12} {self.power:9} admission {admission}"
            f" in {self.running}+{self.uncounted} queued {self.queued}"
        )


class SimulatedEngine(Engine):
    """vLLM in the simulation. Its counters lag behind its connections, and sometimes cannot be read."""

    def __init__(self, world: Simulation) -> None:
        super().__init__(ADDRESS)
        self._world = world

    def listens(self) -> bool:
        return True

    def completes(self) -> str:
        return ""

    def healthy(self) -> bool:
        return True

    def read(self) -> Counters:
        if self._world.random.random() < 0.02:
            raise Unreadable("simulated")
        return Counters(self._world.running, self._world.tokens)


def steps(world: Simulation) -> list[Callable[[], None]]:
    often = [world.tick] * 24 + [world.relay] * 12 + [world.finish, world.count, world.release] * 4
    return [*often, *[world.ec2] * 4, *[world.reap] * 3, world.arrive]


def faults(world: Simulation) -> list[Callable[[], None]]:
    return [world.crash_agent, world.lose_an_answer, world.cut, world.heal, world.heal]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_request_dies_and_none_waits_for_ever(seed: int) -> None:
    world = Simulation(seed)
    for _ in range(STEPS):
        world.do(world.random.choice(steps(world) + faults(world)))
    world.heal()
    healthy = [s for s in steps(world) if s != world.arrive]
    for _ in range(20 * STEPS):
        if world.queued + world.running + world.uncounted == 0 and world.lease().state is State.STOPPED:
            break
        world.do(world.random.choice(healthy))
    assert (world.answered, world.lease().state) == (world.sent, State.STOPPED), "\n".join(world.log[-60:])


def test_the_simulation_is_not_empty() -> None:
    """It stops, is aborted and wakes; a simulation that never does proves nothing."""
    seen: set[tuple[str, str, str]] = set()
    offs = 0
    for seed in range(10):
        world = Simulation(seed)
        for _ in range(STEPS * 2):
            world.do(world.random.choice(steps(world) + faults(world)))
        seen |= {(e.before, e.after, e.by) for e in world.store.events(UNIT)}
        offs += world.offs
    assert offs > 10
    for wanted in (
        ("DRAINING", "STOPPING", "agent"),
        ("DRAINING", "RUNNING", "relay"),
        ("STOPPED", "STARTING", "relay"),
        ("STOPPED", "STARTING", "reaper"),
    ):
        assert wanted in seen, f"never {wanted}: {sorted(seen)}"


def cut_off(seed: int, count: int) -> Simulation:
    """A gateway that read RUNNING once, was then cut off from the table, and goes on forwarding."""
    world = Simulation(seed)
    while world.known is None or world.known.state is not State.RUNNING:
        world.do(world.random.choice([world.tick, world.relay]))
    often = [world.tick] * 40 + [world.finish, world.count] * 2
    for _ in range(count):
        world.do(world.random.choice([*often, world.reap, world.arrive, world.release]))
    return world


def test_a_gateway_that_is_cut_off_costs_no_request() -> None:
    assert sum(cut_off(seed, 600).offs for seed in range(20)) > 10


@pytest.mark.parametrize("without", ["admission", "connections"])
def test_it_can_fail(without: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without admission, or without asking for connections, a request dies within some seeds."""
    if without == "admission":
        monkeypatch.setattr(Simulation, "close", lambda self: None)
        monkeypatch.setattr(Simulation, "is_closed", lambda self: True)
    else:
        monkeypatch.setattr("runtime.agent.agent.idle_check", _check_without_connections)
    with pytest.raises(AssertionError, match="turned off with a request in it"):
        any(cut_off(seed, 600) is None for seed in range(200))


def _check_without_connections(engines: Sequence[Engine], connections: object) -> object:
    from runtime.agent.idle_check import idle_check

    return idle_check(engines, lambda ports: "")
