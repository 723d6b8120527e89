"""Admission is closed from boot until the agent is ready, and its scripts."""

from __future__ import annotations

import pytest

from core.lease import Lease, State, Write
from tests.runtime.agent.world import CONFIG, World


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
