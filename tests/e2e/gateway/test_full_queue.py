"""More callers wait than the front door has connections, and a key has as many requests in flight as it may."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import openai
import pytest

from tests.e2e.gateway.front import Front, until
from tests.e2e.gateway.test_gateway import ask, in_background, stop_host, waiting

pytestmark = pytest.mark.e2e

CONNECTIONS, CALLERS, KEYS_SHARE = 40, 45, 10
FRONT = {"queue_max": CALLERS, "API_CONNECTIONS_MAX": CONNECTIONS}


def test_everybody_who_waited_is_answered(front: Front) -> None:
    """The relay needs one connection more for each of them: it takes them from its own share."""
    stop_host(front)
    client = front.client(max_retries=0, timeout=60)
    calls = [in_background(lambda: ask(client, "hi")) for _ in range(CALLERS)]
    until(lambda: waiting(front) == CONNECTIONS, "as many wait as there are connections")
    until(lambda: front.machine() == "running", "started")
    front.start_engine()
    front.agent_ready("boot-2")
    for thread, _ in calls:
        thread.join(60)
    assert [answer.choices[0].message.content for _, (answer,) in calls] == ["Paris"] * CALLERS


def test_one_request_more_than_a_key_may_have_is_429(new_front: Callable[..., AbstractContextManager[Front]]) -> None:
    with new_front(queue_max=CALLERS, KEY_REQUESTS_MAX=KEYS_SHARE) as front:
        front.recover()
        stop_host(front)
        client, refused = front.client(max_retries=0, timeout=60), front.client(max_retries=0)
        threads = [threading.Thread(target=ask, args=(client, "hi"), daemon=True) for _ in range(KEYS_SHARE)]
        for thread in threads:
            thread.start()
        until(lambda: waiting(front) == KEYS_SHARE, "as many wait as the key may")
        with pytest.raises(openai.RateLimitError) as caught:
            ask(refused, "hi")
        assert caught.value.code == "rate_limit_exceeded"
        assert int(caught.value.response.headers["retry-after"]) > 0
        front.start_engine()
        front.agent_ready("boot-2")
        for thread in threads:
            thread.join(60)
