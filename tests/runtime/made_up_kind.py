"""A whole unit of a made-up kind: relay, agent and reaper over one `Backend` of memory and play, without AWS's client.

`test_made_up_kind.py` runs it in an interpreter that has no boto3. The clock is the program's: nothing here waits.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Mapping, Sequence

from core.contract.documents import EngineAddress, HostConfig, Place, RelayConfig, RelayUnit, ServiceRoute
from core.contract.tags import TAG_CONTROL, TAG_UNIT
from core.lease import Lease, State
from core.notifications import Notification
from runtime.agent.agent import Agent
from runtime.agent.engines import Counters, Engine
from runtime.backends import Backend
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.backends.power import Machine
from runtime.gateway.unit import Unit
from runtime.gateway.unit.queue import Places
from runtime.reaper.passes import Whom, reaper
from tests.runtime.gateway.stage import FakeActing
from tests.samples import unit_settings

UNIT, MACHINE, CONTROL = "lab/host", "m-1", "c"
ENGINES = (EngineAddress("tiny", "127.0.0.1", 8100),)
STOP_AFTER_S = 300.0


class PlayedEngine(Engine):
    """It listens, answers and counts as soon as its machine is on."""

    def listens(self) -> bool:
        return True

    def completes(self) -> str:
        return ""

    def read(self) -> Counters:
        return Counters(0, 10.0)

    def healthy(self) -> bool:
        return True


class Host:
    """One boot of the machine: admission and switch. It has neither `systemd` nor nftables."""

    def __init__(self, site: Site, boot: int) -> None:
        self._site, self.boot_id, self.closed, self._ready = site, f"boot-{boot}", False, False

    def close(self) -> None:
        self.closed = True

    def open(self) -> None:
        self.closed = False

    def is_closed(self) -> bool:
        return self.closed

    def was_ready(self) -> bool:
        return self._ready

    def note_ready(self) -> None:
        self._ready = True

    def up_s(self) -> float:
        return 1.0

    def engine_up_s(self, engine: str) -> float | None:
        return 1.0

    def engine_state(self, engine: str) -> str:
        return "active"

    def restart_engine(self, engine: str) -> bool:
        return True

    def power_off(self, reason: str, *, idle_engines: Sequence[str]) -> bool:
        self._site.turn("stopped")
        return True


class PlayedRoutes:
    """Where HAProxy would send requests."""

    def __init__(self) -> None:
        self.open: bool | None = None

    async def settle(self, *, awake: bool, dead: Collection[str] = ()) -> bool:
        changed, self.open = self.open is not awake, awake
        return changed


class Site:
    """The machine, everything that drives it, and the one clock of them all."""

    def __init__(self) -> None:
        self.now, self.state, self.boots = 1_800_000_000.0, "stopped", 0
        self.leases = MemoryLeaseStore(lambda: self.now)
        self.leases.put_settings(unit_settings(unit=UNIT, instance_id=MACHINE, stop_after_s=STOP_AFTER_S))
        self.told: list[Notification] = []
        self.asked: list[str] = []
        self.backend = Backend(self.leases, self, self, self.asked.append)
        self.reaper = reaper(self.backend, Whom(CONTROL))
        self.routes = PlayedRoutes()
        self.relay = self._relay()
        self.agent: Agent | None = None
        self.turn("running")

    def _relay(self) -> Unit:
        unit = RelayUnit(UNIT, Place("made up"), MACHINE, ENGINES, (ServiceRoute("chat", "tiny"),), 300.0)
        config = RelayConfig(1, "lab", (unit,), 540.0, 10)
        return Unit(
            config,
            unit,
            store=self.backend.leases,
            power=self.backend.power,
            routes=self.routes,  # type: ignore[arg-type]
            acting=FakeActing(),
            places=Places(10),
            invoke_reaper=lambda: self.backend.ask_reaper(UNIT),
            monotonic=lambda: self.now,
        )

    # ------------------------------------------------------------ power and notifications, as a kind has them
    def turn(self, state: str) -> None:
        """The machine is on with a fresh boot and its agent, or off."""
        self.state, self.agent = state, None
        if state == "running":
            self.boots += 1
            host, config = (
                Host(self, self.boots),
                HostConfig(1, "lab", UNIT, Place("made up"), MACHINE, ENGINES, 1800.0),
            )
            self.agent = Agent(
                config,
                self.backend.leases,
                host,
                [PlayedEngine(ENGINES[0])],
                admission=host,
                connections=lambda ports: "",
                instance_type=self.backend.instance_type,
                clock=lambda: self.now,
            )

    def describe(self, instance_id: str) -> Machine:
        return Machine(instance_id, self.state, tags={TAG_UNIT: UNIT, TAG_CONTROL: CONTROL})

    def describe_fleet(self, machines: Mapping[str, str]) -> dict[str, Machine]:
        return {each: self.describe(each) for each in machines.values()}

    def start(self, instance_id: str) -> None:
        self.turn("running")

    def stop(self, instance_id: str) -> None:
        self.turn("stopped")

    def send(self, topic: str, notification: Notification) -> bool:
        self.told.append(notification)
        return True

    # ------------------------------------------------------------ time
    @property
    def lease(self) -> Lease | None:
        return self.leases.read(UNIT).lease

    def until(self, state: State, within_s: float) -> None:
        """Let time pass until the lease is so: the agent four times a second, the relay once, the reaper a minute."""
        ends, next_pass = self.now + within_s, self.now + 60.0
        while self.lease is None or self.lease.state is not state:
            assert self.now < ends, f"no {state} within {within_s:.0f} s: {self.lease}"
            if self.agent is not None:
                self.agent.tick()
            if self.now % 1.0 < 0.25:
                asyncio.run(self.relay.watch.look())
            if self.now >= next_pass:
                next_pass = self.now + 60.0
                summary = self.reaper.run(lambda: 60.0)
                assert not summary["broken"], summary
            self.now += 0.25
        asyncio.run(self.relay.watch.look())


def life() -> list[str]:
    """Deployed, idle, off, woken by a caller, idle again; the transitions in order."""
    site = Site()
    site.until(State.RUNNING, 60)
    assert site.routes.open is True
    site.until(State.STOPPED, STOP_AFTER_S + 300)
    assert (site.state, site.routes.open, site.relay.ready("tiny")) == ("stopped", False, False)
    site.relay.ask("tiny", "ann")
    site.until(State.RUNNING, 60)
    assert (site.boots, site.relay.ready("tiny")) == (2, True)
    site.until(State.STOPPED, STOP_AFTER_S + 300)
    assert [n.kind.value for n in site.told], "people hear of it by the backend's own way"
    return [str(event.after) for event in site.leases.events(UNIT)]


if __name__ == "__main__":
    sys.stdout.write(" ".join(life()))
