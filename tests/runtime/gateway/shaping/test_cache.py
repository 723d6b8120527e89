"""Equal requests: what is equal, what is kept, and who asks the engine."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from core.contract.network import KEY_HEADER, QUIET_HEADER, WEBUI_TASK_HEADER
from core.contract.shaping import Filter, ServiceShape
from core.lease import State
from runtime.gateway.api.call import Call
from runtime.gateway.shaping.cache import canonical
from runtime.gateway.shaping.reply import Reply
from runtime.gateway.shaping.service import PATH
from runtime.gateway.usage.holder import Owner
from runtime.gateway.usage.limits import Held
from runtime.gateway.usage.meter import EVERYTHING
from runtime.gateway.usage.need import Need
from tests.runtime.gateway.shaping.scenes import MemoryRedis, Scene, events, play, until, words

CACHED = ServiceShape(cache_s=3600.0)
USER = {"role": "user", "content": "hi"}
ASKED: dict[str, Any] = {"model": "polish", "messages": [USER], "temperature": 0}
EQUAL: list[dict[str, Any]] = [
    {"temperature": 0, "messages": [{"content": "hi", "role": "user"}], "model": "polish"},
    ASKED | {"stream": True, "stream_options": {"include_usage": True}},
    ASKED | {"user": "ann"},
    ASKED | {"metadata": {"chat": "1"}, "store": False},
    ASKED | {"max_tokens": None},
]
OTHERS: list[dict[str, Any]] = [
    ASKED | {"temperature": 0.1},
    ASKED | {"messages": [USER, USER]},
    ASKED | {"messages": [{"role": "user", "content": "hi "}]},
    ASKED | {"seed": 1},
    ASKED | {"response_format": {"type": "json_object"}},
    ASKED | {"tools": [{"type": "function", "function": {"name": "f"}}]},
]


@pytest.mark.parametrize("asked", EQUAL)
def test_equal_requests_have_one_name(asked: dict[str, Any]) -> None:
    assert canonical(asked, PATH, CACHED) == canonical(ASKED, PATH, CACHED)


@pytest.mark.parametrize("asked", OTHERS)
def test_other_requests_have_another(asked: dict[str, Any]) -> None:
    assert canonical(asked, PATH, CACHED) != canonical(ASKED, PATH, CACHED)


def test_another_shape_of_the_service_is_another_request() -> None:
    for other in (
        ServiceShape(cache_s=3600.0, system_prompt="x"),
        ServiceShape(cache_s=3600.0, input_filter=(Filter("a", "b", "mask"),)),
    ):
        assert canonical(ASKED, PATH, other) != canonical(ASKED, PATH, CACHED)


@pytest.mark.parametrize("first_in_background", [True, False])
def test_a_background_call_which_is_not_shaped_and_one_that_is_share_no_answer(first_in_background: bool) -> None:
    async def act(scene: Scene) -> None:
        for background in (first_in_background, not first_in_background):
            headers = {WEBUI_TASK_HEADER: "title_generation"} if background else {}
            assert (await scene.post(headers=headers))[1]["x-pilotlight-cache"] == "miss"
        shaped = [any(m["role"] == "system" for m in messages) for messages in scene.engine.prompts]
        assert shaped == [not first_in_background, first_in_background]

    play(ServiceShape(cache_s=3600.0, system_prompt="Be kind."), act)


@pytest.mark.parametrize("first", [False, True])
def test_streamed_and_plain_requests_share_an_entry(first: bool) -> None:
    async def act(scene: Scene) -> None:
        _, headers, _ = await scene.post(stream=first)
        assert headers["x-pilotlight-cache"] == "miss"
        headers, found = await scene.stream(stream_options={"include_usage": True})
        assert headers["x-pilotlight-cache"] == "hit"
        assert int(headers["Age"]) >= 0
        assert words(found) == "Paris"
        assert found[-2]["usage"]["total_tokens"] == 15
        status, headers, answer = await scene.post()
        assert (status, headers["x-pilotlight-cache"]) == (200, "hit")
        assert answer["choices"][0]["message"]["content"] == "Paris"
        assert answer["pilotlight"]["cache"] == "hit"
        assert len(scene.engine.seen) == 1

    play(CACHED, act)


@pytest.mark.parametrize("stream", [False, True])
def test_a_hit_is_served_while_the_host_is_off_without_a_wake(stream: bool) -> None:
    redis = MemoryRedis()

    async def fill(scene: Scene) -> None:
        await scene.post()

    async def hit(scene: Scene) -> None:
        status, headers, _ = await scene.post(stream=stream)
        assert (status, headers["x-pilotlight-cache"]) == (200, "hit")
        assert not scene.stage.queue.wanted
        await scene.stage.watch.look()
        assert scene.stage.lease.state is State.STOPPED
        assert scene.engine.seen == []

    play(CACHED, fill, redis=redis)
    play(CACHED, hit, redis=redis, state=State.STOPPED)


NOT_KEPT: list[tuple[ServiceShape, Any]] = [
    (CACHED, ("cut", "length")),
    (ServiceShape(cache_s=60.0, json_output=True), "no JSON"),
    (ServiceShape(cache_s=60.0, output_check=(Filter("x", "secret", "refuse"),)), "a secret"),
    (ServiceShape(cache_s=60.0), "x" * 3000),
]


@pytest.mark.parametrize(("shaping", "says"), NOT_KEPT)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_not_a_whole_answer_is_not_kept(
    shaping: ServiceShape, says: Any, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.gateway.shaping.cache.ENTRY_BYTES_MAX", 2000)

    async def act(scene: Scene) -> None:
        await scene.post(stream=stream)
        assert scene.redis.kept == {}

    play(shaping, act, says)


def test_a_broken_stream_is_not_kept() -> None:
    async def act(scene: Scene) -> None:
        scene.engine.breaks = True
        await scene.post(stream=True)
        assert scene.redis.kept == {}

    play(CACHED, act)


def test_an_entry_that_cannot_be_read_is_no_hit() -> None:
    async def act(scene: Scene) -> None:
        await scene.post()
        for name in scene.redis.kept:
            scene.redis.kept[name] = b'{"form": 0}'
        assert (await scene.post())[1]["x-pilotlight-cache"] == "miss"
        assert len(scene.engine.seen) == 2

    play(CACHED, act)


def test_equal_requests_at_the_same_time_ask_the_engine_once() -> None:
    async def act(scene: Scene) -> None:
        scene.engine.gate = asyncio.Event()
        asking = [asyncio.create_task(scene.post(stream=n % 2 == 1)) for n in range(6)]
        await until(lambda: scene.engine.seen and following() == 5)
        scene.engine.gate.set()
        answers = await asyncio.gather(*asking)
        assert [status for status, _, _ in answers] == [200] * 6
        assert len(scene.engine.seen) == 1
        assert sorted(headers["x-pilotlight-cache"] for _, headers, _ in answers) == ["miss", *["shared"] * 5]

    play(CACHED, act)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("limited_by", ["session", "key"])
def test_an_answer_that_the_first_callers_own_limit_cut_is_nobody_elses(limited_by: str, stream: bool) -> None:
    """The session of the first has 5 tokens left, or the day of its key has few."""
    by_key = limited_by == "key"
    shape = CACHED if by_key else ServiceShape(cache_s=3600.0, session_tokens=20)
    ann, bob = ({"X-Session-Id": name, KEY_HEADER: name} for name in ("ann", "bob"))

    async def act(scene: Scene) -> None:
        await scene.post("another question", headers=ann)
        first, second = await led_and_followed(scene, ann, bob, stream=stream)
        assert (said(first)[:3], said(second)) == ("cut", "whole")
        assert len(scene.engine.seen) == 3
        assert said((await scene.post(headers=bob))[2]) == "whole", "and it is kept"

    play(shape, act, "used", ("cut", "length"), "whole", limits=NearTheEnd("ann") if by_key else None)


@pytest.mark.parametrize("named", ["by the request", "by the service", "by nobody"])
def test_an_answer_that_would_be_cut_for_everybody_is_shared(named: str) -> None:
    most = {"max_tokens": 3} if named == "by the request" else {}
    shape = ServiceShape(cache_s=3600.0, session_tokens=1000, max_tokens=3 if named == "by the service" else None)

    async def act(scene: Scene) -> None:
        answers = await led_and_followed(scene, {}, {"X-Session-Id": "bob"}, **most)
        assert {said(answer)[:3] for answer in answers} == {"cut"}
        assert len(scene.engine.seen) == 1

    play(shape, act, ("cut", "length"))


@pytest.mark.parametrize("repaired", ['{"n": 1}', "no JSON either"])
def test_what_was_made_of_such_an_answer_is_nobody_elses_either(repaired: str) -> None:
    """The JSON was repaired, but only because the first caller's limit had cut it."""

    async def act(scene: Scene) -> None:
        first, second = await led_and_followed(scene, {KEY_HEADER: "ann"}, {KEY_HEADER: "bob"})
        assert said(first) != said(second) == '{"n": 2}'
        assert len(scene.redis.kept) == 1

    says = ('{"n"', "length"), repaired, '{"n": 2}'
    play(ServiceShape(cache_s=3600.0, json_output=True), act, *says, limits=NearTheEnd("ann"))


async def led_and_followed(
    scene: Scene, leads: dict[str, str], follows: dict[str, str], **options: Any
) -> tuple[Any, Any]:
    """The answers of two equal requests, of which the second waits for the first."""
    scene.engine.gate, before = asyncio.Event(), len(scene.engine.seen)
    first = asyncio.create_task(scene.post(headers=leads, **options))
    await until(lambda: len(scene.engine.seen) > before)
    second = asyncio.create_task(scene.post(headers=follows, **options))
    await until(lambda: following() == 1)
    scene.engine.gate.set()
    return (await first)[2], (await second)[2]


def said(answer: Any) -> str:
    """The text of a plain answer, or of a stream that ended well."""
    return words(events(answer)) if isinstance(answer, str) else str(answer["choices"][0]["message"]["content"])


class NearTheEnd:
    """In the place of the keys' limits: the day of one key has few tokens left."""

    def __init__(self, key: str) -> None:
        self._key = key

    @asynccontextmanager
    async def one(self, call: Call) -> AsyncIterator[Call]:
        held = Held(Owner(call.key), Need(1, 1), since=0.0, asked=EVERYTHING, stream=call.stream)
        held.shortened = call.key == self._key
        yield dataclasses.replace(call, passage=held)


def following() -> int:
    """Requests that wait for an equal one."""
    return sum("Flights.follow" in repr(task.get_coro()) for task in asyncio.all_tasks())


def test_where_the_first_one_leaves_the_next_one_asks() -> None:
    async def act(scene: Scene) -> None:
        scene.engine.gate = asyncio.Event()
        first = asyncio.create_task(scene.post())
        await until(lambda: scene.engine.seen)
        others = [asyncio.create_task(scene.post()) for _ in range(3)]
        await until(lambda: following() == 3)
        first.cancel()
        await until(lambda: len(scene.engine.seen) == 2)
        scene.engine.gate.set()
        assert {(await other)[0] for other in others} == {200}
        assert len(scene.engine.seen) == 2

    play(CACHED, act)


def test_what_the_engine_refuses_one_it_refuses_all() -> None:
    async def act(scene: Scene) -> None:
        scene.engine.status = 400
        answers = await asyncio.gather(*(scene.post() for _ in range(4)))
        assert {status for status, _, _ in answers} == {400}
        scene.engine.status = 200
        assert (await scene.post())[0] == 200
        assert scene.stage.relay._shaped["polish"]._flights._going == {}

    play(CACHED, act)


def test_where_the_first_ones_connection_is_reset_in_its_stream_the_next_one_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before aiohttp has noticed, a write to it fails: no failure of the engine's."""
    write, failed = Reply.write, False

    async def once(reply: Reply, event: bytes) -> None:
        nonlocal failed
        if not failed:
            failed = True
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
        await write(reply, event)

    monkeypatch.setattr(Reply, "write", once)

    async def act(scene: Scene) -> None:
        scene.engine.gate = asyncio.Event()
        first = asyncio.create_task(scene.post(stream=True))
        await until(lambda: scene.engine.seen)
        second = asyncio.create_task(scene.post())
        await until(lambda: following() == 1)
        scene.engine.gate.set()
        assert (await second)[0] == 200
        await asyncio.wait({first})
        assert len(scene.engine.seen) == 2

    play(CACHED, act)


def test_a_caller_who_may_wake_is_not_refused_as_one_who_may_not() -> None:
    """The first of two equal requests has a quiet key, and the host is off."""
    redis, gate = HeldClaims(), asyncio.Event()
    redis.gate = gate

    async def act(scene: Scene) -> None:
        quiet = asyncio.create_task(scene.post(headers={QUIET_HEADER: "1"}))
        await until(lambda: redis.asked_for_claims == 1)
        other = asyncio.create_task(scene.post())
        await until(lambda: following() == 1)
        gate.set()
        status, _, answer = await quiet
        assert (status, answer["error"]["code"]) == (503, "asleep")
        await until(lambda: scene.stage.queue.waiting == 1)
        other.cancel()
        await asyncio.wait({other})

    play(CACHED, act, redis=redis, state=State.STOPPED)


class HeldClaims(MemoryRedis):
    """Claims are answered once `gate` is open."""

    gate: asyncio.Event

    async def claim(self, name: str, ttl_s: float) -> bool:
        claimed = await super().claim(name, ttl_s)
        await self.gate.wait()
        return claimed


def test_a_crash_of_the_engine_is_told_to_all_who_wait_for_the_answer() -> None:
    async def act(scene: Scene) -> None:
        scene.engine.gate, scene.engine.breaks = asyncio.Event(), True
        asking = [asyncio.create_task(scene.post(stream=True)) for _ in range(3)]
        await until(lambda: scene.engine.seen and following() == 2)
        scene.engine.gate.set()
        assert all("engine_crashed" in str(answer) for _, _, answer in await asyncio.gather(*asking))
        assert len(scene.engine.seen) == 1

    play(CACHED, act)


def test_without_redis_every_request_is_answered() -> None:
    async def act(scene: Scene) -> None:
        scene.redis.down = True
        for _ in range(2):
            status, headers, _ = await scene.post()
            assert (status, headers["x-pilotlight-cache"]) == (200, "miss")
        assert len(scene.engine.seen) == 2

    play(CACHED, act)


@pytest.mark.parametrize("brings", [True, False])
def test_the_other_relay_asks_first(brings: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.gateway.shaping.cache.LOOK_S", 0)

    async def act(scene: Scene) -> None:
        await scene.post()
        ((name, entry),) = scene.redis.kept.items()
        scene.redis.kept.clear()
        scene.redis.claims.add(name)  # by the other relay
        before = scene.redis.asked_for_claims
        asking = [asyncio.create_task(scene.post()) for _ in range(2)]
        await until(lambda: scene.redis.asked_for_claims > before + 1)
        if brings:
            scene.redis.kept[name] = entry
        else:
            await scene.redis.release(name)
        heads = sorted([headers["x-pilotlight-cache"] for _, headers, _ in await asyncio.gather(*asking)])
        assert (heads, len(scene.engine.seen)) == ((["shared", "shared"], 1) if brings else (["miss", "shared"], 2))
        assert not brings or scene.redis.claims == {name}, "the other relay's own to give back"

    play(CACHED, act)


def test_who_asked_gives_its_claim_back_whatever_came_of_it() -> None:
    async def act(scene: Scene) -> None:
        scene.engine.status = 422
        await scene.post()
        assert scene.redis.asked_for_claims == 1
        assert scene.redis.claims == set()

    play(CACHED, act)
