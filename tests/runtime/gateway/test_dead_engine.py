"""An engine that does not answer under a host that is awake: what its callers get, and when the host may stop."""

from __future__ import annotations

import asyncio
import json

import pytest

from core import lease as protocol
from core.contract.intervals import DESCRIBE_S, HEARTBEAT_S
from core.engines.health import GRACE_S
from core.lease import State
from runtime.gateway.api.waiting import Wait
from runtime.gateway.errors import Refusal
from tests.runtime.gateway.api.test_app import BODY, play, raw
from tests.runtime.gateway.stage import FakeEngine, Stage


def beat(stage: Stage, *dead: str, for_s: float = 0.0) -> None:
    """What the agent says at a heartbeat: these engines have not answered for so long."""
    since = stage.clock() - for_s
    stage.act(protocol.agent_beat, boot_id="boot-1", busy=0, demand=False, dead=dict.fromkeys(dead, since))


def code(body: bytes) -> str:
    found: str = json.loads(body)["error"]["code"]
    return found


def test_after_the_grace_a_caller_is_refused_at_once_in_the_right_words() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        beat(stage, "tiny", for_s=GRACE_S + 60)
        await stage.watch.look()
        status, headers, body = await raw(url, BODY)
        assert (status, code(body), headers["Retry-After"]) == (503, "engine_dead", "60")
        message = json.loads(body)["error"]["message"]
        assert "the engine tiny has not answered for 3m" in message
        assert "restarted" in message
        assert not engine.seen

    play(scene, State.RUNNING)


def test_a_streamed_caller_is_refused_before_its_200() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        beat(stage, "tiny", for_s=GRACE_S + 1)
        await stage.watch.look()
        status, _, body = await raw(url, BODY | {"stream": True})
        assert (status, code(body)) == (503, "engine_dead")

    play(scene, State.RUNNING)


def test_a_background_call_hears_of_the_engine_and_not_of_sleep() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        beat(stage, "tiny", for_s=5)
        await stage.watch.look()
        _, _, body = await raw(url, BODY, {"X-OWUI-Task": "title_generation"})
        assert code(body) == "engine_dead"

    play(scene, State.RUNNING)


def test_within_the_grace_a_caller_waits_and_is_served_when_the_engine_is_back() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        beat(stage, "tiny", for_s=20)
        await stage.watch.look()
        asked = asyncio.create_task(raw(url, BODY | {"stream": True}))
        await stage.waiting()
        beat(stage)
        await stage.watch.look()
        status, _, body = await asked
        assert status == 200
        assert b": pilotlight: the host is running; the engine tiny has not answered for 20s" in body
        assert b"[DONE]" in body

    play(scene, State.RUNNING)


def test_where_the_agent_says_nothing_the_relays_own_tries_count() -> None:
    """A silent agent and an engine that takes no connection: not nine minutes of "it is running"."""

    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        engine.refuse = 10_000
        first = asyncio.create_task(raw(url, BODY))
        await stage.waiting()
        stage.clock.now += GRACE_S + 1
        status, _, body = await first
        assert (status, code(body)) == (503, "engine_dead")
        status, _, body = await raw(url, BODY)
        assert (status, code(body)) == (503, "engine_dead")
        engine.refuse = 0
        assert (await raw(url, BODY))[0] == 200
        assert stage.view.silent_s("tiny") is None

    play(scene, State.RUNNING)


@pytest.mark.parametrize("said_by", ["the agent", "the relay's own tries"])
def test_while_a_deployment_is_at_work_callers_wait_for_its_engine(said_by: str) -> None:
    """It holds the engine's port closed, waits for the answers in it, and restarts it: longer than the grace."""
    stage = Stage().bring_to(State.RUNNING)
    stage.look()
    if said_by == "the agent":
        beat(stage, "tiny", for_s=GRACE_S + 60)
    else:
        stage.unit.note_refused("tiny")
        stage.clock.now += GRACE_S + 60
    stage.look()
    with pytest.raises(Refusal) as refused:
        stage.unit.refuse_if_hopeless("tiny")
    assert refused.value.code == "engine_dead"
    stage.act(protocol.inhibit, who="ann@laptop 1", why="fab deploy", until=stage.clock() + 300)
    stage.look()
    stage.unit.refuse_if_hopeless("tiny")
    stage.clock.now += 301
    stage.look()
    with pytest.raises(Refusal):
        stage.unit.refuse_if_hopeless("tiny")


def test_a_refusal_is_forgotten_when_the_agent_and_ec2_say_that_the_engine_is_back() -> None:
    """Without a relayed request: its caller left, and awake traffic goes straight to the engine."""
    stage = Stage().bring_to(State.RUNNING)
    stage.look()
    stage.queue.ask("tiny")
    stage.unit.note_refused("tiny")
    beat(stage)
    stage.look(later_s=DESCRIBE_S)
    assert stage.view.doubted, "a heartbeat may say what was read before the refusal"
    stage.clock.now += HEARTBEAT_S
    beat(stage, "tiny", for_s=HEARTBEAT_S)
    stage.look()
    assert stage.view.doubted, "the agent misses it too"
    assert stage.queue.wanted
    stage.clock.now += HEARTBEAT_S
    beat(stage)
    stage.look()
    assert not stage.view.doubted
    assert not stage.queue.wanted, "nor does its caller's demand resume the next drain"
    described = stage.power.described
    for _ in range(3):
        stage.look(later_s=DESCRIBE_S)
    assert stage.power.described == described


@pytest.mark.parametrize("why", ["EC2 says otherwise", "no heartbeat", "refused again"])
def test_a_refusal_is_not_forgotten_without_the_word_of_both(why: str) -> None:
    stage = Stage().bring_to(State.RUNNING)
    stage.look()
    stage.unit.note_refused("tiny")
    stage.power.state = "stopped" if why == "EC2 says otherwise" else "running"
    stage.look(later_s=DESCRIBE_S)
    stage.clock.now += 2 * HEARTBEAT_S
    if why == "refused again":
        stage.unit.note_refused("tiny")
    if why != "no heartbeat":
        beat(stage)
    stage.look()
    assert stage.view.doubted
    assert stage.view.silent_s("tiny") == (None if stage.view.off else DESCRIBE_S + 2 * HEARTBEAT_S)


def test_at_its_deadline_a_caller_hears_of_the_engine() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        beat(stage, "tiny", for_s=20)
        await stage.watch.look()
        with stage.unit.place("tiny", "", "") as turn, pytest.raises(Refusal) as refused:
            await Wait(stage.unit, "tiny", turn, asyncio.get_running_loop().time() - 1, None).until_its_turn()
        assert refused.value.code == "engine_dead"

    play(scene, State.RUNNING)


def test_the_route_of_a_dead_engine_leads_to_the_relay() -> None:
    stage = Stage().bring_to(State.RUNNING)
    beat(stage, "tiny", for_s=HEARTBEAT_S)
    stage.look()
    assert stage.routes.open
    assert stage.routes.dead == {"tiny"}
    beat(stage)
    stage.look()
    assert stage.routes.dead == frozenset()


def test_callers_of_a_dead_engine_do_not_resume_a_drain_and_start_the_host_afterwards() -> None:
    """The fault: 94 transitions in a day, the machine on, and nobody was ever answered."""
    stage = Stage().bring_to(State.RUNNING)
    beat(stage, "tiny", for_s=300)
    stage.look()
    stage.queue.ask("tiny")
    stage.look()
    assert stage.queue.wanted, "who was refused is remembered for the next start"
    stage.act(protocol.drain, reason="idle")
    for _ in range(3):
        stage.look(later_s=1)
    assert (stage.lease.state, stage.lease.cordon_epoch) == (State.DRAINING, stage.lease.epoch)
    stage.act(protocol.stop, boot_id="boot-1")
    stage.power.state = "stopping"
    stage.look(later_s=1)
    assert stage.lease.wanted(stage.clock())
    stage.power.state = "stopped"
    for _ in range(3):
        stage.look(later_s=2)
    assert (stage.lease.state, stage.power.starts) == (State.STARTING, 1)


def test_callers_of_another_engine_resume_a_drain() -> None:
    stage = Stage().bring_to(State.RUNNING)
    beat(stage, "other", for_s=300)
    stage.act(protocol.drain, reason="idle")
    stage.look()
    stage.queue.ask("tiny")
    stage.look()
    assert stage.lease.state is State.RUNNING
    assert stage.lease.dead == "other"


def test_a_resumption_by_callers_is_no_demand() -> None:
    """Only what the agent sees in the engines is."""
    stage = Stage().bring_to(State.RUNNING)
    before = stage.lease.demand_at
    stage.clock.now += 100
    stage.act(protocol.drain, reason="idle")
    stage.look()
    stage.queue.ask("tiny")
    stage.look()
    assert (stage.lease.state, stage.lease.demand_at) == (State.RUNNING, before)
