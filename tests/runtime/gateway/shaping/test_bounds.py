"""What bounds a shaped service's requests: bodies, long texts, sessions, and the tokens of keys."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from core.contract.network import SHAPED_BYTES_MAX
from core.contract.shaping import Filter, ServiceShape
from runtime.gateway.api.call import Call
from runtime.gateway.shaping.long_input import BLOCKS_MAX
from tests.runtime.gateway.shaping.scenes import Scene, play, until

MASK = (Filter("e-mail address", r"[\w.]+@[\w.]+\w", "mask"),)


# ------------------------------------------------------------ bounds
def test_bodies_that_are_too_large_or_of_another_path_are_refused() -> None:
    async def act(scene: Scene) -> None:
        status, _, answer = await scene.post("x" * SHAPED_BYTES_MAX)
        assert (status, answer["error"]["code"]) == (413, "request_too_large")
        status, _, answer = await scene.post(path="completions", prompt="x")
        assert status == 400
        assert "/v1/chat/completions" in answer["error"]["message"]
        status, _, answer = await scene.post([])
        assert (status, answer["error"]["param"]) == (400, "messages")
        status, _, answer = await scene.post([{"role": "a@b.de", "content": "x"}])
        assert (status, answer["error"]["param"]) == (400, "messages")
        assert scene.engine.seen == []
        assert scene.stage.relay.body_bytes == 0

    play(ServiceShape(input_filter=MASK), act)


def test_a_body_of_many_small_values_is_charged_for_what_it_becomes() -> None:
    async def act(scene: Scene) -> None:
        scene.stage.relay._budget.limit = 20 * 2**20
        status, _, answer = await scene.post("x", many=[{}] * 200_000)
        assert (status, answer["error"]["code"]) == (429, "bodies_full")
        assert scene.stage.relay.body_bytes == 0

    play(ServiceShape(input_filter=MASK), act)


# ------------------------------------------------------------ long texts
LONG = ServiceShape(summarize=True)


def test_a_long_text_is_read_in_parts_and_its_question_stays() -> None:
    async def act(scene: Scene) -> None:
        text = "Summarise this: " + " ".join(f"word{n}" for n in range(900)) + " What is the last word?"
        _, _, answer = await scene.post(text)
        parts = [p for p in scene.engine.prompts if p[0]["role"] == "system"]
        (final,) = [p for p in scene.engine.prompts if p[0]["role"] == "user"]
        assert 1 < len(parts) == answer["pilotlight"]["summarized_parts"] <= BLOCKS_MAX
        assert answer["pilotlight"]["engine_calls"] == len(parts) + 1
        assert answer["usage"]["total_tokens"] == 15 * (len(parts) + 1)
        asked = final[0]["content"]
        assert asked.startswith("Summarise this: ")
        assert asked.endswith("What is the last word?")
        assert asked.count("- a line") == len(parts)
        read = " ".join(p[1]["content"] for p in parts)
        assert all(f"word{n}" in asked + read for n in range(900)), "no word is lost between parts"
        assert all(len(p[1]["content"]) < 400 * 3 for p in scene.engine.prompts if len(p) > 1)

    play(LONG, act, "a  line\n")


def test_a_text_that_fits_is_not_read_in_parts_and_one_that_never_fits_is_refused() -> None:
    async def act(scene: Scene) -> None:
        assert (await scene.post("short"))[0] == 200
        assert len(scene.engine.seen) == 1
        status, _, answer = await scene.post("word " * 20_000)
        assert (status, answer["error"]["code"]) == (413, "request_too_large")
        assert len(scene.engine.seen) == 1

    play(LONG, act)


# ------------------------------------------------------------ sessions
SESSION = ServiceShape(session_tokens=40)


def test_a_session_ends_with_its_tokens_and_another_begins_anew() -> None:
    async def act(scene: Scene) -> None:
        mine = {"X-Session-Id": "one", "x-pilotlight-key": "ann"}
        left = [(await scene.post(headers=mine))[2]["pilotlight"]["session_tokens_left"] for _ in range(2)]
        await scene.stream(headers=mine)
        status, headers, answer = await scene.post(headers=mine)
        assert left == [25, 10]
        assert (status, answer["error"]["code"]) == (429, "session_limit")
        assert headers["x-should-retry"] == "false"
        sent = [seen["asked"]["max_tokens"] for seen in scene.engine.seen]
        assert sent == [40, 25, 10], "no longer than what is left"
        assert (await scene.post(headers=mine | {"X-Session-Id": "two"}))[0] == 200
        assert (await scene.post(headers=mine | {"x-pilotlight-key": "bob"}))[0] == 200

    play(SESSION, act)


def test_what_a_broken_stream_used_counts() -> None:
    async def act(scene: Scene) -> None:
        scene.engine.breaks = True
        await scene.post(stream=True)
        await until(lambda: scene.redis.kept)
        assert list(scene.redis.kept.values()) == [15]

    play(SESSION, act)


# ------------------------------------------------------------ tokens of keys
class Counted:
    """In the place of the keys' limits: which requests to the engine were counted."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    @asynccontextmanager
    async def one(self, call: Call) -> AsyncIterator[Call]:
        self.asked.append(json.loads(b"".join(call.body.pieces)))
        yield call


@pytest.mark.parametrize(
    ("shaping", "says", "text", "requests"),
    [
        (ServiceShape(json_output=True), ["nonsense", '{"n": 1}'], "x", 2),
        (LONG, ["a line"], "word " * 500, 9),
        (ServiceShape(cache_s=60.0), ["Paris"], "x", 1),
    ],
)
def test_each_request_to_the_engine_counts_for_the_key(
    shaping: ServiceShape, says: list[Any], text: str, requests: int
) -> None:
    counted = Counted()

    async def act(scene: Scene) -> None:
        await scene.post(text)
        assert [asked["messages"] for asked in counted.asked] == scene.engine.prompts
        assert len(counted.asked) == requests
        if shaping.cache_s:
            await scene.post(text)
            assert len(counted.asked) == requests, "a kept answer took no tokens"

    play(shaping, act, *says, limits=counted)
