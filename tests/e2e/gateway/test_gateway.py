"""The gateway's real parts together: HAProxy with our configuration, the relay's process, the `openai` client."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import openai
import pytest
import requests

from core import lease as protocol
from core.contract.network import WEBUI_KEY, WEBUI_TASK_HEADER
from tests.e2e.gateway.front import KEY, RELAYS, Front, until

pytestmark = pytest.mark.e2e


def ask(client: openai.OpenAI, prompt: str, **options: Any) -> Any:
    return client.chat.completions.create(model="chat", messages=[{"role": "user", "content": prompt}], **options)


def words(stream: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def generations(front: Front) -> int:
    return front.relayed().count("/v1/chat/completions")


def engine_seen(front: Front) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(f"http://127.0.0.1:{front.ports['engine']}/seen", timeout=5).json()
    return found


def in_background(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    return thread, answers


def stop_host(front: Front) -> None:
    """Drain, look, power off: as reaper and agent do."""
    front.act(protocol.drain, reason="idle")
    front.act(protocol.stop, boot_id=front.lease().boot_id)
    front.end("engine", kill=True)
    front.ec2.stop_instances(InstanceIds=[front.instance_id])
    until(lambda: front.lease().state == protocol.State.STOPPED, "STOPPED")


def test_awake_traffic_never_touches_the_relay(front: Front) -> None:
    client = front.client()
    assert ask(client, "hi").choices[0].message.content == "Paris"
    assert words(ask(client, "hi", stream=True)) == "w0 w1 w2 "
    assert generations(front) == 0
    headers = {k.lower() for k in engine_seen(front)[-1]["headers"]}
    assert "authorization" not in headers
    assert ours(front) == {"x-pilotlight-key": "tester"}, "the key's name, for a request that would have fallen back"


def test_relay_killed_awake_traffic_goes_on(front: Front) -> None:
    front.end_relays(kill=True)
    assert ask(front.client(), "hi").choices[0].message.content == "Paris"
    front.start_relays()
    assert front.client().models.list().data[0].id == "chat"


def test_both_relays_killed_while_they_queue_the_sdk_asks_again_and_is_answered(front: Front) -> None:
    stop_host(front)
    asked, refused = front.client(), front.client(max_retries=0)
    again, answers = in_background(lambda: ask(asked, "hi"))
    once, errors = in_background(lambda: _error(lambda: ask(refused, "hi")))
    until(lambda: waiting(front) == 2, "queued")
    front.end_relays(kill=True)
    once.join(20)
    assert (errors[0].status_code, errors[0].code) in ((502, "relay_restarted"), (503, "gateway_unavailable"))
    front.start_relays()
    until(lambda: waiting(front) == 1, "queued again")
    until(lambda: front.machine() == "running", "started, whoever had begun with it")
    front.start_engine()
    front.agent_ready("boot-2")
    again.join(30)
    assert answers[0].choices[0].message.content == "Paris"
    assert len(engine_seen(front)) == 1


def waiting(front: Front) -> int:
    return int(front.health()["waiting"])


def _error(call: Callable[[], Any]) -> Any:
    with pytest.raises(openai.InternalServerError) as caught:
        call()
    return caught.value


def test_a_prompt_that_hides_its_model_is_relayed_with_its_body_intact(front: Front) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "x" * 400_000}], "model": "chat"})
    url, headers = f"http://127.0.0.1:{front.ports['api']}/v1/chat/completions", {"Authorization": f"Bearer {KEY}"}
    answer = requests.post(url, data=body, headers=headers, timeout=20)
    assert answer.json()["choices"][0]["message"]["content"] == "Paris"
    until(lambda: generations(front) == 1, "the relay logged it")
    assert [s["prompt"] for s in engine_seen(front)].count("x" * 40) == 1


REFUSALS = [
    ("POST", "/v1/chat/completions", "wrong", 401, "invalid_api_key"),
    ("POST", "/v1/chat/completions", "", 401, "invalid_api_key"),
    ("GET", "/v1/models", "wrong", 401, "invalid_api_key"),
    ("GET", "/v2", KEY, 404, "unknown_url"),
    ("POST", "/tokenize", KEY, 404, "unknown_url"),
    ("POST", "/v1/embeddings", KEY, 400, "no_embeddings"),
    ("GET", "/v1/responses/resp_1", KEY, 404, "responses_not_kept"),
    ("DELETE", "/v1/responses/resp_1", KEY, 404, "responses_not_kept"),
    ("POST", "/v1/responses/resp_1/cancel", KEY, 404, "responses_not_kept"),
    ("GET", "/v1/responses", KEY, 405, "method_not_allowed"),
    ("POST", "/v1/responses", "wrong", 401, "invalid_api_key"),
    ("POST", "/v1/responses", KEY, 400, "invalid_json"),
    ("POST", "/v1/chat/completions/", KEY, 404, "unknown_url"),
    ("GET", "/v1/chat/completions", KEY, 405, "method_not_allowed"),
    ("POST", "/v1/models", KEY, 405, "method_not_allowed"),
    ("GET", "/v1/models/other", KEY, 404, "model_not_found"),
    ("POST", "/v1/chat/completions", KEY, 400, "invalid_json"),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda c: f"{c[0]} {c[1]} {c[4]}")
def test_refusals_have_openais_shape(front: Front, case: tuple[str, str, str, int, str]) -> None:
    method, path, key, status, code = case
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"http://127.0.0.1:{front.ports['api']}{path}"
    answer = requests.request(method, url, headers=headers, data="{bad", timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_refused_port_falls_back_to_the_relay_and_the_body_arrives_once(front: Front) -> None:
    front.end("engine", kill=True)
    thread, answers = in_background(lambda: ask(front.client(max_retries=0), "y" * 50_000))
    until(lambda: waiting(front), "queued")
    front.start_engine()
    thread.join(20)
    assert answers[0].choices[0].message.content == "Paris"
    assert [s["prompt"] for s in engine_seen(front)] == ["y" * 40]


@pytest.mark.parametrize("seen", [True, False], ids=["marked down", "not yet marked down"])
def test_a_request_that_falls_back_to_the_relay_brings_its_keys_name(front: Front, seen: bool) -> None:
    until(lambda: engine_is(front, "UP"), "HAProxy has seen it")
    front.end("engine", kill=True)
    if seen:
        until(lambda: engine_is(front, "DOWN"), "HAProxy has seen it")
    thread, answers = in_background(lambda: ask(front.client(max_retries=0), "whose"))
    until(lambda: waiting(front), "queued")
    front.start_engine()
    thread.join(20)
    assert answers[0].choices
    assert [line["key"] for line in front.relays_log() if line.get("path") == "/v1/chat/completions"][-1] == "tester"
    assert not ours(front), "the relay hands on without it"
    until(lambda: engine_is(front, "UP"), "HAProxy has seen it")
    ask(front.client(), "hi", extra_headers={"X-Pilotlight-Key": "another", "X-Pilotlight-Engine": "big"})
    assert ours(front) == {"x-pilotlight-key": "tester"}, "and a caller cannot name another's"


def ours(front: Front) -> dict[str, str]:
    """Headers in our name that the engine's last request had."""
    headers = {name.lower(): value for name, value in engine_seen(front)[-1]["headers"].items()}
    return {name: value for name, value in headers.items() if name.startswith("x-pilotlight-")}


def engine_is(front: Front, state: str) -> bool:
    text = requests.get(f"http://127.0.0.1:{front.ports['metrics']}/metrics", timeout=5).text
    row = f'haproxy_server_status{{proxy="engine_tiny",server="host",state="{state}"}} 1'
    return row in text.splitlines()


def test_an_engine_that_dies_in_mid_request_gets_it_once(front: Front) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        ask(front.client(max_retries=0), "die")
    assert caught.value.status_code == 502
    assert caught.value.code == "engine_crashed"
    front.processes["engine"].wait(
        10
    )  # its port closes a moment before it has ended, and only then it is started again


def test_cordon_then_demand_resumes(front: Front) -> None:
    front.act(protocol.drain, reason="idle")
    until(lambda: front.lease().cordon_epoch == front.lease().epoch, "cordon")
    assert front.routes() == "relay"
    until(lambda: front.states() == {"draining"}, "the other relay was told")
    assert ask(front.client(), "stay").choices[0].message.content == "Paris"
    assert (front.lease().state, front.lease().by) == (protocol.State.RUNNING, "relay")
    until(lambda: front.routes() == "engine_tiny", "routes open again")


def test_stopped_host_is_woken_by_a_streamed_and_a_plain_request(front: Front) -> None:
    stop_host(front)
    assert front.routes() == "relay"
    streamed, first = in_background(lambda: words(ask(front.client(), "wake", stream=True)))
    plain, second = in_background(lambda: ask(front.client(), "wake"))
    until(lambda: front.machine() == "running", "started")
    assert front.lease().state == protocol.State.STARTING
    assert (front.lease().by, front.lease().wake_by, front.lease().reason) == (
        "relay",
        "key tester",
        "wanted by key tester",
    )
    front.start_engine()
    front.agent_ready("boot-2")
    streamed.join(20)
    plain.join(20)
    assert first == ["w0 w1 w2 "]
    assert second[0].choices[0].message.content == "Paris"
    assert front.lease().wake_until is None


def test_what_does_not_wake(front: Front) -> None:
    stop_host(front)
    front.add_key(WEBUI_KEY, "sk-page")
    client = front.client(max_retries=2)
    assert client.models.list().data[0].to_dict()["state"] == "stopped"
    for refused in (
        lambda: ask(front.client("wrong"), "x"),
        lambda: ask(front.client("sk-page"), "x", extra_headers={WEBUI_TASK_HEADER: "title_generation"}),
        lambda: client.chat.completions.create(model="other", messages=[{"role": "user", "content": "x"}]),
    ):
        with pytest.raises(openai.APIStatusError):
            refused()
    until(lambda: generations(front) == 2, "two at the relay")
    assert front.client().models.list().data, "nothing after them: x-should-retry keeps the SDK from it"
    assert generations(front) == 2
    assert front.lease().state == protocol.State.STOPPED
    assert front.lease().wake_until is None


def test_a_caller_who_hangs_up_leaves_the_wake_request_and_frees_the_engine(front: Front) -> None:
    with ask(front.client(), "slow", stream=True) as stream:
        next(iter(stream))
    until(lambda: engine_seen(front)[-1].get("left"), "the engine saw the caller leave")
    stop_host(front)
    url, headers = f"http://127.0.0.1:{front.ports['api']}/v1/chat/completions", {"Authorization": f"Bearer {KEY}"}
    body = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    with requests.post(url, json=body, headers=headers, stream=True, timeout=10) as queued:
        assert next(queued.iter_lines()).startswith(b": pilotlight")
    until(lambda: waiting(front) == 0, "the caller is gone")
    until(lambda: front.machine() == "running", "started all the same")


def test_a_silent_generation_ends_when_its_caller_leaves(front: Front) -> None:
    """Nothing is written to the caller, so only abortonclose tells the engine."""
    with pytest.raises(openai.APITimeoutError):
        ask(front.client(max_retries=0, timeout=1.0), "think")
    until(lambda: engine_seen(front)[-1].get("left"), "the engine saw the caller leave")


def test_a_silent_relayed_generation_ends_too(front: Front) -> None:
    """By way of the relay: abortonclose twice, and the relay's handler_cancellation between them."""
    front.act(protocol.drain, reason="idle")
    until(lambda: front.routes() == "relay", "cordon")
    with pytest.raises(openai.APITimeoutError):
        ask(front.client(max_retries=0, timeout=2.0), "think again")
    until(lambda: engine_seen(front)[-1].get("left"), "the engine saw the caller leave")
    assert engine_seen(front)[-1]["prompt"] == "think again"


def test_haproxy_restarted_routes_are_opened_again(front: Front) -> None:
    front.end("haproxy", kill=True)
    front.start_haproxy()
    assert ask(front.client(), "hi").choices[0].message.content == "Paris"
    until(lambda: front.routes() == "engine_tiny", "routes open again")


def test_metrics_are_for_the_gateway_only(front: Front) -> None:
    text = requests.get(f"http://127.0.0.1:{front.ports['metrics']}/metrics", timeout=5).text
    assert "haproxy_backend_http_responses_total" in text


@pytest.mark.parametrize("relay", RELAYS)
def test_a_relay_stays_small(front: Front, relay: str) -> None:
    stop_host(front)
    pid = front.processes[relay].pid
    time.sleep(1)
    with open(f"/proc/{pid}/status") as status:
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    print(f"{relay}: {resident} KiB resident")  # noqa: T201 - shown by `pytest -s`
    assert resident < 120 * 1024, f"{resident} KiB"
