"""One gateway, several units: each is woken for its own callers alone, and none stands in another's way."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import openai
import pytest

from core.contract.documents import EngineAddress, Place, RelayConfig, RelayUnit, ServiceRoute
from core.errors import ContractError
from core.lease import State
from runtime.gateway.errors import Refusal
from runtime.gateway.target import Target
from runtime.gateway.unit.queue import Places, Queue
from tests.runtime.gateway.api.test_app import ask, client, wake
from tests.runtime.gateway.stage import MACHINE, UNIT, FakeEngine, Stage, config, until

OTHER = "shop/host"
ENGINES, SERVICES = (EngineAddress("big", "10.0.1.1", 8100),), (ServiceRoute("shop", "big"),)
SHOP = RelayUnit(OTHER, Place("made up"), "i-2", ENGINES, SERVICES, 300.0)
Scene = Callable[[Stage, Stage, FakeEngine, str], Awaitable[None]]


def two(**changes: Any) -> RelayConfig:
    one = config(**changes)
    return dataclasses.replace(one, units=(*one.units, SHOP))


def play(scene: Scene, first: State, second: State) -> None:
    """Run a scene with two units behind one relay, both read once."""

    async def whole() -> None:
        both, places, engine = two(), Places(2), FakeEngine()
        lab = Stage(of=both, places=places).bring_to(first)
        shop = Stage(OTHER, of=both, places=places).bring_to(second)
        for stage in (lab, shop):
            await stage.watch.look()
        async with asyncio.timeout(20), lab.serving(engine, shop) as url:
            await scene(lab, shop, engine, url)

    asyncio.run(whole())


async def health(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}health") as answer:
        found: dict[str, Any] = await answer.json()
        return found


def test_a_request_wakes_the_unit_of_its_service_alone() -> None:
    async def scene(lab: Stage, shop: Stage, engine: FakeEngine, url: str) -> None:
        task = asyncio.create_task(ask(url, model="shop"))
        await shop.waiting()
        assert not lab.queue.wanted
        await lab.watch.look()
        await wake(shop)
        assert (await task).choices
        assert engine.seen[0]["engine"] == "big"
        assert (lab.lease.state, lab.power.starts) == (State.STOPPED, 0)
        assert shop.power.starts == 1

    play(scene, State.STOPPED, State.STOPPED)


def test_models_of_both_are_listed_each_with_its_units_state() -> None:
    async def scene(lab: Stage, shop: Stage, engine: FakeEngine, url: str) -> None:
        async with client(url) as found:
            models = (await found.models.list()).data
            said = [(m.id, m.to_dict()["state"]) for m in models]
            assert said == [("chat", "running"), ("support", "running"), ("shop", "stopped")]
            with pytest.raises(openai.NotFoundError, match="chat, shop, support"):
                await found.models.retrieve("none")

    play(scene, State.RUNNING, State.STOPPED)


def test_a_dead_store_of_one_does_not_hurt_the_other() -> None:
    async def scene(lab: Stage, shop: Stage, engine: FakeEngine, url: str) -> None:
        lab.store.down = True
        await lab.watch.look()
        queued = asyncio.create_task(ask(url, model="chat"))
        await lab.waiting()
        task = asyncio.create_task(ask(url, model="shop"))
        await shop.waiting()
        await wake(shop)
        assert (await task).choices
        assert not queued.done()
        said = await health(url)
        assert said["store"] == f"{UNIT}: throttled"
        assert (said["units"][UNIT]["store"], said["units"][OTHER]["store"]) == ("throttled", "ok")
        queued.cancel()

    play(scene, State.STOPPED, State.STOPPED)


def test_health_of_both_in_the_fields_of_one() -> None:
    async def scene(lab: Stage, shop: Stage, engine: FakeEngine, url: str) -> None:
        task = asyncio.create_task(ask(url, model="shop"))
        await shop.waiting()
        said = await health(url)
        assert (said["status"], said["state"], said["waiting"], said["wanted"]) == ("ok", "mixed", 1, True)
        quiet = {"waiting": 0, "wanted": False, "acts": True, "store": "ok", "wakes": 0}
        assert said["units"][UNIT] == {"state": "running", **quiet}
        assert said["units"][OTHER] == {"state": "stopped", **quiet, "waiting": 1, "wanted": True}
        task.cancel()

    play(scene, State.RUNNING, State.STOPPED)


def test_the_places_are_the_gateways() -> None:
    """`gateway.queueMax` is what the gateway holds, however many units stand behind it."""

    async def scene(lab: Stage, shop: Stage, engine: FakeEngine, url: str) -> None:
        tasks = [asyncio.create_task(ask(url, model=model)) for model in ("chat", "shop")]
        await lab.waiting()
        await shop.waiting()
        with pytest.raises(openai.RateLimitError) as caught:
            await ask(url, model="shop")
        assert caught.value.code == "queue_full"
        await wake(shop)
        assert (await tasks[1]).choices
        again = asyncio.create_task(ask(url, model="support"))
        await lab.waiting(2)
        for task in (tasks[0], again):
            task.cancel()

    play(scene, State.STOPPED, State.STOPPED)


def test_a_unit_leaves_half_of_the_places_to_the_others() -> None:
    places, both = Places(4, units=2), two()
    lab, shop = Stage(of=both, places=places).queue, Stage(OTHER, of=both, places=places).queue
    with contextlib.ExitStack() as callers:
        for _ in range(2):
            callers.enter_context(lab.place("tiny"))
        with pytest.raises(Refusal, match="2 requests wait at this gateway already, as many as may"), lab.place("tiny"):
            pass
        for _ in range(2):
            callers.enter_context(shop.place("big"))
        with pytest.raises(Refusal, match="4 requests wait"), shop.place("big"):
            pass
    with lab.place("tiny"):
        assert lab.waiting == 1


def test_of_one_place_each_unit_may_take_it_and_a_unit_alone_takes_all() -> None:
    one, all_of_three = Places(1, units=2), Places(3)
    with contextlib.ExitStack() as callers:
        callers.enter_context(Queue(one).place("tiny"))
        with pytest.raises(Refusal):
            callers.enter_context(Queue(one).place("tiny"))
        alone = Queue(all_of_three)
        for _ in range(3):
            callers.enter_context(alone.place("tiny"))


def test_stores_that_hang_do_not_keep_another_unit_from_its_lease() -> None:
    """More of them than asyncio's shared pool has threads on any machine."""

    async def scene() -> None:
        release, both = threading.Event(), two()
        hanging = [Stage(of=both) for _ in range(min(32, (os.cpu_count() or 1) + 4) + 1)]
        for stage in hanging:
            stage.store.read = lambda unit: release.wait(10)  # type: ignore[method-assign]
        shop = Stage(OTHER, of=both).bring_to(State.STOPPED)
        tasks = [asyncio.create_task(stage.unit.run()) for stage in hanging]
        try:
            await asyncio.sleep(0)
            async with asyncio.timeout(5):
                await shop.watch.look()
        finally:
            release.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert shop.view.state == "stopped"

    asyncio.run(scene())


def test_a_units_threads_carry_its_name_and_end_with_it() -> None:
    stage = Stage(UNIT).bring_to(State.STOPPED)
    names: list[str] = []
    read = stage.store.read
    stage.store.read = lambda unit: names.append(threading.current_thread().name) or read(unit)  # type: ignore

    async def scene() -> None:
        task = asyncio.create_task(stage.unit.run())
        await until(lambda: stage.view.read_once)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with pytest.raises(RuntimeError, match="shutdown"):
            await stage.watch.look()

    asyncio.run(scene())
    assert names[0].startswith(f"{UNIT}_")


def test_the_unit_of_the_lease_is_a_target() -> None:
    target: Target = Stage().unit
    assert target.state == "unknown"


# ---------------------------------------------------------------- relay.json
def test_relay_json_of_several_units_is_read_as_it_was_written() -> None:
    both = two()
    assert RelayConfig.from_json(both.to_json()) == both
    assert ([s.name for s in both.services], [e.name for e in both.engines]) == (
        ["chat", "support", "shop"],
        ["tiny", "big"],
    )
    assert (both.one().unit, both.one(OTHER).instance_id) == (UNIT, "i-2")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"unit": UNIT}, f"more than one unit is called {UNIT}"),
        ({"services": (ServiceRoute("chat", "big"),)}, "more than one service is called chat"),
        (
            {"engines": (EngineAddress("tiny", "10.0.1.1", 8100),), "services": ()},
            "more than one engine is called tiny",
        ),
        ({"engines": ()}, f"{OTHER} has no engine for its services shop"),
    ],
)
def test_names_that_do_not_say_which_unit_is_meant_are_refused(changes: dict[str, Any], match: str) -> None:
    one = config()
    with pytest.raises(ContractError, match=match):
        dataclasses.replace(one, units=(*one.units, dataclasses.replace(SHOP, **changes)))


def test_a_gateway_without_units_or_with_broken_ones_is_refused() -> None:
    with pytest.raises(ContractError, match="units is empty"):
        config(units=())
    text = config().to_json()
    for broken in (text.replace('"instance_id"', '"instance"'), text.replace('"unit": ', '"units": ')):
        with pytest.raises(ContractError, match=r"RelayConfig.*fab deploy"):
            RelayConfig.from_json(broken)
    with pytest.raises(ContractError, match=f"no unit 'lab/other', only {UNIT}"):
        config().one("lab/other")
    assert config().one(UNIT).instance_id == MACHINE
