"""Every dialect through the real front door, by its official client: awake, cold and refused."""

from __future__ import annotations

from collections.abc import Callable

import anthropic
import openai
import pytest
import requests

from core import lease as protocol
from tests.e2e.gateway.front import KEY, Front, until
from tests.e2e.gateway.test_gateway import engine_seen, in_background, stop_host, waiting

pytestmark = pytest.mark.e2e

MESSAGE = {"model": "chat", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
COUNTED = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
Ask = Callable[[Front], str]


def claude(front: Front, key: str = KEY, **options: object) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=f"http://127.0.0.1:{front.ports['api']}", api_key=key, **options)


def respond(front: Front) -> str:
    with front.client() as client:
        return str(client.responses.create(model="chat", input="hi").output_text)


def respond_streamed(front: Front) -> str:
    with front.client() as client, client.responses.create(model="chat", input="hi", stream=True) as events:
        return "".join(e.delta for e in events if e.type == "response.output_text.delta")


def message(front: Front) -> str:
    with claude(front) as client:
        return "".join(block.text for block in client.messages.create(**MESSAGE).content)


def message_streamed(front: Front) -> str:
    with claude(front) as client, client.messages.stream(**MESSAGE) as stream:
        return stream.get_final_text()


SAID = {respond: "Paris", respond_streamed: "w0 w1 w2 ", message: "Paris", message_streamed: "w0 w1 w2 "}


@pytest.mark.parametrize("ask", SAID)
def test_awake_by_no_code_of_ours(front: Front, ask: Ask) -> None:
    assert ask(front) == SAID[ask]
    assert not [path for path in front.relayed() if "chat" not in path]


def test_cold_all_of_them_wait_for_one_wake(front: Front) -> None:
    stop_host(front)
    asked = {ask: in_background(lambda ask=ask: ask(front)) for ask in SAID}
    until(lambda: waiting(front) == len(SAID), "queued")
    until(lambda: front.machine() == "running", "started")
    front.start_engine()
    front.agent_ready("boot-2")
    for thread, _ in asked.values():
        thread.join(30)
    assert {ask: answers for ask, (_, answers) in asked.items()} == {ask: [said] for ask, said in SAID.items()}


@pytest.mark.parametrize("ask", [respond_streamed, message_streamed])
def test_a_start_that_fails_ends_the_stream_with_the_clients_own_error(front: Front, ask: Ask) -> None:
    stop_host(front)
    thread, errors = in_background(lambda: _error(lambda: ask(front)))
    until(lambda: waiting(front) == 1, "queued")
    until(lambda: front.machine() == "running", "started")
    front.act(protocol.fail, by="reaper", reason="never ready", failure="start-timeout", order=False)
    thread.join(20)
    assert "did not get ready in time" in str(errors[0])
    front.act(protocol.request_wake, by="test", until=front.store.read(front.lease().unit).now + 60)
    front.act(protocol.start, by="reaper")


def _error(call: Callable[[], object]) -> Exception:
    with pytest.raises((openai.APIError, anthropic.APIError)) as caught:
        call()
    return caught.value


def test_counting_tokens_awake_and_never_waking(front: Front) -> None:
    with claude(front) as client:
        assert client.messages.count_tokens(**COUNTED).input_tokens == 7
        stop_host(front)
        with pytest.raises(anthropic.APIStatusError) as caught:
            client.messages.count_tokens(**COUNTED)
    assert (caught.value.status_code, caught.value.response.json()["error"]["code"]) == (503, "asleep")
    assert (front.lease().state, front.lease().wake_until) == (protocol.State.STOPPED, None)


def test_a_key_in_anthropics_header_is_one_too(front: Front) -> None:
    url = f"http://127.0.0.1:{front.ports['api']}/v1/messages"
    assert requests.post(url, json=MESSAGE, headers={"x-api-key": KEY}, timeout=10).status_code == 200
    assert "x-api-key" not in {name.lower() for name in engine_seen(front)[-1]["headers"]}
    both = {"x-api-key": KEY, "Authorization": "Bearer of another gateway"}
    assert requests.post(url, json=MESSAGE, headers=both, timeout=10).status_code == 200
    assert requests.post(url, json=MESSAGE, headers={"x-api-key": "wrong"}, timeout=10).status_code == 401


REFUSALS = [
    ("POST", "/v1/messages", "wrong", 401, "authentication_error", "invalid_api_key"),
    ("POST", "/v1/messages", "", 401, "authentication_error", "invalid_api_key"),
    ("GET", "/v1/messages", KEY, 405, "invalid_request_error", "method_not_allowed"),
    ("POST", "/v1/messages/batches", KEY, 404, "not_found_error", "unknown_url"),
    ("POST", "/v1/messages", KEY, 400, "invalid_request_error", "invalid_json"),
    ("POST", "/v1/messages/count_tokens", KEY, 400, "invalid_request_error", "invalid_json"),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda c: f"{c[0]} {c[1]} {c[5]}")
def test_refusals_have_anthropics_shape(front: Front, case: tuple[str, str, str, int, str, str]) -> None:
    method, path, key, status, kind, code = case
    url, headers = f"http://127.0.0.1:{front.ports['api']}{path}", {"x-api-key": key} if key else {}
    answer = requests.request(method, url, headers=headers, data="{bad", timeout=10)
    assert (answer.status_code, answer.json()["type"]) == (status, "error")
    assert (answer.json()["error"]["type"], answer.json()["error"]["code"]) == (kind, code)


def test_an_engine_that_dies_in_mid_request_has_the_paths_shape(front: Front) -> None:
    dies = {**MESSAGE, "messages": [{"role": "user", "content": "die"}]}
    with claude(front, max_retries=0) as client, pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(**dies)
    assert caught.value.status_code == 502
    assert caught.value.response.json()["error"]["type"] == "api_error"
    front.processes["engine"].wait(10)
