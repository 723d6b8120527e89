"""Keys and their limits, by a real HAProxy: revoked, expired, rotated, limited, and who sits at the chat page."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
import requests

from core import keys
from core.contract.documents import ApiKey, ApiKeys
from core.contract.network import WEBUI_KEY, WEBUI_TASK_HEADER
from core.keys import Change
from remote.services.keys import hash_of
from tests.e2e.gateway.front import KEY, Front, until

pytestmark = pytest.mark.e2e
WINDOW_S = 3
FRONT = {"RATE_WINDOW_S": WINDOW_S, "USER_REQUESTS_MAX": 1}
PAGE = "sk-pl-page"


@pytest.fixture(autouse=True)
def only_the_testers_key(front: Front) -> Iterator[None]:
    yield
    front.keys.change(lambda there, _: Change(tuple(k.sha256 for k in there.keys if k.name != "tester")))


def post(front: Front, key: str, *, prompt: str = "hi", headers: Any = None, **body: Any) -> requests.Response:
    said = {"model": "chat", "messages": [{"role": "user", "content": prompt}]} | body
    url = f"http://127.0.0.1:{front.ports['api']}/v1/chat/completions"
    return requests.post(url, json=said, headers={"Authorization": f"Bearer {key}"} | (headers or {}), timeout=30)


def headers_seen(front: Front) -> dict[str, str]:
    """The headers with which the engine got the last request."""
    found = requests.get(f"http://127.0.0.1:{front.ports['engine']}/seen", timeout=5).json()[-1]["headers"]
    return {name.lower(): value for name, value in found.items()}


def seen(front: Front) -> dict[str, str]:
    """Those of them in our name and the page's."""
    return {k: v for k, v in headers_seen(front).items() if k.startswith(("x-pilotlight-", "x-openwebui-"))}


def test_a_revoked_key_is_refused_at_once_and_its_stream_ends_well(front: Front) -> None:
    front.add_key("ann", "sk-ann")
    messages: Any = [{"role": "user", "content": "slow"}]
    stream = front.client("sk-ann").chat.completions.create(model="chat", messages=messages, stream=True)
    first = next(iter(stream))
    front.keys.change(lambda there, _: keys.revoke(there, "ann"))
    refused = post(front, "sk-ann")
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    rest = [chunk.choices[0].delta.content for chunk in stream]
    assert (first.choices[0].delta.content, len(rest), rest[-1]) == ("w0 ", 49, "w49 ")


def test_an_expired_key_is_told_so(front: Front) -> None:
    front.add_key("late", "sk-late", expires=time.time() - 1)
    front.add_key("soon", "sk-soon", expires=time.time() + 3600)
    late, unknown = post(front, "sk-late"), post(front, "sk-nobody")
    assert (late.status_code, late.json()["error"]["code"]) == (401, "expired_api_key")
    assert "has expired" in late.json()["error"]["message"]
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (401, "invalid_api_key")
    assert post(front, "sk-soon").status_code == 200


def test_rotated_with_grace_both_work_and_without_it_one(front: Front) -> None:
    front.add_key("ann", "sk-1")
    front.keys.change(lambda there, now: keys.rotate(there, "ann", hash_of("sk-2"), now=now, grace_s=600))
    assert [post(front, key).status_code for key in ("sk-1", "sk-2")] == [200, 200]
    front.keys.change(lambda there, now: keys.rotate(there, "ann", hash_of("sk-3"), now=now))
    assert [post(front, key).status_code for key in ("sk-1", "sk-2", "sk-3")] == [401, 401, 200]


def test_too_many_requests_a_minute_are_refused_until_the_next_one(front: Front) -> None:
    """A minute is the clock's, and WINDOW_S long here: of twice as many and one, some are over in any case."""
    front.add_key("ann", "sk-ann", rpm=2)
    answers = [post(front, "sk-ann") for _ in range(5)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused, [answer.status_code for answer in answers]
    error = refused[0].json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("requests", "rate_limit_exceeded", None)
    assert "may send 2 requests a minute" in error["message"]
    assert 1 <= int(refused[0].headers["retry-after"]) <= WINDOW_S
    assert refused[0].headers["x-should-retry"] == "true"
    assert post(front, KEY).status_code == 200, "others are not limited by it"
    patient = front.client("sk-ann", max_retries=3)
    assert patient.chat.completions.create(model="chat", messages=[{"role": "user", "content": "hi"}]).choices
    assert "requests_per_minute" in {line["limit"] for line in front.log("haproxy") if line.get("key") == "ann"}


def test_only_the_chat_pages_key_says_who_sits_there(front: Front) -> None:
    front.add_key(WEBUI_KEY, PAGE)
    who = {"X-OpenWebUI-User-Id": "u-1", "X-OpenWebUI-User-Email": "ann@example.org", "x-pilotlight-user": "eve"}
    assert post(front, PAGE, headers=who).status_code == 200
    assert seen(front) == {"x-pilotlight-key": WEBUI_KEY, "x-pilotlight-user": "u-1"}
    assert post(front, KEY, headers=who | {"x-pilotlight-quiet": "1"}).status_code == 200
    assert seen(front) == {"x-pilotlight-key": "tester"}, "a caller says nothing about itself"


def test_only_the_chat_pages_key_says_that_a_call_is_a_background_call(front: Front) -> None:
    front.add_key(WEBUI_KEY, PAGE)
    marked = {WEBUI_TASK_HEADER: "title_generation"}
    for secret, believed in ((PAGE, True), (KEY, False)):
        assert post(front, secret, headers=marked).status_code == 200
        assert (WEBUI_TASK_HEADER.lower() in headers_seen(front)) is believed


@pytest.mark.parametrize("user", ["a b", "u-1,u-2", "u/1", "x" * 65, "u\t1", '"u"'])
def test_what_is_no_account_is_nobody(front: Front, user: str) -> None:
    front.add_key(WEBUI_KEY, PAGE)
    assert post(front, PAGE, headers={"X-OpenWebUI-User-Id": user}).status_code == 200
    assert seen(front) == {"x-pilotlight-key": WEBUI_KEY}


def test_one_person_at_the_page_does_not_take_the_others_places(front: Front) -> None:
    front.add_key(WEBUI_KEY, PAGE)
    ann, bob = ({"X-OpenWebUI-User-Id": user} for user in ("ann", "bob"))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(post, front, PAGE, prompt="slow", headers=ann, stream=True)
        until(lambda: seen(front).get("x-pilotlight-user") == "ann", "Ann's stream runs")
        refused = post(front, PAGE, headers=ann)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        assert "one person at the chat page" in refused.json()["error"]["message"]
        assert post(front, PAGE, headers=bob).status_code == 200
        assert running.result(20).status_code == 200
    until(lambda: post(front, PAGE, headers=ann).status_code == 200, "Ann's place is free again")


def test_a_quiet_key_is_marked_for_the_relay(front: Front) -> None:
    front.add_key("watcher", "sk-quiet", quiet=True)
    assert post(front, "sk-quiet").status_code == 200
    assert seen(front) == {"x-pilotlight-key": "watcher", "x-pilotlight-quiet": "1"}


def test_a_key_whose_tokens_are_counted_goes_by_way_of_the_relay(front: Front) -> None:
    front.add_key("ann", "sk-ann", tokens_per_day=10**9)
    assert post(front, KEY).status_code == 200
    assert front.relayed() == []
    assert post(front, "sk-ann").status_code == 200
    until(lambda: front.relayed() == ["/v1/chat/completions"], "the relay's line, written after its answer")


def test_the_access_log_is_json_without_prompts_and_keys(front: Front) -> None:
    odd = 'ch"at\\\n' + "é" * 300
    url = f"http://127.0.0.1:{front.ports['api']}/v1/models/" + "a%22b" * 300 + "?token=sk-secret"
    post(front, KEY, prompt="tell nobody", model=odd)
    requests.get(url, headers={"Authorization": f"Bearer {KEY}"}, timeout=10)
    lines = [x for x in (front.folder / "haproxy.log").read_text().splitlines() if '"key"' in x]
    told = [json.loads(line) for line in lines]
    assert not any(word in line for line in lines for word in (KEY, "sk-secret", "tell nobody"))
    assert {"key", "user", "model", "limit", "status", "ms", "to"} <= set(told[-1])
    assert told[-1]["path"].startswith("/v1/models/a%22b")
    assert any(line["model"].startswith('ch"at') for line in told)


def test_the_list_knows_requests_and_last_use(front: Front) -> None:
    front.add_key("ann", "sk-ann")
    before = front.keys.read(usage=True).used.get("ann")
    post(front, "sk-ann")
    after = front.keys.read(usage=True)
    assert after.used["ann"].requests == (before.requests if before else 0) + 1
    assert after.now - 60 < after.used["ann"].at <= after.now


def test_keys_that_were_changed_while_haproxy_was_down_are_known_when_it_starts(front: Front) -> None:
    front.end("haproxy")
    after = front.keys.change(lambda _, now: Change(new=(ApiKey("ann", hash_of("sk-ann"), now),)))
    assert not after.running
    front.start_haproxy()
    until(lambda: post(front, "sk-ann").status_code == 200, "the engine's check is done")


def test_a_crash_between_disk_and_haproxy_is_mended_by_the_next_call(front: Front) -> None:
    path = front.folder / "keys.json"
    there = ApiKeys.from_json(path.read_text())
    bare = ApiKeys(there.schema_version, (*there.keys, ApiKey("ann", hash_of("sk-ann"), 1.0)))
    path.write_text(bare.to_json())
    assert post(front, "sk-ann").status_code == 401
    front.keys.read()
    assert post(front, "sk-ann").status_code == 200
    path.write_text(there.to_json())
    front.keys.read()
    assert post(front, "sk-ann").status_code == 401


def test_many_at_once_lose_no_key(front: Front) -> None:
    names = [f"many-{n}" for n in range(8)]
    start = threading.Barrier(len(names))

    def add(name: str) -> None:
        start.wait(20)
        front.keys.change(lambda there, now: keys.add(there, ApiKey(name, hash_of(name), now), now))

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(add, names))
    assert {key.name for key in front.keys.read().keys.keys} == {"tester", *names}
    assert [post(front, name).status_code for name in names] == [200] * len(names)


def test_the_key_of_a_deployments_check_is_left_alone(front: Front) -> None:
    mine = f"add map {front.folder / 'keys.map'} {hash_of('sk-check')} {keys.CHECK_KEY}:0:0:0:0"
    front.command(mine)
    front.add_key("ann", "sk-ann")
    assert post(front, "sk-check").status_code == 200
    front.command(f"del map {front.folder / 'keys.map'} {hash_of('sk-check')}")


def test_what_openai_raises(front: Front) -> None:
    with pytest.raises(openai.AuthenticationError, match="Incorrect or missing API key"):
        front.client("sk-nobody", max_retries=0).models.list()
