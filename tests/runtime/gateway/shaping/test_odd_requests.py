"""Requests that are JSON and no sense: each is answered, and none is the relay's own error."""

from __future__ import annotations

from typing import Any

import pytest

from core.contract.shaping import Filter, ServiceShape
from tests.runtime.gateway.shaping.scenes import Scene, play

EVERYTHING = ServiceShape(
    system_prompt="s",
    temperature=0.5,
    max_tokens=50,
    template="t {input}",
    input_filter=(Filter("a", "secret", "mask"),),
    output_check=(Filter("b", "secret", "refuse"),),
    session_tokens=10**9,
    summarize=True,
    cache_s=60.0,
)
DEEP: Any = "x"
for _ in range(300):
    DEEP = [DEEP]
ODD: list[dict[str, Any]] = [
    {"messages": "hi"},
    {"messages": {}},
    {"messages": [1]},
    {"messages": [None]},
    {"messages": [{}]},
    {"messages": [{"role": ["user"]}]},
    {"messages": [{"role": "user"}]},
    {"messages": [{"role": "user", "content": 5}]},
    {"messages": [{"role": "user", "content": {"text": "x"}}]},
    {"messages": [{"role": "user", "content": [1, None, {"text": 5}, {"type": "text"}]}]},
    {"messages": [{"role": "assistant", "content": None, "tool_calls": "x"}, {"role": "user", "content": "continue"}]},
    {"messages": [{"role": "system", "content": "only"}]},
    {"messages": [{"role": "user", "content": DEEP}]},
    {"stream_options": "x"},
    {"stream_options": {"include_usage": "perhaps"}},
    {"response_format": 7},
    {"user": 7},
    {"tools": [5], "tool_choice": {"x": []}},
    {"max_tokens": True},
    {"n": 2},
]
ANSWERS: list[Any] = ["Paris", "", {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f"}}]}]


@pytest.mark.parametrize("odd", ODD, ids=str)
@pytest.mark.parametrize("stream", [False, True])
def test_no_request_is_the_relays_error(odd: dict[str, Any], stream: bool) -> None:
    async def act(scene: Scene) -> None:
        status, _, _ = await scene.post(stream=stream, **odd)
        assert status in (200, 400)

    play(EVERYTHING, act)


@pytest.mark.parametrize("says", ANSWERS, ids=str)
@pytest.mark.parametrize("shaping", [EVERYTHING, ServiceShape(json_output=True, cache_s=1.0)], ids=["all", "json"])
def test_no_answer_is_the_relays_error(says: Any, shaping: ServiceShape) -> None:
    async def act(scene: Scene) -> None:
        status, _, answer = await scene.post()
        assert (status, len(answer["choices"])) == (200, 1)
        _, found = await scene.stream("again")
        assert found[-1] == "[DONE]"

    play(shaping, act, says)
