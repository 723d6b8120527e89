"""What the chat page shows a person while the host starts, and that nobody else is sent it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from core import lease as protocol
from core.lease import State
from runtime.gateway.api.waiting import sentence
from tests.runtime.gateway.api.test_app import BODY, play, raw, wake
from tests.runtime.gateway.stage import FakeEngine, Stage

PERSON = {"X-OWUI-Chat": "5f0c", "X-OWUI-Task": ""}


@pytest.mark.parametrize(
    ("left_s", "said"),
    [
        (None, "The machine is being started. How long it takes is not known yet."),
        (0.0, "The machine is being started: any moment now"),
        (0.2, "The machine is being started: about 5 s"),
        (17.0, "The machine is being started: about 20 s"),
        (60.0, "The machine is being started: about 60 s"),
        (61.0, "The machine is being started: about 75 s"),
        (200.0, "The machine is being started: about 210 s"),
    ],
)
def test_the_time_left_in_steps(left_s: float | None, said: str) -> None:
    assert sentence(left_s) == said


def events(text: bytes) -> list[dict[str, Any]]:
    lines = [line for line in text.splitlines() if line.startswith(b"data: {")]
    return [json.loads(line.removeprefix(b"data: ")) for line in lines]


def status_lines(text: bytes) -> list[tuple[str, bool]]:
    found = [event["event"] for event in events(text) if "event" in event]
    assert all(event["type"] == "status" for event in found)
    return [(event["data"]["description"], event["data"]["done"]) for event in found]


def test_a_person_at_the_chat_page_is_shown_the_start() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        stage.view.usual_wake_s = 48.0
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}v1/chat/completions", json=BODY | {"stream": True}, headers=PERSON) as answer,
        ):
            begun = await answer.content.readuntil(b"}\n\n")
            await wake(stage)
            text = begun + await answer.content.read()
        first, last = status_lines(text)
        assert first == ("The machine is being started: about 50 s", False)
        assert last[0].startswith("The machine was started (")
        assert last[1] is True
        assert text.index(b"was started") < text.index(b'"content": "Pa"')
        assert text.endswith(b"data: [DONE]\n\n")

    play(scene, State.STOPPED)


def test_other_callers_are_sent_comments_only() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}v1/chat/completions", json=BODY | {"stream": True}) as answer,
        ):
            begun = await answer.content.readline()
            await wake(stage)
            assert status_lines(begun + await answer.content.read()) == []

    play(scene, State.STOPPED)


def test_awake_nothing_is_shown() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        _, _, text = await raw(url, BODY | {"stream": True}, PERSON)
        assert status_lines(text) == []

    play(scene, State.RUNNING)


def test_a_host_that_fails_is_said_to_the_person_too() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}v1/chat/completions", json=BODY | {"stream": True}, headers=PERSON) as answer,
        ):
            begun = await answer.content.readuntil(b"}\n\n")
            stage.act(protocol.fail, by="reaper", reason="never ready", failure="start-timeout", order=False)
            await stage.watch.look()
            text = begun + await answer.content.read()
        assert status_lines(text)[-1] == ("The machine was not started", True)
        assert events(text)[-1]["error"]["code"] == "host_failed"

    play(scene, State.STARTING)


def test_a_background_call_is_shown_nothing_and_wakes_nothing() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        status, _, text = await raw(url, BODY | {"stream": True}, PERSON | {"X-OWUI-Task": "title_generation"})
        assert (status, json.loads(text)["error"]["code"]) == (503, "asleep")
        assert not stage.queue.wanted

    play(scene, State.STOPPED)


def test_merging_answers_is_a_persons_click_and_wakes() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        headers = PERSON | {"X-OWUI-Task": "moa_response_generation"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}v1/chat/completions", json=BODY | {"stream": True}, headers=headers) as answer,
        ):
            begun = await answer.content.readline()
            await wake(stage)
            assert status_lines(begun + await answer.content.read()) == []

    play(scene, State.STOPPED)


# ---------------------------------------------------------------- its turn, and a place that is taken away
def test_who_gives_up_its_place_is_told_in_the_stream() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        ann, bob = ({"x-pilotlight-key": key} for key in ("ann", "bob"))
        async with aiohttp.ClientSession() as session:
            first = asyncio.create_task(raw(url, BODY | {"stream": True}, ann))
            await stage.waiting(1)
            second = asyncio.create_task(raw(url, BODY | {"stream": True}, ann))
            await stage.waiting(2)
            third = asyncio.create_task(raw(url, BODY, bob))
            status, _, text = await second
            assert (status, events(text)[-1]["error"]["code"]) == (200, "queue_share")
            await stage.waiting(2)
            await wake(stage)
            assert (await first)[2].endswith(b"data: [DONE]\n\n")
            assert (await third)[0] == 200
        del session

    play(scene, State.STOPPED, queue_max=2)


def test_who_waits_longer_than_may_be_for_its_turn_is_told_that_the_engine_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runtime.gateway.unit.line.RELEASED_MAX", 0)
    monkeypatch.setattr("runtime.gateway.api.waiting.SSE_COMMENT_S", 0.05)

    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        task = asyncio.create_task(raw(url, BODY | {"stream": True}))
        await stage.waiting()
        await wake(stage)
        status, _, text = await task
        assert (status, events(text)[-1]["error"]["code"]) == (200, "engine_busy")
        assert b": pilotlight: the host is running; 0 before you\n" in text

    play(scene, State.STOPPED, queue_timeout_s=0.2, start_timeout_s=0.2)


def test_who_comes_while_others_wait_for_their_turn_goes_behind_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        monkeypatch.setattr("runtime.gateway.unit.line.RELEASED_MAX", 0)
        first = asyncio.create_task(raw(url, BODY | {"n": 1}))
        await stage.waiting(1)
        await wake(stage)
        second = asyncio.create_task(raw(url, BODY | {"n": 2}))
        await stage.waiting(2)
        assert not engine.seen
        monkeypatch.setattr("runtime.gateway.unit.line.RELEASED_MAX", 9)
        stage.view.tick()
        await asyncio.gather(first, second)
        assert [seen["asked"]["n"] for seen in engine.seen] == [1, 2]

    play(scene, State.STOPPED)


@pytest.mark.parametrize("stream", [False, True])
def test_the_end_of_an_answer_lets_the_next_one_go(stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.gateway.unit.line.RELEASED_MAX", 1)

    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        tasks = [asyncio.create_task(raw(url, BODY | {"stream": stream})) for _ in range(3)]
        await stage.waiting(3)
        await wake(stage)
        assert [status for status, _, _ in await asyncio.gather(*tasks)] == [200] * 3

    play(scene, State.STOPPED, queue_max=3)


def test_an_engines_refusal_lets_the_next_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.gateway.unit.line.RELEASED_MAX", 1)

    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        engine.redirect = 307
        tasks = [asyncio.create_task(raw(url, BODY)) for _ in range(3)]
        await stage.waiting(3)
        await wake(stage)
        assert [status for status, _, _ in await asyncio.gather(*tasks)] == [502] * 3

    play(scene, State.STOPPED, queue_max=3)
