"""The agent over an in-memory store, a clock that the test moves, and a host that keeps a diary."""

from __future__ import annotations

import dataclasses

import pytest

from core import lease as protocol
from core.contract.intervals import HEARTBEAT_S
from core.contract.table import SK_LEASE
from core.lease import Lease, State, Write
from runtime.agent.drain import IDLE_CHECK_WAIT_S
from runtime.agent.engines import Counters, Unreadable
from runtime.backends.leases import StoreUnavailable
from tests.runtime.agent.world import CONFIG, STARTED, UNIT, World


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
