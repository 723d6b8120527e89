"""Each dialect at the relay, by its official client: cold, awake, refused before and in a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anthropic
import openai
import pytest

from core import lease as protocol
from core.contract import dialects
from core.contract.dialects import Dialect
from core.lease import State
from runtime.gateway import errors, shapes
from tests.runtime.gateway.api.test_app import play, wake
from tests.runtime.gateway.stage import FakeEngine, Stage

MESSAGE = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


@asynccontextmanager
async def openai_at(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{url}v1", api_key="sk", max_retries=0) as client:
        yield client


@asynccontextmanager
async def anthropic_at(url: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=url.rstrip("/"), api_key="sk", max_retries=0) as client:
        yield client


async def respond(url: str) -> str:
    async with openai_at(url) as client:
        return str((await client.responses.create(model="chat", input="hi")).output_text)


async def respond_streamed(url: str) -> str:
    async with openai_at(url) as client:
        stream = await client.responses.create(model="chat", input="hi", stream=True)
        return "".join([e.delta async for e in stream if e.type == "response.output_text.delta"])


async def respond_by_helper(url: str) -> str:
    async with openai_at(url) as client, client.responses.stream(model="chat", input="hi") as stream:
        return str((await stream.get_final_response()).output_text)


async def message(url: str) -> str:
    async with anthropic_at(url) as client:
        return "".join(block.text for block in (await client.messages.create(model="chat", **MESSAGE)).content)


async def message_streamed(url: str) -> str:
    async with anthropic_at(url) as client:
        stream = await client.messages.create(model="chat", stream=True, **MESSAGE)
        return "".join([e.delta.text async for e in stream if e.type == "content_block_delta"])


async def message_by_helper(url: str) -> str:
    async with anthropic_at(url) as client, client.messages.stream(model="chat", **MESSAGE) as stream:
        return await stream.get_final_text()


Ask = Callable[[str], Awaitable[str]]
PLAIN: list[Ask] = [respond, message]
STREAMED: list[Ask] = [respond_streamed, respond_by_helper, message_streamed, message_by_helper]


@pytest.mark.parametrize("ask", PLAIN + STREAMED)
def test_awake(ask: Ask) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        assert await ask(url) == "Paris"
        assert not {"x-api-key", "authorization"} & {name.lower() for name in engine.seen[0]["headers"]}

    play(scene, State.RUNNING)


@pytest.mark.parametrize("ask", PLAIN + STREAMED)
def test_cold_it_waits_and_wakes(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.gateway.api.waiting.SSE_COMMENT_S", 0.0)  # a comment on each occasion

    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        task = asyncio.create_task(ask(url))
        await stage.waiting()
        await wake(stage)
        assert await task == "Paris"

    play(scene, State.STOPPED)


# ---------------------------------------------------------------- refused
@pytest.mark.parametrize("ask", PLAIN)
def test_a_refusal_raises_the_clients_own_error(ask: Ask) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        with pytest.raises((openai.InternalServerError, anthropic.ServiceUnavailableError)) as caught:
            await ask(url)
        assert caught.value.status_code == 503
        body = caught.value.body
        error = body.get("error", body) if isinstance(body, dict) else {}  # the openai client unpacks it
        assert error["code"] == "host_failed"
        assert error["type"] == ("api_error" if ask is message else "server_error")

    play(scene, State.FAILED)


@pytest.mark.parametrize("ask", STREAMED)
def test_a_refusal_in_the_stream_raises_the_clients_own_error(ask: Ask) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        task = asyncio.create_task(ask(url))
        await stage.waiting()
        stage.act(protocol.fail, by="reaper", reason="never ready", failure="start-timeout", order=False)
        await stage.watch.look()
        with pytest.raises((openai.APIError, anthropic.APIError), match="did not get ready in time"):
            await task

    play(scene, State.STARTING)


@pytest.mark.parametrize("ask", STREAMED)
def test_an_engines_refusal_after_the_wait_raises_too(ask: Ask) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        engine.status = 400
        task = asyncio.create_task(ask(url))
        await stage.waiting()
        await wake(stage)
        with pytest.raises((openai.APIError, anthropic.APIError)) as caught:
            await task
        assert "engine_says_no" in json.dumps(caught.value.body)

    play(scene, State.STOPPED)


@pytest.mark.parametrize("ask", STREAMED)
def test_a_stream_that_breaks_off_raises_too(ask: Ask) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        engine.breaks = True
        with pytest.raises((openai.APIError, anthropic.APIError), match="broke off"):
            await ask(url)

    play(scene, State.RUNNING)


def test_of_a_broken_response_the_numbers_go_on() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        engine.breaks = True
        body = {"model": "chat", "input": "hi", "stream": True}
        async with aiohttp.ClientSession() as session, session.post(f"{url}v1/responses", json=body) as answer:
            lines = (await answer.read()).decode().splitlines()
        events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        assert [e["sequence_number"] for e in events] == list(range(len(events)))
        assert [e["type"] for e in events[-2:]] == ["error", "response.failed"]
        assert (events[-1]["response"]["status"], events[-1]["response"]["model"]) == ("failed", "chat")

    play(scene, State.RUNNING)


# ---------------------------------------------------------------- counting tokens
def test_counting_tokens_never_wakes() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        async with anthropic_at(url) as client:
            with pytest.raises(anthropic.ServiceUnavailableError) as caught:
                await client.messages.count_tokens(model="chat", messages=[{"role": "user", "content": "hi"}])
        assert caught.value.response.headers["x-should-retry"] == "false"
        assert caught.value.response.json()["type"] == "error"
        assert caught.value.response.json()["error"]["code"] == "asleep"
        assert "counting tokens" in caught.value.message
        assert not stage.queue.wanted

    play(scene, State.STOPPED)


def test_counting_tokens_awake() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        async with anthropic_at(url) as client:
            found = await client.messages.count_tokens(model="chat", messages=[{"role": "user", "content": "hi"}])
        assert found.input_tokens == 7

    play(scene, State.RUNNING)


# ---------------------------------------------------------------- shapes
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/batches"])
def test_what_the_relay_does_not_know_below_messages_has_anthropics_shape(path: str) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        async with aiohttp.ClientSession() as session, session.get(url + path[1:]) as answer:
            body = await answer.json()
        assert body["type"] == "error"
        assert body["error"]["type"] == ("invalid_request_error" if answer.status == 405 else "not_found_error")

    play(scene, State.STOPPED)


@pytest.mark.parametrize(
    ("path", "dialect"),
    [
        ("/v1/chat/completions", Dialect.OPENAI),
        ("/v1/responses", Dialect.RESPONSES),
        ("/v1/messages", Dialect.ANTHROPIC),
        ("/v1/messages/count_tokens", Dialect.ANTHROPIC),
        ("/v1/messages/batches", Dialect.ANTHROPIC),
        ("/v1/models", Dialect.OPENAI),
        ("/nothing", Dialect.OPENAI),
    ],
)
def test_whose_shape_a_path_has(path: str, dialect: Dialect) -> None:
    assert dialects.of(path) is dialect


def test_a_chat_streams_error_is_one_unnamed_event() -> None:
    said = errors.no_capacity().events(Dialect.OPENAI, model="chat")
    assert said.startswith(b'data: {"error": {')
    assert said.count(b"\n\n") == 1


def test_an_anthropic_streams_error_is_an_event_of_that_name() -> None:
    name, data, *rest = errors.no_capacity().events(Dialect.ANTHROPIC, model="chat").decode().split("\n")
    assert (name, rest) == ("event: error", ["", ""])
    found = json.loads(data.removeprefix("data: "))
    assert (found["type"], found["error"]["type"], found["error"]["code"]) == ("error", "api_error", "no_capacity")


@pytest.mark.parametrize(
    ("raw", "message", "code"),
    [
        (b'{"error": {"message": "no", "code": 400}}', "no", 400),
        (b'{"type": "error", "error": {"type": "BadRequestError", "message": "no"}}', "no", "engine_error"),
        (b'{"message": "no"}', "no", "engine_error"),
        (b"<html>", "The engine answered 400.", "engine_error"),
        (b"[]", "The engine answered 400.", "engine_error"),
    ],
)
def test_engines_refusals_are_read_in_whatever_shape(raw: bytes, message: str, code: Any) -> None:
    found = shapes.read(raw, 400, "engine_error")
    assert (found["message"], found["code"]) == (message, code)
    assert set(found) == {"message", "type", "param", "code"}
