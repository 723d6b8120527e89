"""A service that is named as models are, with dots and a slash: HAProxy's map, the relay and the models' paths."""

from __future__ import annotations

import pytest

from core.contract import network
from core.contract.documents import ServiceRoute
from tests.e2e.gateway.front import Front, until
from tests.e2e.gateway.test_gateway import in_background, stop_host

pytestmark = pytest.mark.e2e

NAME = "Qwen/Qwen2.5-7B-Instruct"
FRONT = {"services": (ServiceRoute(NAME, "tiny"),)}
MESSAGES = [{"role": "user", "content": "hi"}]


def test_it_is_answered_by_the_engine_itself(front: Front) -> None:
    until(lambda: front.routes() != network.BACKEND_RELAY, "an open route")
    before = len(front.relayed())
    assert front.client().chat.completions.create(model=NAME, messages=MESSAGES).choices[0].message.content
    assert len(front.relayed()) == before


def test_it_is_listed_and_found_by_its_path(front: Front) -> None:
    client = front.client()
    assert [model.id for model in client.models.list()] == [NAME]
    assert client.models.retrieve(NAME).id == NAME  # its slash as %2F
    answer = client.with_options(max_retries=0).get(f"/models/{NAME}", cast_to=object)  # and as it is
    assert answer["id"] == NAME  # type: ignore[index]


def test_it_wakes_a_host_that_is_off(front: Front) -> None:
    stop_host(front)
    asked, answers = in_background(
        lambda: front.client(timeout=60).chat.completions.create(model=NAME, messages=MESSAGES)
    )
    until(lambda: front.machine() == "running", "a start")
    front.start_engine()
    front.agent_ready("another boot")
    asked.join(20)
    assert answers[0].model == NAME
