"""The other dialects with the real vLLM, awake and cold: that it serves them, and takes what the clients send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from core.contract.documents import Outputs
from tests.e2e.world import Stack

ASKED: list[Any] = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]


@pytest.fixture
def claude(demo: Stack) -> Iterator[anthropic.Anthropic]:
    """Straight to the gateway: a proxy in the environment does not know the cloud's addresses."""
    url = demo.watch.outputs[Outputs.API_URL].removesuffix("/v1")
    with (
        anthropic.DefaultHttpxClient(trust_env=False) as straight,
        anthropic.Anthropic(base_url=url, api_key=demo.key, http_client=straight) as client,
    ):
        yield client


def test_awake(demo: Stack, claude: anthropic.Anthropic) -> None:
    demo.wake()
    response = demo.caller.client.responses.create(
        model=demo.caller.model, input=ASKED[0]["content"], temperature=0, max_output_tokens=40
    )
    assert "Paris" in response.output_text
    message = claude.messages.create(
        model=demo.caller.model, max_tokens=40, messages=ASKED, extra_body={"temperature": 0}
    )
    assert "Paris" in "".join(block.text for block in message.content if block.type == "text")
    assert claude.messages.count_tokens(model=demo.caller.model, messages=ASKED).input_tokens > 5


def test_cold_a_message_is_streamed(demo: Stack, claude: anthropic.Anthropic) -> None:
    demo.sleep()
    with claude.messages.stream(
        model=demo.caller.model, max_tokens=40, messages=ASKED, extra_body={"temperature": 0}
    ) as stream:
        assert "Paris" in stream.get_final_text()


def test_cold_a_response_is_streamed(demo: Stack) -> None:
    demo.sleep()
    events = demo.caller.client.responses.create(
        model=demo.caller.model, input=ASKED[0]["content"], temperature=0, max_output_tokens=40, stream=True
    )
    with events:
        assert "Paris" in "".join(e.delta for e in events if e.type == "response.output_text.delta")


def test_off_neither_counting_nor_what_is_hopeless_wakes(demo: Stack, claude: anthropic.Anthropic) -> None:
    demo.sleep()
    with pytest.raises(anthropic.APIStatusError) as counted:
        claude.messages.count_tokens(model=demo.caller.model, messages=ASKED)
    assert counted.value.response.json()["error"]["code"] == "asleep"
    for wrong in ({"messages": []}, {"messages": ASKED, "max_tokens": 0}):
        with pytest.raises(openai.BadRequestError):
            demo.caller.client.chat.completions.create(model=demo.caller.model, **wrong)
    with pytest.raises(openai.BadRequestError, match="embeddings"):
        demo.caller.client.embeddings.create(model=demo.caller.model, input="x")
    assert (demo.state(), demo.watch.ec2_state()) == ("STOPPED", "stopped")
