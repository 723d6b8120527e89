"""The agent over an in-memory store, a clock that the test moves, and a host that keeps a diary."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from core import lease as protocol
from core.contract.documents import EngineAddress, HostConfig, Place
from core.contract.intervals import HEARTBEAT_S
from core.contract.table import SK_LEASE
from core.lease import Lease, State, Write, to_item
from runtime.agent.admission import AdmissionError
from runtime.agent.agent import Agent
from runtime.agent.drain import CORDON_WAIT_S, IDLE_CHECK_WAIT_S
from runtime.agent.engines import Counters, Engine, Unreadable
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


@pytest.fixture
def world() -> World:
    return World()


class TestReadiness:
    def test_a_first_boot_makes_the_lease_claims_it_and_proves_itself(self, world: World) -> None:
        world.engine.up = False
        world.pass_time(5)
        assert (world.lease().state, world.lease().boot_id, world.engine.asked) == (State.NEW, "boot-1", 0)
        world.engine.up = True
        world.pass_time(1)
        assert (world.lease().state, world.engine.asked) == (State.RUNNING, 1)
        assert dict(world.store.events(UNIT)[-1].facts) == STARTED

    def test_the_boot_of_a_start_counts_from_its_order_and_ends_where_the_engines_begin(self, world: World) -> None:
        world.put(State.STARTING, boot_id="", since=world.table_now() - 60.0)
        world.pass_time(1)
        facts = world.store.events(UNIT)[-1].facts
        assert (facts["boot_s"], facts["engine_m_s"]) == (pytest.approx(60 - 18.26, abs=1.1), 18.3)

    def test_a_deleted_lease_is_made_again(self, world: World) -> None:
        world.pass_time(1)
        assert (world.lease().state, world.lease().epoch) == (State.RUNNING, 2)
        del world.store._rows._rows[UNIT, SK_LEASE]
        world.pass_time(6)
        assert (world.lease().state, world.lease().epoch, world.lease().by) == (State.RUNNING, 4, "agent")

    def test_a_listening_engine_that_fails_a_completion_is_not_ready(self, world: World) -> None:
        world.engine.wrong = "HTTP 500"
        world.pass_time(11)
        assert world.lease().state is State.NEW
        assert world.engine.asked <= 6  # not ten times a second

    def test_it_is_ready_within_a_tenth_of_a_second(self, world: World) -> None:
        world.put(State.STARTING, boot_id="")
        world.engine.up = False
        world.pass_time(1)
        world.engine.up = True
        world.pass_time(0.1)
        assert world.lease().state is State.RUNNING

    def test_a_reboot_under_the_lease_starts_over(self, world: World) -> None:
        world.put(State.RUNNING, boot_id="boot-0")
        world.engine.up = False
        world.pass_time(3)
        assert (world.lease().state, world.lease().boot_id) == (State.STARTING, "boot-1")

    def test_another_machines_lease_is_left_alone(self, world: World) -> None:
        world.put(State.STARTING, instance_id="i-2", boot_id="")
        before = world.lease()
        world.pass_time(5)
        assert world.lease() == before

    @pytest.mark.parametrize("state", [State.STOPPED, State.FAILED, State.STOPPING])
    def test_a_state_of_another_boot_is_the_reapers_business(self, world: World, state: State) -> None:
        world.put(state, boot_id="boot-0")
        before = world.lease()
        world.pass_time(5)
        assert (world.lease(), world.host.diary) == (before, ["close"])


class TestAdmissionBeforeReadiness:
    """From boot until this boot is RUNNING nothing enters: a failed start may be stopped with its machine."""

    def test_it_closes_before_the_table_has_answered(self, world: World) -> None:
        world.down = True
        world.agent.tick()
        assert world.host.closed

    @pytest.mark.parametrize(("state", "boot"), [(State.STARTING, ""), (State.RUNNING, "boot-0"), (State.NEW, "")])
    def test_it_stays_closed_while_claiming_and_proving(self, world: World, state: State, boot: str) -> None:
        world.put(state, boot_id=boot)
        world.engine.wrong = "HTTP 500"
        world.pass_time(5)
        assert (world.lease().boot_id, world.host.diary) == ("boot-1", ["close"])

    def test_it_opens_in_the_tick_that_writes_ready(self, world: World) -> None:
        world.put(State.STARTING, boot_id="")
        while world.lease().state is not State.RUNNING:
            assert world.host.closed or world.host.diary == []
            world.agent.tick()
        assert world.host.diary == ["close", "open"]

    def test_it_is_closed_when_ready_is_written(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        write, seen = world.write, list[bool]()

        def watched(what: Write) -> Lease | None:
            if what.event and what.event.after == State.RUNNING:
                seen.append(world.host.closed)
            return write(what)

        monkeypatch.setattr(world, "write", watched)
        world.pass_time(3)
        assert seen == [True]

    def test_a_lost_answer_of_ready_keeps_it_shut_until_the_table_speaks(self, world: World) -> None:
        world.put(State.STARTING, boot_id="boot-1")
        world.lost_answers = 1
        world.agent.tick()
        assert (world.lease().state, world.host.diary) == (State.RUNNING, ["close"])
        world.pass_time(0.1)
        assert world.host.diary == ["close", "open"]

    def test_a_restarted_agent_leaves_admission_of_a_boot_that_was_ready(self, world: World) -> None:
        world.pass_time(3)
        world.new_agent()
        world.down = True
        world.pass_time(30)
        assert world.host.diary == ["close", "open"]

    def test_a_restarted_agent_of_a_boot_that_was_not_ready_closes_it_again(self, world: World) -> None:
        world.engine.up = False
        world.pass_time(3)
        world.new_agent()
        world.down = True
        world.pass_time(30)
        assert world.host.closed

    def test_a_boot_that_was_ready_and_starts_anew_closes_it(self, world: World) -> None:
        """Its lease was lost and adopted: STARTING once more, without a boot."""
        world.put(State.RUNNING)
        world.pass_time(3)
        world.engine.wrong = "HTTP 500"
        world.put(State.STARTING, boot_id="")
        world.pass_time(3)
        assert world.host.diary == ["close"]

    def test_a_dead_mans_switch_before_readiness_opens_nothing(self, world: World) -> None:
        world.down, world.connected = True, "10.0.0.9:1 ESTAB"
        world.pass_time(CONFIG.max_silence_s + 60)
        assert world.host.diary == ["close"]

    def test_admission_that_does_not_close_costs_no_start(self, world: World) -> None:
        world.host.nft_works = False
        world.pass_time(3)
        assert world.lease().state is State.RUNNING

    def test_admission_that_closes_late_is_closed(self, world: World) -> None:
        world.host.nft_works, world.engine.up = False, False
        world.pass_time(3)
        world.host.nft_works = True
        world.pass_time(3)
        assert world.host.closed

    def test_admission_that_a_firewall_script_opens_is_close_again(self, world: World) -> None:
        world.engine.up = False
        world.pass_time(3)
        world.host.closed = False
        world.pass_time(3)
        assert world.host.closed
        assert world.host.diary == ["close", "close"]


class TestHeartbeat:
    def test_demand_is_what_moves_the_counters(self, world: World) -> None:
        world.put(State.RUNNING, demand_at=1.0)
        world.pass_time(3 * HEARTBEAT_S)
        assert world.lease().demand_at == 1.0
        assert world.table_now() - (world.lease().agent_at or 0.0) < HEARTBEAT_S
        world.engine.now = Counters(0, 11.0)
        world.pass_time(HEARTBEAT_S + 1)
        assert (world.lease().demand_at or 0.0) > 1.0

    def test_a_request_in_the_engine_is_demand(self, world: World) -> None:
        world.put(State.RUNNING, demand_at=1.0)
        world.engine.now = Counters(2, 10.0)
        world.pass_time(HEARTBEAT_S + 1)
        assert world.lease().busy == 2
        assert (world.lease().demand_at or 0.0) > 1.0

    def test_an_engine_that_restarts_is_no_demand(self, world: World) -> None:
        world.put(State.RUNNING, demand_at=1.0)
        world.pass_time(HEARTBEAT_S + 1)
        world.engine.now = Counters(0, 0.0)
        world.pass_time(2 * HEARTBEAT_S)
        assert world.lease().demand_at == 1.0

    def test_a_request_right_after_a_restart_is(self, world: World) -> None:
        world.put(State.RUNNING, demand_at=1.0)
        world.pass_time(HEARTBEAT_S + 1)
        world.engine.now = Counters(0, 3.0)  # less than before, and yet somebody asked
        world.pass_time(HEARTBEAT_S)
        assert (world.lease().demand_at or 0.0) > 1.0

    def test_unreadable_counters_are_neither_demand_nor_the_end(self, world: World) -> None:
        world.put(State.RUNNING, demand_at=1.0)
        world.engine.now = Unreadable("no")
        world.pass_time(HEARTBEAT_S + 1)
        assert (world.lease().demand_at, world.lease().busy) == (1.0, 0)


class TestStop:
    def test_quiet_is_cordon_admission_idle_check_stop_off(self, world: World) -> None:
        world.put(State.DRAINING)
        world.pass_time(1)
        assert world.host.diary == []  # waits for the cordon
        world.change(protocol.cordon, now=world.table_now())
        world.pass_time(2)
        assert world.lease().state is State.STOPPING
        assert world.host.diary == ["close", "off now: because"]

    def test_a_cordon_that_never_comes_is_waited_for_ten_seconds(self, world: World) -> None:
        world.put(State.DRAINING)
        world.pass_time(CORDON_WAIT_S - 0.5)
        assert world.host.diary == []
        world.pass_time(2)
        assert world.lease().state is State.STOPPING

    def drained(self, world: World) -> None:
        world.put(State.DRAINING, cordon_epoch=3)
        world.agent.tick()

    def test_a_connection_is_a_request_in_flight(self, world: World) -> None:
        world.connected = "10.0.0.9:1 ESTAB"
        self.drained(world)
        world.pass_time(IDLE_CHECK_WAIT_S - 1)
        assert (world.lease().state, world.host.diary) == (State.DRAINING, ["close"])
        world.pass_time(2)
        assert (world.lease().state, world.host.diary) == (State.RUNNING, ["close", "open"])
        assert "10.0.0.9:1 ESTAB" in world.lease().reason

    def test_a_request_in_the_engine_vetoes(self, world: World) -> None:
        world.engine.now = Counters(1, 10.0)
        self.drained(world)
        world.pass_time(IDLE_CHECK_WAIT_S + 1)
        assert (world.lease().state, world.host.closed) == (State.RUNNING, False)

    def test_a_request_that_ends_in_time_lets_it_stop(self, world: World) -> None:
        world.engine.now = Counters(1, 10.0)
        self.drained(world)
        world.pass_time(5)
        world.engine.now = Counters(0, 30.0)
        world.pass_time(2)
        assert world.lease().state is State.STOPPING

    def test_tokens_between_the_two_readings_are_seen(self, world: World) -> None:
        self.drained(world)
        for i in range(40):
            world.engine.now = Counters(0, 10.0 + i)
            world.pass_time(0.25)
        assert world.lease().state is State.DRAINING

    def test_what_it_cannot_see_is_no_quiet_and_no_demand(self, world: World) -> None:
        world.engine.now = Unreadable("/metrics timed out")
        world.put(State.DRAINING, cordon_epoch=3, demand_at=1.0)
        world.pass_time(IDLE_CHECK_WAIT_S + 2)
        assert (world.lease().state, world.lease().demand_at) == (State.RUNNING, 1.0)

    def test_a_wake_request_vetoes_at_once(self, world: World) -> None:
        world.put(State.DRAINING, wake_by="relay", wake_at=world.table_now(), wake_until=world.table_now() + 99)
        world.pass_time(0.5)
        assert (world.lease().state, world.host.diary) == (State.RUNNING, [])

    def test_a_wake_request_between_idle_check_and_write_wins(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The write itself is refused by the table; then the veto."""
        self.drained(world)
        write = world.write

        def late(what: Write) -> Lease | None:
            if what.event and what.event.after == State.STOPPING:
                now = world.table_now()
                world.change(protocol.request_wake, by="relay", now=now, until=now + 99)
            return write(what)

        monkeypatch.setattr(world, "write", late)
        world.pass_time(3)
        assert (world.lease().state, world.host.closed) == (State.RUNNING, False)
        assert not [d for d in world.host.diary if d.startswith("off")]

    def test_admission_that_does_not_close_vetoes(self, world: World) -> None:
        world.host.nft_works = False
        self.drained(world)
        world.pass_time(1)
        assert world.lease().state is State.RUNNING
        assert "admission does not close" in world.lease().reason

    def test_admission_that_somebody_opened_vetoes(self, world: World) -> None:
        self.drained(world)
        world.host.closed = False
        world.pass_time(2)
        assert world.lease().state is State.RUNNING

    def test_when_the_relay_resumes_admission_opens(self, world: World) -> None:
        world.connected = "x"
        self.drained(world)
        world.pass_time(2)
        world.change(protocol.resume, by="relay", now=world.table_now(), reason="demand")
        world.pass_time(1)
        assert world.host.diary == ["close", "open"]

    def test_a_forced_stop_gives_the_engines_time(self, world: World) -> None:
        world.put(State.RUNNING)
        world.pass_time(3)
        world.change(protocol.force, by="reaper", now=world.table_now(), reason="maxLease")
        world.pass_time(3)
        assert world.host.diary == ["close", "off: maxLease"]

    def test_a_power_off_that_systemd_refuses_is_tried_again(self, world: World) -> None:
        world.host.systemd_works = False
        world.put(State.STOPPING, by="agent")
        world.pass_time(25)
        assert world.host.diary == ["close", *["off now: because"] * 3]


class TestFirewallScripts:
    def test_admission_that_is_opened_after_the_stop_was_written_is_closed_before_the_machine_goes(
        self, world: World
    ) -> None:
        world.put(State.STOPPING, by="agent")
        world.agent.tick()
        world.host.closed = False
        world.pass_time(30)
        assert world.host.closed

    @pytest.mark.parametrize("by", ["agent", "reaper"])
    def test_admission_that_does_not_close_keeps_no_machine_on(self, world: World, by: str) -> None:
        world.put(State.STOPPING, by=by)
        world.host.nft_works = False
        world.agent.tick()
        assert world.host.diary[-1].startswith("off")


class TestCrashes:
    def test_a_restarted_agent_that_reads_stopping_powers_off(self, world: World) -> None:
        world.put(State.STOPPING, by="agent")
        world.host.closed = True
        world.new_agent()
        world.pass_time(1)
        assert world.host.diary == ["off now: because"]

    def test_a_restarted_agent_opens_admission_of_a_running_host(self, world: World) -> None:
        world.put(State.RUNNING)
        world.host.closed = True
        world.new_agent()
        world.pass_time(1)
        assert world.host.diary == ["open"]

    def test_a_restarted_agent_goes_on_with_a_close_admission(self, world: World) -> None:
        world.put(State.DRAINING)
        world.host.closed = True
        world.new_agent()
        world.pass_time(2)
        assert world.lease().state is State.STOPPING
        assert world.host.diary == ["off now: because"]

    def test_a_stop_whose_answer_was_lost_still_powers_off(self, world: World) -> None:
        world.put(State.DRAINING, cordon_epoch=3)
        world.lost_answers = 1
        world.pass_time(3)
        assert world.host.diary == ["close", "off now: because"]

    def test_after_a_lost_answer_admission_stays_closed_until_the_table_speaks(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The stop may have been written: a request let in now would die with the machine."""
        world.put(State.DRAINING, cordon_epoch=3)
        write = world.write

        def lost(what: Write) -> Lease | None:
            after = write(what)
            if what.event and what.event.after == State.STOPPING:
                world.down = True
                raise StoreUnavailable("answer lost")
            return after

        monkeypatch.setattr(world, "write", lost)
        world.pass_time(IDLE_CHECK_WAIT_S + 60)
        assert world.host.diary == ["close"]
        world.down = False
        world.pass_time(3)
        assert world.host.diary == ["close", "off now: because"]

    def test_a_silent_table_opens_admission_when_no_stop_was_tried(self, world: World) -> None:
        world.connected = "x"
        world.put(State.DRAINING, cordon_epoch=3)
        world.pass_time(1)
        world.down = True
        world.pass_time(IDLE_CHECK_WAIT_S + 1)
        assert world.host.diary == ["close", "open"]
        world.down = False
        world.pass_time(3)
        assert world.lease().state is State.RUNNING


class TestTheTableIsSilent:
    """From `max_silence_s` on the machine is the dead-man's switch's."""

    def test_each_answer_is_told_with_the_inhibitor_that_it_knew(self, world: World) -> None:
        until = world.table_now() + 500
        world.put(State.RUNNING, inhibitors=(protocol.Inhibitor("deploy", "x", until),), inhibited_until=until)
        world.pass_time(3)
        answered = world.heard[-1]
        assert answered.at == pytest.approx(world.clock, abs=3)
        assert answered.inhibited_until == pytest.approx(1000 + 500, abs=0.1)
        world.down = True
        world.pass_time(60)
        assert world.heard[-1] == answered

    def test_what_the_table_said_long_ago_is_not_acted_on(self, world: World) -> None:
        world.put(State.RUNNING)
        world.pass_time(3)
        world.down = True
        world.pass_time(CONFIG.max_silence_s + 60)
        world.agent._lease = dataclasses.replace(world.lease(), state=State.STOPPING)
        world.pass_time(20)
        assert world.host.diary == []
