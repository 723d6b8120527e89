"""The way from DRAINING to the power-off: cordon, admission, idle check, veto."""

from __future__ import annotations

import pytest

from core import lease as protocol
from core.lease import Lease, State, Write
from runtime.agent.drain import CORDON_WAIT_S, IDLE_CHECK_WAIT_S
from runtime.agent.engines import Counters, Unreadable
from tests.runtime.agent.world import World


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
