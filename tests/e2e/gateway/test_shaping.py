"""Shaped services with the real parts: HAProxy, the relay's process, Redis, the `openai` client, a fake engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
import requests
from redis_server import RedisServer

from core import lease as protocol
from core.contract.documents import ServiceRoute
from core.contract.network import BACKEND_RELAY, SHAPED_BYTES_MAX
from core.contract.shaping import Filter, ServiceShape
from tests.e2e.gateway.front import KEY, Front, until
from tests.e2e.gateway.test_gateway import stop_host

pytestmark = pytest.mark.e2e

MAIL = (Filter("e-mail address", r"[\w.]+@[\w.]+\w", "mask"),)
FRONT = {
    "services": (
        ServiceRoute("chat", "tiny"),
        ServiceRoute("faq", "tiny", ServiceShape(cache_s=60.0)),
        ServiceRoute("safe", "tiny", ServiceShape(input_filter=MAIL, output_check=MAIL, template="Polish: {input}")),
    )
}


@pytest.fixture
def redis(whole_front: Front) -> Iterator[RedisServer]:
    """Beside the relay, which finds it by its socket."""
    made = RedisServer(whole_front.folder)
    made.start()
    until(lambda: whole_front.health()["redis"] == "ok", "the relay has found Redis")
    yield made
    made.stop()


def said(front: Front, service: str, text: str) -> str:
    messages: Any = [{"role": "user", "content": text}]
    with front.client() as client:
        return str(client.chat.completions.create(model=service, messages=messages).choices[0].message.content)


def streamed(front: Front, service: str, text: str) -> str:
    messages: Any = [{"role": "user", "content": text}]
    with (
        front.client() as client,
        client.chat.completions.create(model=service, messages=messages, stream=True) as found,
    ):
        return "".join(chunk.choices[0].delta.content or "" for chunk in found if chunk.choices)


def post(front: Front, service: str, text: str) -> requests.Response:
    body = {"model": service, "messages": [{"role": "user", "content": text}]}
    url, key = f"http://127.0.0.1:{front.ports['api']}/v1/chat/completions", {"Authorization": f"Bearer {KEY}"}
    return requests.post(url, json=body, headers=key, timeout=20)


def prompts(front: Front) -> list[str]:
    return [s["prompt"] for s in requests.get(f"http://127.0.0.1:{front.ports['engine']}/seen", timeout=5).json()]


def test_only_shaped_services_go_by_way_of_the_relay(front: Front) -> None:
    assert said(front, "chat", "hi") == "Paris"
    assert front.relayed() == []
    assert said(front, "safe", "hi") == "Paris"
    until(lambda: front.relayed() == ["/v1/chat/completions"], "the relay logged it")
    assert BACKEND_RELAY in front.all_routes()["safe"]


def test_what_a_filter_finds_never_reaches_the_engine(front: Front) -> None:
    before = len(prompts(front))
    answer = post(front, "safe", "I am a@b.de").json()
    assert prompts(front)[before:] == ["Polish: I am [e-mail address]"]
    assert answer["pilotlight"]["masked"] == {"e-mail address": 1}
    assert streamed(front, "safe", "I am a@b.de") == "Paris", "held, and asked for in one piece"


def test_a_large_body_for_a_shaped_service_is_refused_and_one_for_another_is_not(front: Front) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        said(front, "safe", "x" * SHAPED_BYTES_MAX)
    assert (refused.value.status_code, refused.value.code) == (413, "request_too_large")
    assert said(front, "chat", "x" * SHAPED_BYTES_MAX) == "Paris"


def test_a_kept_answer_is_served_while_the_host_is_off_and_wakes_nothing(front: Front, redis: RedisServer) -> None:
    text = "what are your hours?"
    assert streamed(front, "faq", text) == "w0 w1 w2 "
    again = post(front, "faq", text)
    assert again.json()["choices"][0]["message"]["content"] == "w0 w1 w2 "
    assert again.headers["x-pilotlight-cache"] == "hit"
    assert prompts(front).count(text) == 1
    stop_host(front)
    assert post(front, "faq", text).headers["x-pilotlight-cache"] == "hit"
    assert streamed(front, "faq", text) == "w0 w1 w2 "
    assert not front.health()["wanted"]
    assert (front.lease().state, front.machine()) == (protocol.State.STOPPED, "stopped")


def test_without_redis_requests_go_on(front: Front, redis: RedisServer) -> None:
    assert post(front, "faq", "one").headers["x-pilotlight-cache"] == "miss"
    redis.stop()
    for _ in range(2):
        answer = post(front, "faq", "one")
        assert (answer.status_code, answer.headers["x-pilotlight-cache"]) == (200, "miss")
    until(lambda: front.health()["redis"] != "ok", "the relay says so")
