"""What a relay does for a second one: marks of what it sent, and an intake that closes."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from core.contract.network import REQUEST_ID_HEADER
from core.lease import State
from runtime.gateway.api import intake
from runtime.gateway.api.marks import LEFT_BEHIND_S, NO_MARK, Mark, Marks
from runtime.gateway.errors import Refusal
from tests.runtime.gateway.stage import FakeEngine, Stage, until

BODY = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}


async def post(url: str, request_id: str) -> tuple[int, str]:
    """Status and code of a plain request under this id."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}v1/chat/completions", json=BODY, headers={REQUEST_ID_HEADER: request_id}) as answer,
    ):
        said = await answer.json()
        return answer.status, said.get("error", {}).get("code", "")


async def stage_of(state: State) -> Stage:
    """A relay that has read this."""
    stage = Stage().bring_to(state)
    await stage.watch.look()
    return stage


def test_what_was_sent_under_an_id_is_not_sent_again() -> None:
    async def scene() -> None:
        stage, engine, again = await stage_of(State.RUNNING), FakeEngine(), str(uuid4())
        async with stage.serving(engine) as url:
            assert await post(url, again) == (200, "")
            assert await post(url, again) == (502, "engine_crashed")
            assert await post(url, str(uuid4())) == (200, "")
        assert len(engine.seen) == 2

    asyncio.run(scene())


def test_a_request_whose_engine_took_no_connection_may_be_sent_again() -> None:
    """It waits at this relay, is killed with it, and is queued at the other."""

    async def scene() -> None:
        stage, engine, name = await stage_of(State.RUNNING), FakeEngine(), str(uuid4())
        engine.refuse = 10**6
        async with stage.serving(engine) as url:
            first = asyncio.create_task(post(url, name))
            await stage.waiting()
            await until(lambda: not list(stage.marks.iterdir()))
            first.cancel()
            engine.refuse = 0
            assert await post(url, name) == (200, "")

    asyncio.run(scene())


def test_a_mark_is_made_before_the_engine_has_a_byte() -> None:
    async def scene() -> None:
        stage, engine, name = await stage_of(State.RUNNING), FakeEngine(), str(uuid4())
        async with stage.serving(engine) as url:
            (stage.marks / name).touch()  # by the other relay, between our look and our sending
            with pytest.raises(Refusal):
                Mark(stage.marks / name).make()
            assert await post(url, name) == (502, "engine_crashed")
        assert not engine.seen

    asyncio.run(scene())


def test_a_request_that_asks_several_times_is_marked_once(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "a")
    assert (mark.make(), mark.make()) == (True, False)
    mark.take_back()
    assert not list(tmp_path.iterdir())
    assert NO_MARK.make() is False


@pytest.mark.parametrize("name", ["", "../../../../etc/passwd", "A" * 36, "a" * 35])
def test_what_is_no_id_of_haproxys_names_no_file(tmp_path: Path, name: str) -> None:
    async def scene() -> None:
        with Marks(tmp_path / "sent").request({REQUEST_ID_HEADER: name}) as mark:
            assert mark.make() is False

    asyncio.run(scene())


def test_what_a_killed_relay_left_behind_goes_after_hours(tmp_path: Path) -> None:
    marks, old, young = Marks(tmp_path), tmp_path / "old", tmp_path / "young"
    old.touch()
    young.touch()
    os.utime(old, (0, time.time() - LEFT_BEHIND_S - 1))
    marks.sweep()
    assert list(tmp_path.iterdir()) == [young]


def test_a_closed_intake_says_so_and_waits_for_whom_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "SETTLED_S", 0.0)

    async def scene() -> None:
        stage = await stage_of(State.STOPPED)
        async with stage.serving(FakeEngine()) as url, aiohttp.ClientSession() as session:

            async def ready() -> int:
                async with session.get(f"{url}ready") as answer:
                    return answer.status

            assert await ready() == 200
            caller = asyncio.create_task(post(url, str(uuid4())))
            await stage.waiting()
            closing = asyncio.create_task(stage.relay.intake.close(60))
            await asyncio.sleep(0)
            assert [await ready(), await ready()] == [503, 503]
            assert not closing.done()
            caller.cancel()
            assert await closing == 0

    asyncio.run(scene())
