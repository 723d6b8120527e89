"""The dead-man's switch over a clock that the test moves, an engine, and a host that keeps a diary."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.contract.intervals import HEARTBEAT_S
from runtime.agent import admission
from runtime.agent.admission import DEAD_MAN_TABLE, Admission
from runtime.agent.dead_man import RETRY_POWER_OFF_S, DeadMan
from runtime.agent.drain import IDLE_CHECK_WAIT_S
from runtime.agent.engines import Counters, Unreadable
from runtime.agent.table_seen import Answer, Heard
from tests.runtime.agent.world import CONFIG, FakeEngine, FakeHost

LIMIT = CONFIG.max_silence_s


class World:
    def __init__(self) -> None:
        self.clock = 1000.0
        self.answer: Answer | None = Answer(self.clock)
        self.agent_lives = True
        self.engine, self.host, self.connected = FakeEngine(), FakeHost("boot-1"), ""
        self.switch = self.new_switch()

    def new_switch(self) -> DeadMan:
        self.switch = DeadMan(
            CONFIG,
            self.host,
            [self.engine],
            admission=self.host,
            connections=lambda _: self.connected,
            heard=lambda: self.answer,
            clock=lambda: self.clock,
        )
        return self.switch

    def pass_time(self, seconds: float) -> None:
        end = self.clock + seconds
        while self.clock < end:
            if self.agent_lives:
                self.answer = Answer(self.clock)
            self.clock += max(0.01, min(self.switch.tick(), end - self.clock))
        self.switch.tick()


@pytest.fixture
def world() -> World:
    return World()


def test_while_the_agent_hears_the_table_nothing_happens(world: World) -> None:
    world.pass_time(3 * LIMIT)
    assert world.host.diary == []


def test_silence_and_no_demand_turn_the_machine_off(world: World) -> None:
    world.agent_lives = False
    world.pass_time(LIMIT - 1)
    assert world.host.diary == []
    world.pass_time(HEARTBEAT_S + 5)
    assert world.host.diary[0] == "close"
    assert world.host.diary[1].startswith("off now: dead-man's switch")


def test_engines_that_are_off_need_no_switch(world: World) -> None:
    """On a machine that stays on there is nothing to turn off between two runs of them."""
    world.agent_lives, world.host.boot_id = False, ""
    world.pass_time(3 * LIMIT)
    assert world.host.diary == []


def test_without_a_word_of_the_agent_it_counts_from_its_own_start(world: World) -> None:
    world.agent_lives, world.answer = False, None
    world.pass_time(LIMIT - 1)
    assert world.host.diary == []
    world.pass_time(HEARTBEAT_S + 5)
    assert world.host.diary[0] == "close"


def test_an_answer_from_the_future_is_none(world: World) -> None:
    world.agent_lives, world.answer = False, Answer(world.clock + 1e6)
    world.pass_time(LIMIT + HEARTBEAT_S + 5)
    assert world.host.diary[0] == "close"


@pytest.mark.parametrize("how", ["tokens", "in flight"])
def test_demand_keeps_it_on(world: World, how: str) -> None:
    world.agent_lives = False
    for i in range(30):
        world.engine.now = Counters(0, 11.0 + i) if how == "tokens" else Counters(1, 10.0)
        world.pass_time(LIMIT / 10)
    assert world.host.diary == []


def test_a_connection_keeps_it_on_and_admission_opens_again(world: World) -> None:
    world.agent_lives, world.connected = False, "10.0.0.9:1 ESTAB"
    world.pass_time(LIMIT + IDLE_CHECK_WAIT_S + 2 * HEARTBEAT_S)
    assert world.host.diary == ["close", "open"]
    world.pass_time(LIMIT - IDLE_CHECK_WAIT_S - 2 * HEARTBEAT_S)
    assert world.host.diary == ["close", "open"]


def test_admission_that_a_firewall_script_opened_counts_as_busy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.agent_lives = False
    monkeypatch.setattr(world.host, "is_closed", lambda: False)
    world.pass_time(LIMIT + IDLE_CHECK_WAIT_S + 2 * HEARTBEAT_S)
    assert world.host.diary == ["close", "open"]


def test_what_it_cannot_see_counts_as_busy(world: World) -> None:
    world.agent_lives = False
    world.engine.now = Unreadable("no")
    world.pass_time(LIMIT + IDLE_CHECK_WAIT_S + 2 * HEARTBEAT_S)
    assert world.host.diary == ["close", "open"]


def test_an_inhibitor_keeps_it_on_until_it_ends(world: World) -> None:
    world.agent_lives, world.answer = False, Answer(world.clock, world.clock + LIMIT + 900)
    world.pass_time(LIMIT + 890)
    assert world.host.diary == []
    world.pass_time(2 * HEARTBEAT_S + 5)
    assert world.host.diary[0] == "close"


def test_an_agent_that_comes_back_during_the_idle_check_finds_the_admission_open(world: World) -> None:
    world.agent_lives, world.connected = False, "10.0.0.9:1 ESTAB"
    world.pass_time(LIMIT + HEARTBEAT_S)
    assert world.host.diary == ["close"]
    world.agent_lives = True
    world.pass_time(HEARTBEAT_S)
    assert world.host.diary == ["close", "open"]


def test_admission_that_a_crashed_switch_left_closed_is_opened(world: World) -> None:
    world.host.closed = True
    world.new_switch()
    world.pass_time(HEARTBEAT_S)
    assert world.host.diary == ["open"]


def test_without_an_admission_it_does_not_turn_off(world: World) -> None:
    world.agent_lives, world.host.nft_works = False, False
    world.pass_time(LIMIT + 100)
    assert world.host.diary == []


def test_an_off_that_systemd_refuses_is_ordered_again(world: World) -> None:
    world.agent_lives, world.host.systemd_works = False, False
    world.pass_time(LIMIT + HEARTBEAT_S + 3 * RETRY_POWER_OFF_S)
    assert 3 <= len([d for d in world.host.diary if d.startswith("off")]) <= 4
    assert "open" not in world.host.diary


def test_its_admission_is_not_the_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    scripts: list[str] = []
    monkeypatch.setattr(admission, "_nft", lambda script: scripts.append(script) or "")
    Admission([8100], table=DEAD_MAN_TABLE).close()
    Admission([8100], table=DEAD_MAN_TABLE).open()
    assert all(DEAD_MAN_TABLE in s and admission.TABLE not in s for s in scripts)


def test_the_word_of_the_table_is_handed_over(tmp_path: Path) -> None:
    heard = Heard(str(tmp_path / "seen"))
    assert heard.read() is None
    heard.write(Answer(12.5, 99.0))
    assert heard.read() == Answer(12.5, 99.0)
    (tmp_path / "seen").write_text("{")
    assert heard.read() is None


def test_a_word_that_cannot_be_written_does_not_fail_the_agent(tmp_path: Path) -> None:
    Heard(str(tmp_path / "nowhere" / "seen")).write(Answer(1.0))
