"""Token limits with a real Redis: reserved before, settled after, by key, user and day, whatever goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from redis_server import RedisServer

from core.contract.documents import SCHEMA_VERSION, ApiKey, ApiKeys
from core.contract.network import KEY_HEADER, USER_HEADER
from core.lease import State
from runtime.gateway.redis import PAUSE_S, Redis
from runtime.gateway.usage.holder import HELD_S, Holder, Owner, resets_at
from runtime.gateway.usage.keys import Keys
from runtime.gateway.usage.ledger import KEPT_S
from runtime.gateway.usage.limits import STREAM_OPTIONS, Limits
from runtime.gateway.usage.need import TEMPLATE_TOKENS
from tests.runtime.gateway.stage import Clock, FakeEngine, Stage, until

pytestmark = pytest.mark.e2e

NOON = 1_790_000_000.0 - 1_790_000_000.0 % 86400 + 43200
CONTEXT, LIMIT = 4096, 10_000
PROMPT = 7  # tokens, as the engine counts
CHAT: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "capital?"}], "max_tokens": 10}


class CountingEngine(FakeEngine):
    """Takes `answer` tokens for each answer, one an event, as vLLM counts them. Waits at `gate` until it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = 5
        self.gate = asyncio.Event()
        self.gate.set()
        self.inside = 0
        self.transports: list[Any] = []
        self.stop_at: int | None = None  # events after which it says nothing more

    def cut(self) -> None:
        """The connections of all who are inside break."""
        for transport in self.transports:
            transport.abort()
        self.gate.set()

    def usage(self, tokens: int) -> dict[str, int]:
        return {"prompt_tokens": PROMPT, "completion_tokens": tokens, "total_tokens": PROMPT + tokens}

    async def _plain(self, request: web.Request, model: str) -> web.StreamResponse:
        self.inside += 1
        self.transports.append(request.transport)
        await self.gate.wait()
        message = {"role": "assistant", "content": "Paris"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({"id": "x", "choices": [choice], "usage": self.usage(self.answer)})

    async def _stream(self, request: web.Request, model: str) -> web.StreamResponse:
        self.inside += 1
        self.transports.append(request.transport)
        options = self.seen[-1]["asked"].get("stream_options") or {}
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for n in range(self.answer + 1):
            if n == self.stop_at:
                await self.gate.wait()
            usage = {"usage": self.usage(n)} if options.get("continuous_usage_stats") else {}
            event = {"id": "x", "choices": [{"index": 0, "delta": {"content": f"wört{n} "}}]} | usage
            await response.write(f"data: {json.dumps(event, ensure_ascii=False)}\n\n".encode())
        if options.get("include_usage"):
            await response.write(
                b"data: " + json.dumps({"choices": [], "usage": self.usage(self.answer)}).encode() + b"\n\n"
            )
        await response.write(b"data: [DONE]\n\n")
        return response


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    made = RedisServer(tmp_path)
    made.start()
    yield made
    made.stop()


class Place:
    """A relay with one limited key and a Redis."""

    def __init__(self, server: RedisServer) -> None:
        self.stage = Stage().bring_to(State.RUNNING)
        self.clock, self.monotonic = Clock(), Clock()
        self.clock.now = NOON
        self.keys = server.folder / "keys.json"
        self.write_keys(LIMIT)
        self.stage.redis = self.redis = Redis(str(server.socket), str(server.password_file), monotonic=self.monotonic)
        self.limits = Limits(Keys(str(self.keys)), self.redis, {"tiny": CONTEXT}, clock=self.clock)
        self.stage.limits = self.limits
        self.engine = CountingEngine()

    def write_keys(self, limit: int | None) -> None:
        keys = (ApiKey("ann", "A" * 64, NOON, tokens_per_day=limit), ApiKey("bob", "B" * 64, NOON))
        self.keys.write_text(ApiKeys(SCHEMA_VERSION, keys).to_json())

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Place]:
        await self.stage.watch.look()
        async with self.stage.serving(self.engine) as url, aiohttp.ClientSession(url) as session:
            self.session = session
            yield self
        await self.limits.close()
        await self.redis.close()

    async def ask(self, *, settled: bool = True, **changes: Any) -> Any:
        """Status, headers, and the body as text; once it is settled, and with it all others."""
        async with self.post(**changes) as answer:
            told = answer.status, answer.headers, await answer.text()
        if settled:
            await until(lambda: not self.limits._held)
            await self.limits.close()
        return told

    def post(self, *, key: str = "ann", user: str = "", path: str = "/v1/chat/completions", **changes: Any) -> Any:
        body = {k: v for k, v in (CHAT | changes).items() if v is not None}
        return self.session.post(path, json=body, headers={KEY_HEADER: key, USER_HEADER: user})

    async def used(self, user: str = "") -> int:
        await self.limits.close()
        return await Holder(self.redis).used(Owner("ann", user), self.clock())


def test_a_request_is_charged_what_the_engine_counted(server: RedisServer) -> None:
    async def story() -> None:
        async with Place(server).open() as place:
            status, _, text = await place.ask()
            assert status == 200
            assert json.loads(text)["usage"]["total_tokens"] == 12
            assert await place.used() == 12
            (hour,) = await place.limits.ledger.hours(NOON - 3600, NOON + 3600)
            assert (hour.key, hour.requests, hour.prompt_tokens, hour.answer_tokens) == ("ann", 1, 7, 5)

    asyncio.run(story())


def test_fifty_at_once_never_exceed_the_limit(server: RedisServer) -> None:
    async def story() -> None:
        async with Place(server).open() as place:
            place.engine.gate.clear()
            place.engine.answer, place.engine.stop_at = 10, 0
            calls = [asyncio.create_task(place.ask(settled=False, stream=n % 2 == 0)) for n in range(50)]
            await until(lambda: sum(call.done() for call in calls) + place.engine.inside == 50 and place.engine.inside)
            let_in = place.engine.inside
            assert 0 < let_in < 50
            need = TEMPLATE_TOKENS + 10
            assert let_in * need <= LIMIT < (let_in + 2) * need + let_in * 200, "no more, and not many fewer"
            place.engine.gate.set()
            answers = await asyncio.gather(*calls)
            await until(lambda: not place.limits._held)
            assert sorted(status for status, _, _ in answers) == [200] * let_in + [429] * (50 - let_in)
            assert await place.used() == let_in * 17 <= LIMIT

    asyncio.run(story())


def test_a_refusal_for_those_in_flight_is_worth_another_try(server: RedisServer) -> None:
    async def story() -> None:
        async with Place(server).open() as place:
            place.engine.gate.clear()
            calls = [asyncio.create_task(place.ask(settled=False, max_tokens=3000, n=2)) for _ in range(2)]
            await until(lambda: any(call.done() for call in calls) and place.engine.inside)
            refused = next(call for call in calls if call.done())
            status, headers, text = await refused
            assert status == 429
            assert headers["Retry-After"] == "5"
            assert "x-should-retry" not in headers
            error = json.loads(text)["error"]
            assert error["code"] == "tokens_per_day"
            assert "reserved for requests in flight" in error["message"]
            assert "10000 tokens a day" in error["message"]
            place.engine.gate.set()
            assert sorted([(await call)[0] for call in calls]) == [200, 429]

    asyncio.run(story())


def test_a_day_that_is_spent_is_told_with_its_end(server: RedisServer) -> None:
    async def story() -> None:
        async with Place(server).open() as place:
            place.engine.answer = LIMIT
            assert (await place.ask())[0] == 200
            place.engine.answer = 5
            status, headers, text = await place.ask()
            assert status == 429
            assert headers["Retry-After"] == str(12 * 3600)
            assert headers["x-should-retry"] == "false"
            assert "resets at 00:00 UTC, in 12h" in json.loads(text)["error"]["message"]
            hours = await place.limits.ledger.hours(NOON, NOON)
            assert [(hour.requests, hour.refused) for hour in hours] == [(1, 1)]
            place.clock.now = resets_at(NOON)
            assert (await place.ask())[0] == 200, "a new day"

    asyncio.run(story())


def test_users_behind_a_key_have_a_day_each(server: RedisServer) -> None:
    async def story() -> None:
        async with Place(server).open() as place:
            place.engine.answer = LIMIT
            assert (await place.ask(user="u1"))[0] == 200
            assert (await place.ask(user="u1"))[0] == 429
            assert (await place.ask(user="u2"))[0] == 200
            assert await place.used("u2") == LIMIT + PROMPT

    asyncio.run(story())


def test_without_max_tokens_an_answer_is_as_long_as_what_is_left(server: RedisServer) -> None:
    async def story() -> None:
        async with Place(server).open() as place:
            await place.ask(max_tokens=None)
            assert "max_tokens" not in place.engine.seen[-1]["asked"], "the context is left: the engine bounds it"
            place.engine.answer = LIMIT - 2000
            await place.ask()
            place.engine.answer = 5
            assert (await place.ask(max_tokens=None))[0] == 200
            asked = place.engine.seen[-1]["asked"]
            left = LIMIT - (12 + LIMIT - 2000 + 7)
            assert asked["max_tokens"] == asked["max_completion_tokens"]
            assert 0 < asked["max_tokens"] <= left - TEMPLATE_TOKENS
            assert (await place.ask(max_tokens=1500))[0] == 429, "who named a length is not given less"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("options", "last", "each"),
    [
        (None, False, False),
        ({"include_usage": True}, True, False),
        ({"include_usage": True, "continuous_usage_stats": True}, True, True),
    ],
)
def test_a_stream_shows_the_usage_that_its_caller_asked_for(
    server: RedisServer, options: Any, last: bool, each: bool
) -> None:
    async def story() -> None:
        async with Place(server).open() as place:
            _, _, text = await place.ask(stream=True, stream_options=options)
            events = [event.removeprefix("data: ") for event in text.split("\n\n") if event]
            assert events.pop() == "[DONE]"
            told = [json.loads(event) for event in events]
            assert any(not event["choices"] for event in told) is last
            assert ["usage" in event for event in told if event["choices"]] == [each] * 6
            assert "".join(e["choices"][0]["delta"]["content"] for e in told if e["choices"]).startswith("wört0 wört1 ")
            assert place.engine.seen[-1]["asked"]["stream_options"] == STREAM_OPTIONS
            assert await place.used() == 12

    asyncio.run(story())


def test_who_hangs_up_is_charged_to_within_one_chunk(server: RedisServer) -> None:
    async def story() -> None:
        async with Place(server).open() as place:
            place.engine.gate.clear()
            place.engine.answer, place.engine.stop_at = 100, 40
            async with place.post(stream=True, max_tokens=1000) as answer:
                text = b""
                assert answer.status == 200, await answer.text()
                while "wört39".encode() not in text:
                    chunk = await answer.content.readany()
                    assert chunk, text
                    text += chunk
            await until(lambda: not place.limits._held)
            await place.limits.close()
            assert await place.used() in (PROMPT + 39, PROMPT + 40)
            place.engine.gate.set()

    asyncio.run(story())


def test_what_a_killed_relay_held_is_free_after_a_minute_and_what_it_used_is_not(server: RedisServer) -> None:
    async def story() -> None:
        place = Place(server)
        holder, owner = Holder(place.redis), Owner("ann")
        first = {"limit": LIMIT, "prompt": 100, "answer": 9000, "least": 9000}
        assert (await holder.reserve(owner, "dead", now=NOON, **first)).granted == 9000
        await holder.renew(owner, "dead", since=NOON, now=NOON + 15, used=250)
        assert (await holder.reserve(owner, "next", now=NOON + 16, **first)).granted is None
        after = await holder.reserve(owner, "next", now=NOON + 15 + HELD_S, **first)
        assert (after.granted, after.used, after.held) == (9000, 250, 0)
        await holder.settle(owner, "next", since=NOON, tokens=10)
        await holder.settle(owner, "dead", since=NOON, tokens=300)
        assert await place.used() == 310, "a relay that was only frozen settles the difference"
        await place.redis.close()

    asyncio.run(story())


def test_redis_down_lets_everybody_through_and_what_came_back_is_counted(server: RedisServer) -> None:
    async def story() -> None:
        async with Place(server).open() as place:
            place.engine.answer = LIMIT
            server.stop()
            assert (await place.ask())[0] == 200
            assert (await place.ask(stream=True, max_tokens=4000))[0] == 200
            server.start()
            place.monotonic.now += PAUSE_S
            assert (await place.ask())[0] == 200
            assert (await place.ask())[0] == 429

    asyncio.run(story())


def test_a_limit_that_changes_counts_at_once(server: RedisServer) -> None:
    async def story() -> None:
        async with Place(server).open() as place:
            assert (await place.ask())[0] == 200
            place.write_keys(1)
            assert (await place.ask())[0] == 429
            place.keys.write_text("no JSON")
            assert (await place.ask())[0] == 429, "what was known stays"
            place.write_keys(None)
            assert (await place.ask())[0] == 200

    asyncio.run(story())


def test_what_no_engine_answered_costs_nothing(server: RedisServer) -> None:
    async def story() -> None:
        async with Place(server).open() as place:
            place.engine.status = 400
            assert (await place.ask())[0] == 400
            assert await place.used() == 0
            assert (await place.ask(key="bob"))[0] == 400
            assert await place.limits.ledger.hours(NOON, NOON) != []

    asyncio.run(story())


def test_an_engine_whose_prompts_were_longer_than_thought_is_taken_for_its_context(server: RedisServer) -> None:
    async def story() -> None:
        async with Place(server).open() as place:
            usage = {"prompt_tokens": 3000, "completion_tokens": 1, "total_tokens": 3001}
            place.engine.usage = lambda tokens: usage  # type: ignore[method-assign]
            assert (await place.ask())[0] == 200
            assert await place.used() == 3001
            place.engine.gate.clear()
            calls = [asyncio.create_task(place.ask(settled=False)) for _ in range(3)]
            await until(lambda: sum(call.done() for call in calls) + place.engine.inside - 1 == 3)
            assert place.engine.inside - 1 == 1, "6,999 are left: one context"
            place.engine.gate.set()
            await asyncio.gather(*calls)

    asyncio.run(story())


def test_old_hours_and_days_are_forgotten_and_no_others(server: RedisServer) -> None:
    async def story() -> None:
        place = Place(server)
        ledger, holder = place.limits.ledger, Holder(place.redis)
        for at in (NOON - KEPT_S - 7200, NOON - KEPT_S + 7200, NOON):
            await ledger.note(Owner("ann", "u:1"), at, prompt=1, answer=2)
            await holder.settle(Owner("ann", "u:1"), "x", since=at, tokens=3)
        await ledger.forget(NOON)
        hours = await ledger.hours(NOON - KEPT_S - 86400, NOON)
        assert [dataclasses.astuple(hour)[:5] for hour in hours] == [
            (NOON - KEPT_S + 7200, "ann", "u:1", 1, 1),
            (NOON, "ann", "u:1", 1, 1),
        ]
        left = await place.redis.call(lambda client: client.keys("tokens:*"))
        assert len(left) == 1
        await place.redis.close()

    asyncio.run(story())


@pytest.mark.parametrize("stream", [True, False])
def test_an_engine_that_breaks_off_costs_what_it_said(server: RedisServer, stream: bool) -> None:
    async def story() -> None:
        async with Place(server).open() as place:
            place.engine.gate.clear()
            place.engine.answer, place.engine.stop_at = 100, 40
            call = asyncio.create_task(place.ask(stream=stream, max_tokens=1000))
            await until(lambda: place.engine.inside and (not stream or sum(_tokens(place)) == PROMPT + 39))
            place.engine.cut()
            with contextlib.suppress(aiohttp.ClientError):
                await call
            await place.limits.close()
            assert await place.used() == (PROMPT + 39 if stream else 0)

    asyncio.run(story())


def _tokens(place: Place) -> tuple[int, int]:
    return next(iter(place.limits._held.values())).tokens
