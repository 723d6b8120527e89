"""What AWS says (account ids, ARNs, encoded messages) is for the operator: no caller reads it, on any way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import lease as protocol
from core.capacity.power_errors import Kind
from core.contract import dialects
from core.lease import State
from runtime.backends.leases import StoreUnavailable
from runtime.backends.power import PowerUnanswered, refusal
from runtime.gateway import errors
from runtime.gateway.errors import Refusal
from tests.ec2_answers import ANSWERS
from tests.runtime.gateway.stage import FakeEngine, Stage

ACCOUNT = st.from_regex(r"[0-9]{12}", fullmatch=True)
BLOB = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", min_size=40, max_size=200)
FAILURES = st.sampled_from(
    [*(k.value for k in Kind), *(code for code, _, _ in ANSWERS), "start-timeout", "start-refused", "gone"]
)


@st.composite
def told(draw: st.DrawFn) -> str:
    """A refusal as AWS words it."""
    account, blob = draw(ACCOUNT), draw(BLOB)
    who = draw(st.sampled_from(["assumed-role/qwen7b-gateway/i-0abc", "user/ann.smith", "role/reaper-7f3a"]))
    arn = f"arn:{draw(st.sampled_from(['aws', 'aws-us-gov', 'aws-cn']))}:sts::{account}:{who}"
    return draw(
        st.sampled_from(
            [
                f"You are not authorized to perform this operation. User: {arn} is not authorized to perform: "
                f"ec2:StartInstances on resource: arn:aws:ec2:us-east-1:{account}:instance/i-0abc. Encoded "
                f"authorization failure message: {blob}",
                f"The ciphertext refers to arn:aws:kms:us-east-1:{account}:key/{blob[:36]}, which {arn} may not use",
                f"{blob} {account} {arn}",
            ]
        )
    )


SECRETS = re.compile(rb"arn:|\b\d{12}\b|[A-Za-z0-9_-]{40,}")
QUICK = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
Play = Callable[[Stage, str], Awaitable[bytes]]


async def everything(url: str) -> bytes:
    """All that a caller can ask the relay, and all that it answers: status line aside."""
    found = b""
    body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], "prompt": "hi", "input": "hi"}
    body |= {"max_tokens": 9}
    async with aiohttp.ClientSession() as session:
        for stream in (False, True):
            found += await _read(session, "POST", f"{url}v1/chat/completions", body | {"stream": stream})
        for endpoint in dialects.ENDPOINTS:
            found += await _read(session, "POST", f"{url}{endpoint.path[1:]}", body)
        for path in ("v1/models", "v1/models/chat", "v1/models/none", "v1/nothing"):
            found += await _read(session, "GET", f"{url}{path}", None)
    return found


async def _read(session: aiohttp.ClientSession, method: str, url: str, body: object) -> bytes:
    async with session.request(method, url, json=body) as answer:
        return repr(sorted(answer.headers.items())).encode() + await answer.read()


def read(stage: Stage, engine: FakeEngine | None = None) -> bytes:
    async def whole() -> bytes:
        async with asyncio.timeout(20), stage.serving(engine) as url:
            return await everything(url)

    return asyncio.run(whole())


@QUICK
@given(words=told(), failure=FAILURES, later_s=st.sampled_from([0.0, 30.0, 95.0, 299.0]))
def test_a_host_that_failed(words: str, failure: str, later_s: float) -> None:
    stage = Stage(queue_timeout_s=0.0, start_timeout_s=0.0).bring_to(State.STARTING)
    stage.act(protocol.fail, by="reaper", reason=words, failure=failure, order=False)
    stage.power.refusals = [refusal("UnauthorizedOperation", words)] * 9
    stage.look()
    stage.clock.now += later_s
    assert words in stage.lease.reason, "the operator reads it"
    assert not SECRETS.search(read(stage))


@QUICK
@given(words=told(), answer=st.sampled_from(ANSWERS))
def test_a_start_that_is_refused_now(words: str, answer: tuple[str, int, Kind]) -> None:
    code, status, _ = answer
    stage = Stage(queue_timeout_s=0.0, start_timeout_s=0.0).bring_to(State.STOPPED)
    stage.power.refusals = [refusal(code, words, status)] * 9
    stage.queue.ask("tiny")
    stage.look()
    assert not SECRETS.search(read(stage))


@QUICK
@given(words=told())
def test_a_failure_in_a_stream_that_has_begun(words: str) -> None:
    async def whole() -> bytes:
        stage = Stage().bring_to(State.STARTING)
        await stage.watch.look()
        body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        async with asyncio.timeout(20), stage.serving() as url, aiohttp.ClientSession() as session:
            asked = asyncio.create_task(_read(session, "POST", f"{url}v1/chat/completions", body))
            await stage.waiting()
            stage.act(protocol.fail, by="reaper", reason=words, failure="UnauthorizedOperation", order=False)
            await stage.watch.look()
            return await asked

    found = asyncio.run(whole())
    assert b"host_failed" in found
    assert not SECRETS.search(found)


@QUICK
@given(words=told(), where=st.sampled_from(["store", "power"]))
def test_a_table_or_a_cloud_that_refuses_us(words: str, where: str) -> None:
    stage = Stage(queue_timeout_s=0.0, start_timeout_s=0.0).bring_to(State.STOPPED)
    stage.look()

    def down(*_: object) -> None:
        raise StoreUnavailable(words) if where == "store" else PowerUnanswered(words)

    if where == "store":
        stage.store.read = down  # type: ignore[method-assign,assignment]
    else:
        stage.power.start = stage.power.describe = down  # type: ignore[method-assign,assignment]
    stage.queue.ask("tiny")
    stage.look(later_s=1)
    assert not SECRETS.search(read(stage))


@QUICK
@given(words=told())
def test_an_error_that_nobody_expected(words: str) -> None:
    stage = Stage().bring_to(State.RUNNING)
    stage.look()

    def fails(**_: object) -> None:
        raise ValueError(words)

    stage.view.refuse_if_hopeless = fails  # type: ignore[method-assign]
    found = read(stage)
    assert b"internal_error" in found
    assert not SECRETS.search(found)


@pytest.mark.parametrize(
    "failure", ["", "capacity", "UnauthorizedOperation", "quota", "kms-key", "gone", "start-timeout"]
)
def test_why_is_said_in_our_words(failure: str) -> None:
    said: Refusal = errors.host_failed(failure)
    message = said.body()["error"]["message"]
    assert message.startswith("The host cannot be started: ")
    assert message.endswith("`fab status`.")
