"""What no engine can answer is refused before it wakes anything, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.contract.documents import ServiceRoute
from core.lease import State
from runtime.gateway.api import call
from runtime.gateway.api.bodies import Body
from runtime.gateway.errors import Refusal
from tests.runtime.gateway.api.test_app import play, raw
from tests.runtime.gateway.stage import FakeEngine, Stage

SERVICES = {"chat": ServiceRoute("chat", "tiny")}
CHAT, TEXT, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"
GOOD: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "hi"}]},
    TEXT: {"prompt": "hi"},
    RESPONSES: {"input": "hi"},
    MESSAGES: {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1},
    COUNT: {"messages": [{"role": "user", "content": "hi"}]},
}
GONE = object()


def read(path: str, changes: dict[str, Any]) -> call.Call:
    body, members = Body(), {"model": "chat", **GOOD[path], **changes}
    body.add(json.dumps({name: value for name, value in members.items() if value is not GONE}).encode())
    return call.read(path, body, {}, SERVICES)


REFUSED = [
    *((path, "messages", value) for path in (CHAT, MESSAGES, COUNT) for value in ([], None, GONE, "hi", {}, 3)),
    *(
        (CHAT, name, value)
        for name in ("max_tokens", "max_completion_tokens")
        for value in (0, -1, "many", [], {}, "0")
    ),
    *((CHAT, "n", value) for value in (0, -3, 10**6, [2])),
    *((CHAT, "temperature", value) for value in (-0.1, "hot", [], float("nan"))),
    *((CHAT, "top_p", value) for value in (0, 1.1)),
    (CHAT, "presence_penalty", 2.1),
    (CHAT, "frequency_penalty", -2.1),
    (CHAT, "tools", {}),
    (CHAT, "stop", 3),
    *((TEXT, "prompt", value) for value in ("", None, GONE, 3, {})),
    (TEXT, "max_tokens", -1),
    *((RESPONSES, "input", value) for value in (None, GONE, 3, {})),
    (RESPONSES, "max_output_tokens", 0),
    (RESPONSES, "previous_response_id", "resp_1"),
    (RESPONSES, "background", True),
    *((MESSAGES, "max_tokens", value) for value in (None, GONE, 0, -1)),
]


@pytest.mark.parametrize(("path", "name", "value"), REFUSED)
def test_refused_and_named(path: str, name: str, value: Any) -> None:
    with pytest.raises(Refusal) as caught:
        read(path, {name: value})
    assert (caught.value.status, caught.value.code, caught.value.error["param"]) == (400, "invalid_request", name)
    assert f"`{name}`" in caught.value.error["message"]


LEFT = [
    *((path, "stream", None) for path in GOOD),
    *((CHAT, "max_tokens", value) for value in (1, None, GONE, "5", 5.0, 10**9)),
    *((CHAT, "n", value) for value in (1, None, 16384)),
    *((CHAT, "temperature", value) for value in (0, 2.5, None, "0.7")),
    *((CHAT, "top_p", value) for value in (1, 0.01)),
    *((CHAT, "stop", value) for value in ("a", ["a"], [], None)),
    (CHAT, "tools", []),
    (CHAT, "messages", ["x"]),  # what is below the top level is the engine's to judge
    *((TEXT, "prompt", value) for value in ("x" * 5000, ["a", "b"], [1, 2], [])),
    (TEXT, "max_tokens", 0),  # with `echo` it is an answer
    *((RESPONSES, "input", value) for value in ("", [], [{"role": "user", "content": "hi"}])),
    (RESPONSES, "background", False),
    (RESPONSES, "previous_response_id", None),
    (RESPONSES, "store", True),
]


@pytest.mark.parametrize(("path", "name", "value"), LEFT)
def test_left_to_the_engine(path: str, name: str, value: Any) -> None:
    assert read(path, {name: value}).path == path


def test_a_prompt_may_come_as_embeddings() -> None:
    assert read(TEXT, {"prompt": GONE, "prompt_embeds": "abc"})


def test_beam_search_has_rules_of_its_own() -> None:
    assert read(CHAT, {"temperature": -1, "use_beam_search": True})


def test_nothing_is_woken() -> None:
    async def scene(stage: Stage, engine: FakeEngine, url: str) -> None:
        status, _, text = await raw(url, {"model": "chat", "messages": [], "stream": True})
        assert (status, json.loads(text)["error"]["param"]) == (400, "messages")
        assert not stage.queue.wanted

    play(scene, State.STOPPED)
