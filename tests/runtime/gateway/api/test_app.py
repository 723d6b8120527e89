"""Callers at the relay: the unmodified `openai` client, and plain HTTP where the bytes matter."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import openai
import pytest

from core import lease as protocol
from core.lease import State
from runtime.gateway.api import app as app_module
from runtime.gateway.api.call import key_name
from tests.runtime.gateway.stage import FakeEngine, Stage, until

Scene = Callable[[Stage, FakeEngine, str], Awaitable[None]]


def play(scene: Scene, state: State, *, later_s: float = 0.0, failure: str = "start-timeout", **changes: Any) -> None:
    """Run a scene with the relay serving, its lease in `state` and read once."""

    async def whole() -> None:
        stage, engine = Stage(**changes).bring_to(state, failure=failure), FakeEngine()
        stage.clock.now += later_s
        await stage.watch.look()
        async with (
            asyncio.timeout(20),
            stage.serving(engine) as url,
        ):  # a caller queued by mistake is a failure, no hang
            await scene(stage, engine, url)

    asyncio.run(whole())


@asynccontextmanager
async def client(url: str, **options: Any) -> Any:
    async with openai.AsyncOpenAI(base_url=f"{url}v1", api_key="sk", max_retries=0, **options) as found:
        yield found


async def ask(url: str, **options: Any) -> Any:
    async with client(url) as found:
        messages = [{"role": "user", "content": "hi"}]
        return await found.chat.completions.create(**{"model": "chat", "messages": messages} | options)


async def ask_stream(url: str, **options: Any) -> str:
    async with client(url) as found:
        messages = [{"role": "user", "content": "hi"}]
        stream = await found.chat.completions.create(model="chat", messages=messages, stream=True, **options)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


async def raw(url: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any, bytes]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}v1/chat/completions", data=io.BytesIO(data), headers=headers) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


BODY = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}


async def wake(stage: Stage) -> None:
    """What relay, EC2 and agent do until the host runs."""
    await stage.watch.look()
    assert stage.lease.state is State.STARTING
    stage.agent_ready("boot-2")
    await stage.watch.look()


# ---------------------------------------------------------------- awake
def test_awake_is_forwarded_with_body_and_without_our_headers() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        extra = {"x-pilotlight-key": "ann", "x-mine": "1"}
        answer = await ask(url, model="support", temperature=0, extra_headers=extra)
        assert answer.choices[0].message.content == "Paris"
        seen = engine.seen[0]
        assert (seen["engine"], seen["asked"]["model"], seen["asked"]["temperature"]) == ("tiny", "support", 0)
        sent = {k.lower() for k in seen["headers"]}
        assert "x-mine" in sent
        assert not sent & {"authorization", "x-pilotlight-key"}

    play(scene, State.RUNNING)


def test_a_long_body_is_forwarded_whole() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        status, _, _ = await raw(url, BODY | {"messages": [{"role": "user", "content": "x" * 3_000_000}]})
        assert status == 200
        assert len(engine.seen[0]["asked"]["messages"][0]["content"]) == 3_000_000

    play(scene, State.RUNNING)


def test_awake_stream_is_the_engines_own_with_its_headers() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        status, headers, text = await raw(url, BODY | {"stream": True})
        assert (status, headers["X-Engine"]) == (200, "yes")
        assert text.startswith(b"data: ")
        assert text.endswith(b"data: [DONE]\n\n")

    play(scene, State.RUNNING)


def test_awake_quiet_call_goes_through() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        assert (await ask(url, extra_headers={"X-OWUI-Task": "tags"})).choices

    play(scene, State.RUNNING)


def test_engines_refusal_is_passed_on() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        engine.status = 400
        with pytest.raises(openai.BadRequestError) as caught:
            await ask(url)
        assert caught.value.code == "engine_says_no"

    play(scene, State.RUNNING)


# ---------------------------------------------------------------- off: queued and woken
@pytest.mark.parametrize("state", [State.STOPPED, State.DRAINING, State.STARTING])
def test_plain_request_is_queued_until_awake(state: State) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        task = asyncio.create_task(ask(url))
        await stage.waiting()
        assert stage.queue.arrived.is_set()
        if state is State.STARTING:
            stage.agent_ready("boot-2")
            await stage.watch.look()
        elif state is State.STOPPED:
            await wake(stage)
        else:
            await stage.watch.look()
        assert (await task).choices[0].message.content == "Paris"
        assert stage.queue.waiting == 0

    play(scene, state)


def test_stream_gets_200_and_comments_at_once_then_the_engines_bytes() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}v1/chat/completions", json=BODY | {"stream": True}) as answer,
        ):
            assert (answer.status, answer.content_type) == (200, "text/event-stream")
            first = await answer.content.readline()
            assert first.startswith(b": pilotlight: the host is stopped")
            await wake(stage)
            rest = await answer.content.read()
        assert rest.endswith(b"data: [DONE]\n\n")
        assert b'"content": "Pa"' in rest

    play(scene, State.STOPPED)


def test_openai_client_reads_a_queued_stream() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        task = asyncio.create_task(ask_stream(url))
        await stage.waiting()
        await wake(stage)
        assert await task == "Paris"

    play(scene, State.STOPPED)


def test_comments_tell_what_is_left() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        stage.view.usual_wake_s = 48.0
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}v1/chat/completions", json=BODY | {"stream": True}) as answer,
        ):
            assert await answer.content.readline() == b": pilotlight: the host is stopped; about 48 s left\n"

    play(scene, State.STOPPED)


def test_comments_make_no_empty_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """openai-go up to v3.41 reads an empty line after a comment as an event, and fails on its data."""
    monkeypatch.setattr("runtime.gateway.api.waiting.SSE_COMMENT_S", 0.0)

    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        task = asyncio.create_task(raw(url, BODY | {"stream": True}))
        await stage.waiting()
        for _ in range(3):
            stage.view.tick()
            await asyncio.sleep(0.01)
        await wake(stage)
        _, _, text = await task
        comments = text[: text.index(b"data:")]
        assert comments.count(b": pilotlight: ") >= 2
        assert b"\n\n" not in comments
        assert comments.endswith(b"\n")

    play(scene, State.STOPPED)


@pytest.mark.parametrize(
    ("name", "who"),
    [("ann", "key ann"), ("", "relay"), ("a" * 90, f"key {'a' * 64}")],
)
def test_the_key_that_asked_is_named_in_the_lease(name: str, who: str) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        task = asyncio.create_task(ask(url, extra_headers={"x-pilotlight-key": name}))
        await stage.waiting()
        await stage.watch.look()
        assert (stage.lease.wake_by, stage.lease.reason) == (who, f"wanted by {who}")
        task.cancel()

    play(scene, State.STOPPED)


def test_a_keys_name_is_plain_text() -> None:
    """It stands in logs and in the lease, and somebody on the gateway's loopback could send anything."""
    assert key_name({"x-pilotlight-key": "a\xfc\udcffb\t\x1b"}) == "ab"


def test_a_caller_who_hangs_up_is_gone_and_the_demand_stays() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        task = asyncio.create_task(ask(url))
        await stage.waiting()
        task.cancel()
        await stage.waiting(0)
        await stage.watch.look()
        assert stage.lease.state is State.STARTING
        assert stage.lease.wanted(stage.clock())
        assert engine.seen == []

    play(scene, State.STOPPED)


def test_store_down_while_off_queues_and_goes_on_when_it_is_back() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        stage.store.down = True
        task = asyncio.create_task(ask(url))
        await stage.waiting()
        await stage.watch.look()
        assert not task.done()
        stage.store.down = False
        await wake(stage)
        assert (await task).choices

    play(scene, State.STOPPED)


# ---------------------------------------------------------------- the engine refuses or breaks
@pytest.mark.parametrize("stream", [False, True])
def test_refused_port_is_tried_again_and_the_body_arrives_once(stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "RETRY_PAUSE_S", 0)

    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        engine.refuse = 3
        status, _, text = await raw(url, BODY | {"stream": stream})
        assert status == 200
        assert b"Pa" in text
        assert len(engine.seen) == 1
        assert stage.queue.arrived.is_set(), "the watch was told to look"

    play(scene, State.RUNNING)


def test_engine_that_dies_in_mid_request_is_502_and_never_asked_again() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        engine.breaks = True
        with pytest.raises(openai.InternalServerError) as caught:
            await ask(url)
        assert (caught.value.status_code, caught.value.code) == (502, "engine_crashed")
        assert len(engine.seen) == 1

    play(scene, State.RUNNING)


@pytest.mark.parametrize("state", [State.RUNNING, State.STOPPED])
def test_broken_stream_ends_with_an_error_and_without_done(state: State) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        engine.breaks = True
        task = asyncio.create_task(raw(url, BODY | {"stream": True}))
        if state is State.STOPPED:
            await stage.waiting()
            await wake(stage)
        status, _, text = await task
        last = text.strip().splitlines()[-1].removeprefix(b"data: ")
        assert (status, json.loads(last)["error"]["code"]) == (200, "engine_crashed")
        assert b"[DONE]" not in text
        assert b"\n\n\n" not in text, "an empty event hides the error from openai-go"
        assert len(engine.seen) == 1

    play(scene, state)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("state", [State.RUNNING, State.STOPPED])
def test_an_engines_redirect_is_not_followed(status: int, state: State) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        engine.redirect = status
        task = asyncio.create_task(raw(url, BODY))
        if state is State.STOPPED:
            await stage.waiting()
            await wake(stage)
        answered, headers, text = await task
        assert (answered, json.loads(text)["error"]["code"]) == (502, "engine_redirected")
        assert (engine.followed, "Location" in headers) == (0, False)

    play(scene, state)


def test_engines_refusal_after_the_200_is_an_event() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        engine.status = 400
        task = asyncio.create_task(raw(url, BODY | {"stream": True}))
        await stage.waiting()
        await wake(stage)
        _, _, text = await task
        assert json.loads(text.strip().splitlines()[-1].removeprefix(b"data: "))["error"]["code"] == "engine_says_no"

    play(scene, State.STOPPED)


# ---------------------------------------------------------------- refused
def refused_with(status: int, code: str, **ask_options: Any) -> Scene:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        with pytest.raises(openai.APIStatusError) as caught:
            await ask(url, **ask_options)
        assert (caught.value.status_code, caught.value.code) == (status, code)
        assert engine.seen == []
        scene.headers = caught.value.response.headers  # type: ignore[attr-defined]

    return scene


def test_unknown_model_names_the_valid_ones_and_does_not_wake() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        with pytest.raises(openai.NotFoundError, match=r"chat, support") as caught:
            await ask(url, model="other")
        assert caught.value.code == "model_not_found"
        assert not stage.queue.wanted

    play(scene, State.STOPPED)


@pytest.mark.parametrize("mark", [{"X-OWUI-Task": "title_generation"}, {"x-pilotlight-quiet": "1"}])
def test_quiet_call_while_off_does_not_wake(mark: dict[str, str]) -> None:
    scene = refused_with(503, "asleep", extra_headers=mark)

    async def whole(stage: Stage, engine: FakeEngine, url: str) -> None:
        await scene(stage, engine, url)
        assert scene.headers["x-should-retry"] == "false"  # type: ignore[attr-defined]
        assert not stage.queue.wanted

    play(whole, State.STOPPED)


def test_an_empty_task_header_is_a_persons_chat() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        task = asyncio.create_task(ask(url, extra_headers={"X-OWUI-Task": ""}))
        await stage.waiting()
        task.cancel()

    play(scene, State.STOPPED)


def test_full_queue_is_429_with_retry_after() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        queued = [asyncio.create_task(ask(url)) for _ in range(2)]
        await stage.waiting(2)
        with pytest.raises(openai.RateLimitError) as caught:
            await ask(url)
        assert (caught.value.code, caught.value.response.headers["Retry-After"]) == ("queue_full", "60")
        await wake(stage)
        assert [a.choices[0].message.content for a in await asyncio.gather(*queued)] == ["Paris", "Paris"]

    play(scene, State.STOPPED)


def test_full_queue_refuses_a_stream_before_its_200() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        status, headers, _ = await raw(url, BODY | {"stream": True})
        assert (status, headers["Retry-After"]) == (429, "60")

    play(scene, State.STOPPED, queue_max=0)


def test_queued_too_long_is_503_with_retry_after() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        stage.view.usual_wake_s = 20.0
        with pytest.raises(openai.InternalServerError) as caught:
            await ask(url)
        assert (caught.value.status_code, caught.value.code) == (503, "waking")
        assert 1 <= int(caught.value.response.headers["Retry-After"]) <= 60
        assert stage.queue.demand, "the demand outlives the caller"

    play(scene, State.STOPPED, queue_timeout_s=0.0)


def test_no_capacity_has_no_retry_after_and_is_decided_before_the_200() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        stage.clock.now += 100
        status, headers, text = await raw(url, BODY | {"stream": True})
        assert (status, json.loads(text)["error"]["code"]) == (503, "no_capacity")
        assert headers["x-should-retry"] == "false"
        assert "Retry-After" not in headers
        assert stage.queue.demand
        await raw(url, BODY, {"x-pilotlight-key": "ann"})
        assert stage.queue.who == "key ann", "who is refused now is named by the start that comes"

    play(scene, State.FAILED, failure="capacity")


NEW_YEAR = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


async def spend(stage: Stage) -> None:
    """The reaper has found the month's budget spent, and the relay reads it."""
    stage.act(lambda lease, now, nonce: protocol.spent(lease, until=NEW_YEAR, nonce=nonce))
    await stage.watch.look()


@pytest.mark.parametrize("state", [State.STOPPING, State.STOPPED, State.FAILED])
@pytest.mark.parametrize("stream", [False, True])
def test_a_spent_budget_is_429_at_once_and_wakes_nothing(state: State, stream: bool) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        await spend(stage)
        before = stage.lease
        status, headers, text = await raw(url, BODY | {"stream": stream})
        error = json.loads(text)["error"]
        assert (status, error["code"], error["type"]) == (429, "insufficient_quota", "insufficient_quota")
        assert "2100-01-01 00:00 UTC" in error["message"]
        assert headers["x-should-retry"] == "false"
        await stage.watch.look()
        assert (stage.queue.demand, stage.power.starts) == (False, 0)
        assert (stage.lease.epoch, stage.lease.wake_until) == (before.epoch, before.wake_until)

    play(scene, state)


def test_who_waits_when_the_budget_ends_is_told() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        task = asyncio.create_task(raw(url, BODY))
        await stage.waiting()
        await spend(stage)
        assert (await task)[0] == 429
        await stage.watch.look()
        assert (stage.queue.wanted, stage.power.starts) == (False, 0)

    play(scene, State.STOPPING)


def test_a_host_that_is_on_serves_beyond_its_budget() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        await spend(stage)
        assert (await raw(url, BODY))[0] == 200

    play(scene, State.RUNNING)


def test_failure_while_waiting_ends_the_stream_with_an_error() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        task = asyncio.create_task(raw(url, BODY | {"stream": True}))
        await stage.waiting()
        stage.act(protocol.fail, by="reaper", reason="never ready", failure="start-timeout", order=False)
        await stage.watch.look()
        status, _, text = await task
        assert status == 200
        assert json.loads(text.strip().splitlines()[-1].removeprefix(b"data: "))["error"]["code"] == "host_failed"
        assert b"[DONE]" not in text

    play(scene, State.STARTING)


def test_no_lease_is_refused_at_once() -> None:
    async def whole() -> None:
        stage = Stage()
        await stage.watch.look()
        async with stage.serving() as url:
            with pytest.raises(openai.InternalServerError) as caught:
                await ask(url)
            assert caught.value.code == "not_deployed"

    asyncio.run(whole())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{bad", "invalid_json"),
        (b"[1]", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"\xff", "invalid_json"),
        (b"{}", "missing_model"),
        (b'{"model": 3}', "missing_model"),
    ],
)
def test_bad_bodies_are_400_and_do_not_wake(body: bytes, code: str) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        status, _, text = await raw(url, body)
        assert (status, json.loads(text)["error"]["code"]) == (400, code)
        assert not stage.queue.wanted

    play(scene, State.STOPPED)


def test_relay_that_ends_lets_its_callers_go_with_a_503() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        task = asyncio.create_task(raw(url, BODY))
        await stage.waiting()
        stage.unit.close()
        status, headers, _ = await task
        assert (status, headers["Retry-After"]) == (503, "1")

    play(scene, State.STOPPED)


# ---------------------------------------------------------------- answered by the relay itself
@pytest.mark.parametrize(("state", "said"), [(State.RUNNING, "running"), (State.STOPPED, "stopped")])
def test_models_are_listed_whatever_the_host_does(state: State, said: str) -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        async with client(url) as found:
            models = (await found.models.list()).data
            assert [(m.id, m.to_dict()["state"]) for m in models] == [("chat", said), ("support", said)]
            assert (await found.models.retrieve("support")).id == "support"
            with pytest.raises(openai.NotFoundError, match="chat, support"):
                await found.models.retrieve("tiny")
        assert not stage.queue.wanted

    play(scene, state)


def test_unknown_paths_and_methods_are_shaped() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}nowhere") as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (404, "unknown_url")
            async with session.get(f"{url}v1/chat/completions") as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (405, "method_not_allowed")
            async with session.get(f"{url}health") as answer:
                assert (await answer.json())["state"] == "running"

    play(scene, State.RUNNING)


def test_an_error_of_ours_is_a_shaped_500(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        monkeypatch.setattr("runtime.gateway.api.call.read", broken)
        status, _, text = await raw(url, BODY)
        assert (status, json.loads(text)["error"]["code"]) == (500, "internal_error")

    play(scene, State.RUNNING)


def test_caller_leaving_a_stream_closes_the_engines_connection() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        engine.endless = True
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}v1/chat/completions", json=BODY | {"stream": True}) as answer,
        ):
            await answer.content.readline()
            answer.close()
        await until(lambda: engine.left)

    play(scene, State.RUNNING)
