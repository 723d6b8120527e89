"""Shaped services with the real vLLM: structured output, "continue", and a kept answer while the host is off.

What only a real engine can show: that vLLM takes what the stages ask of it. The rest is in `tests/e2e/gateway/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from local import project
from runtime.gateway.shaping.truncation import MARK
from tests.e2e.world import Stack

SCHEMA = {
    "type": "object",
    "properties": {"city": {"enum": ["Paris", "Rome", "Berlin"]}, "known": {"type": "boolean"}},
    "required": ["city", "known"],
    "additionalProperties": False,
}
SERVICES = {
    "smollm2": {"engine": "smollm2"},
    "tables": {"engine": "smollm2", "temperature": 0, "maxTokens": 60, "output": SCHEMA, "cache": "1h"},
    "brief": {"engine": "smollm2", "temperature": 0, "maxTokens": 4},
}


@pytest.fixture(scope="module")
def shaped(demo: Stack) -> Iterator[Stack]:
    """The demo's stack with two more services on its engine; as it was afterwards."""
    file = project.stack_file(demo.cloud.state, demo.name)
    before = file.read_text()
    changed = yaml.safe_load(before)
    changed["config"]["pilotlight:services"] = SERVICES
    file.write_text(yaml.safe_dump(changed, sort_keys=False))
    try:
        demo.wake()
        demo.fab("deploy", "-s", demo.name)
        yield demo
    finally:
        file.write_text(before)
        demo.wake()
        demo.fab("deploy", "-s", demo.name)


def ask(stack: Stack, service: str, *messages: Any) -> Any:
    found = stack.caller.client.chat.completions.with_raw_response.create(model=service, messages=list(messages))
    return found, found.parse()


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_an_answer_follows_its_schema(shaped: Stack) -> None:
    _, answer = ask(shaped, "tables", user("Which city is the capital of France? Is it known?"))
    found = json.loads(answer.choices[0].message.content)
    assert set(found) == {"city", "known"}
    assert isinstance(found["known"], bool)
    assert answer.model == "tables"


def test_an_answer_that_was_cut_off_goes_on(shaped: Stack) -> None:
    asked = user("What is the capital of France? Answer in one long sentence.")
    _, first = ask(shaped, "brief", asked)
    text = first.choices[0].message.content
    assert text.endswith(MARK)
    _, rest = ask(shaped, "brief", asked, {"role": "assistant", "content": text}, user("continue"))
    assert rest.choices[0].message.content.strip()
    assert not rest.choices[0].message.content.startswith(text.removesuffix(MARK)), (
        "it goes on, and does not begin anew"
    )


def test_a_kept_answer_comes_while_the_host_is_off(shaped: Stack) -> None:
    asked = user("Which city is the capital of Italy?")
    _, first = ask(shaped, "tables", asked)
    shaped.sleep()
    raw, again = ask(shaped, "tables", asked)
    assert raw.headers["x-pilotlight-cache"] == "hit"
    assert again.choices[0].message.content == first.choices[0].message.content
    assert (shaped.state(), shaped.watch.ec2_state()) == ("STOPPED", "stopped")
