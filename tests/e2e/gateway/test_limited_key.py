"""A key with a token limit, awake, behind a real HAProxy: it goes by way of the relay, and no other key does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import openai
import pytest
import requests
from front import RELAYS, Front, until
from redis_server import RedisServer

from core.contract.documents import ApiKeys
from core.keys import Change

pytestmark = pytest.mark.e2e

CHAT = "/v1/chat/completions"
SECRET = "sk-pl-limited"


@pytest.fixture(scope="module")
def server(whole_front: Front) -> Iterator[RedisServer]:
    made = RedisServer(whole_front.folder)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def redis(front: Front, server: RedisServer) -> RedisServer:
    until(lambda: front.health()["redis"] == "ok", "the relay has found its Redis")
    return server


def ask(front: Front, secret: str, **options: object) -> None:
    client = front.client(secret, max_retries=0)
    client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "hi"}], **options)


def relayed(front: Front) -> int:
    return front.relayed().count(CHAT)


def requests_to(front: Front, key: str) -> list[str]:
    return [str(line["to"]) for line in front.log("haproxy") if line.get("key") == key]


def metrics(front: Front) -> list[str]:
    """Of both relays."""
    urls = (f"http://127.0.0.1:{front.ports[relay]}/metrics" for relay in RELAYS)
    return [line for url in urls for line in requests.get(url, timeout=5).text.splitlines()]


def test_only_a_limited_key_goes_by_way_of_the_relay(front: Front, redis: RedisServer) -> None:
    front.add_key("ann", SECRET, tokens_per_day=3000)
    ask_any = front.client(max_retries=0).chat.completions.create
    ask_any(model="chat", messages=[{"role": "user", "content": "hi"}])
    assert relayed(front) == 0
    ask(front, SECRET, max_tokens=10)
    until(lambda: relayed(front) == 1, "the relay says that it answered")
    ask(front, SECRET, max_tokens=10)
    assert {to.partition("/")[0] for to in requests_to(front, "ann")} == {"relay"}
    with pytest.raises(openai.RateLimitError) as refused:  # this engine says no usage, so all that was reserved counts
        ask(front, SECRET, max_tokens=10)
    assert refused.value.code == "tokens_per_day"
    assert "it resets at 00:00 UTC" in str(refused.value)
    front.keys.change(lambda there, _: _unlimited(there))
    until(lambda: _passes(front), "a limit that was taken away counts no longer")


def _unlimited(there: ApiKeys) -> Change:
    own = there.named("ann")
    assert own is not None
    return Change(gone=(own.sha256,), new=(dataclasses.replace(own, tokens_per_day=None),))


def _passes(front: Front) -> bool:
    try:
        ask(front, SECRET, max_tokens=10)
    except openai.RateLimitError:
        return False
    return True


def test_the_exporter_is_the_gateways_alone_and_counts_refusals(front: Front, redis: RedisServer) -> None:
    front.add_key("bob", "sk-pl-bob", tokens_per_day=1)
    with pytest.raises(openai.RateLimitError):
        ask(front, "sk-pl-bob")
    found = metrics(front)
    assert any(line.startswith('pilotlight_relay_refusals_total{code="tokens_per_day"}') for line in found)
    assert "pilotlight_redis_up 1.0" in found
    assert 'pilotlight_relay_queue_length{unit="lab/host"} 0.0' in found
    from_outside = requests.get(
        f"http://127.0.0.1:{front.ports['api']}/metrics", headers={"Authorization": "Bearer sk-pl-bob"}, timeout=5
    )
    assert from_outside.status_code == 404
