"""An agent with its lease in memory, and a host and engines that a test moves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from core.contract.documents import EngineAddress, HostConfig, Place
from core.lease import Lease, State, Write, to_item
from runtime.agent.admission import AdmissionError
from runtime.agent.agent import Agent
from runtime.agent.engines import Counters, Engine
from runtime.agent.table_seen import Answer
from runtime.backends.leases import StoreUnavailable
from runtime.backends.leases.memory import MemoryLeaseStore

UNIT = "demo/host"
CONFIG = HostConfig(1, "demo", UNIT, Place("made up"), "i-1", (EngineAddress("m", "127.0.0.1", 8100),), 1800.0)


STARTED = {"instance_type": "g6.xlarge", "boot_s": 21.0, "engine_m_s": 18.3}


class FakeEngine(Engine):
    def __init__(self) -> None:
        super().__init__(CONFIG.engines[0])
        self.up, self.wrong, self.well = True, "", True
        self.now: Counters | Exception = Counters(0, 10.0)
        self.asked = 0

    def listens(self) -> bool:
        return self.up

    def completes(self) -> str:
        self.asked += 1
        return self.wrong

    def read(self) -> Counters:
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    def healthy(self) -> bool:
        return self.well


class FakeHost:
    """Admission and machine in one; `diary` is what was done, in order."""

    def __init__(self, boot_id: str) -> None:
        self.boot_id, self.diary, self.closed = boot_id, list[str](), False
        self.was_running = False  # in this boot, which outlives the agent
        self.nft_works, self.systemd_works = True, True
        self.unit = "active"  # systemd's word on the engine's

    def close(self) -> None:
        if not self.nft_works:
            raise AdmissionError("nft: no")
        self.diary.append("close")
        self.closed = True

    def open(self) -> None:
        if self.closed:
            self.diary.append("open")
        self.closed = False

    def is_closed(self) -> bool:
        return self.closed

    def was_ready(self) -> bool:
        return self.was_running

    def note_ready(self) -> None:
        self.was_running = True

    def up_s(self) -> float:
        return 39.30  # of which the engine is the last 18.26

    def engine_up_s(self, engine: str) -> float | None:
        return 18.26

    def engine_state(self, engine: str) -> str:
        return self.unit

    def restart_engine(self, engine: str) -> bool:
        self.diary.append(f"restart {engine}")
        return True

    def power_off(self, reason: str, *, idle_engines: Sequence[str]) -> bool:
        self.diary.append(f"off{' now' if idle_engines else ''}: {reason}")
        return self.systemd_works


class World:
    def __init__(self) -> None:
        self.clock = 1000.0
        self.store = MemoryLeaseStore(lambda: self.clock + 1e6)
        self.down = False
        self.store_read, self.store_write = self.store.read, self.store.write
        self.lost_answers = 0
        self.engine, self.host = FakeEngine(), FakeHost("boot-1")
        self.connected = ""
        self.heard: list[Answer] = []
        self.shutdown_report: Any = None
        self.agent = self.new_agent()

    def new_agent(self) -> Agent:
        self.agent = Agent(
            CONFIG,
            self,  # type: ignore[arg-type]
            self.host,
            [self.engine],
            admission=self.host,
            connections=lambda ports: self.connected,
            heard=self.heard.append,
            shutdown_report=self.shutdown_report,
            instance_type=lambda: "g6.xlarge",
            clock=lambda: self.clock,
        )
        return self.agent

    def read(self, unit: str) -> Any:
        if self.down:
            raise StoreUnavailable("down")
        return self.store_read(unit)

    def last_epoch(self, unit: str) -> int:
        return self.store.last_epoch(unit)

    def write(self, write: Write) -> Lease | None:
        if self.down:
            raise StoreUnavailable("down")
        after = self.store_write(write)
        if write.event and self.lost_answers:
            self.lost_answers -= 1
            raise StoreUnavailable("answer lost")
        return after

    def put(self, state: State, **fields: Any) -> None:
        now = self.clock + 1e6
        lease = Lease(UNIT, state, 3, now, "because", "reaper", instance_id="i-1", boot_id="boot-1")
        if state in (State.RUNNING, State.DRAINING):
            lease = dataclasses.replace(lease, ready_at=now, demand_at=now, agent_at=now)
        lease = dataclasses.replace(lease, **fields)
        up = state in (State.RUNNING, State.DRAINING, State.STOPPING)
        self.host.was_running = up and lease.boot_id == self.host.boot_id
        self.store_write(Write(UNIT, "n", (), to_item(lease)))

    def lease(self) -> Lease:
        lease = self.store_read(UNIT).lease
        assert lease is not None
        return lease

    def change(self, make: Callable[..., Any], **arguments: Any) -> None:
        assert self.store_write(make(self.lease(), nonce="x", **arguments)) is not None

    def pass_time(self, seconds: float) -> None:
        """Tick as the agent asks to be ticked."""
        end = self.clock + seconds
        while self.clock < end:
            self.clock += max(0.01, min(self.agent.tick(), end - self.clock))
        self.agent.tick()

    def table_now(self) -> float:
        return self.clock + 1e6
