"""What Prometheus reads of the relay."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from core.lease import State
from tests.runtime.gateway.stage import FakeEngine, Stage, until


async def read(url: str) -> dict[str, float]:
    """Each sample by its name and labels."""
    async with aiohttp.ClientSession(url) as session, session.get("metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        lines = [line for line in (await answer.text()).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


async def ask(url: str) -> int:
    body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
    async with aiohttp.ClientSession(url) as session, session.post("v1/chat/completions", json=body) as answer:
        return answer.status


def test_a_wake_with_its_wait_and_how_wrong_its_eta_was() -> None:
    async def story() -> None:
        stage = Stage().bring_to(State.STOPPED)
        await stage.watch.look()
        stage.view.publish_usual_wake(5.0)
        async with stage.serving(FakeEngine()) as url:
            task = asyncio.create_task(ask(url))
            await stage.waiting()
            seen = await read(url)
            assert seen['pilotlight_relay_queue_length{unit="lab/host"}'] == 1
            assert seen['pilotlight_unit_awake{unit="lab/host"}'] == 0
            await stage.watch.look()
            stage.clock.now += 3
            stage.agent_ready("boot-2")
            await stage.watch.look()
            assert await task == 200
            await until(lambda: not stage.queue.waiting)
            seen = await read(url)
            assert seen['pilotlight_relay_wakes_total{unit="lab/host"}'] == 1
            assert seen['pilotlight_relay_queue_length{unit="lab/host"}'] == 0
            assert seen['pilotlight_relay_wait_seconds_count{unit="lab/host"}'] == 1
            assert seen['pilotlight_relay_eta_error_seconds_count{unit="lab/host"}'] == 1
            assert seen['pilotlight_relay_eta_error_seconds_bucket{le="0.0",unit="lab/host"}'] == 1, (
                "it took less than 5 s"
            )
            assert seen['pilotlight_relay_requests_total{path="/v1/chat/completions",status="200"}'] == 1
            assert seen["pilotlight_redis_up"] == 1, "nobody has asked it yet"

    asyncio.run(story())


def test_refusals_are_counted_by_their_code() -> None:
    async def story() -> None:
        stage = Stage(wakes=False).bring_to(State.STOPPED)
        await stage.watch.look()
        async with stage.serving(FakeEngine()) as url:
            assert await ask(url) == 503
            seen = await read(url)
            assert seen['pilotlight_relay_refusals_total{code="asleep"}'] == 1
            assert seen['pilotlight_relay_requests_total{path="/v1/chat/completions",status="503"}'] == 1

    asyncio.run(story())


@pytest.mark.parametrize("path", ["nowhere/at/all", "v1/models/NAME"])
def test_paths_that_callers_invent_make_no_series(path: str) -> None:
    async def story() -> None:
        stage = Stage().bring_to(State.RUNNING)
        await stage.watch.look()
        async with stage.serving(FakeEngine()) as url:
            async with aiohttp.ClientSession(url) as session, session.get(path):
                pass
            assert not [name for name in await read(url) if path in name]

    asyncio.run(story())
