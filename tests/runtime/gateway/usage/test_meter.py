"""What an answer says that it took, read while it passes: however its bytes are cut, and in each dialect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from runtime.gateway.usage.meter import EVERYTHING, PLAIN_BYTES_MAX, Asked, Meter

NOTHING = Asked(at_end=False, throughout=False)


def event(told: Any, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(told).encode() + b"\n\n"


def usage(prompt: int, answer: int) -> dict[str, Any]:
    return {"usage": {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}}


def passed(meter: Meter, text: bytes, cut: int = 10_000, *, plain: bool = False) -> bytes:
    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(text), cut):
            yield text[at : at + cut]

    async def story() -> bytes:
        way = meter.plain if plain else meter.stream
        return b"".join([chunk async for chunk in way(chunks())])

    return asyncio.run(story())


@pytest.mark.parametrize("cut", [1, 5, 10_000])
def test_a_stream_is_counted_and_shows_nothing_of_it(cut: int) -> None:
    meter = Meter(NOTHING)
    words = [event({"choices": [{"delta": {"content": w}}]} | usage(7, n)) for n, w in enumerate(("", "a", "b"))]
    stream = b": comment\n\n" + b"".join(words) + event({"choices": []} | usage(7, 2)) + b"data: [DONE]\n\n"
    told = passed(meter, stream, cut).decode()
    assert (meter.usage.prompt, meter.usage.answer, meter.usage.over) == (7, 2, True)
    assert "usage" not in told
    assert told.count("data: ") == 4
    assert told.startswith(": comment\n\n")
    assert told.endswith("data: [DONE]\n\n")


def test_in_the_middle_it_is_right_to_the_chunk() -> None:
    meter = Meter(NOTHING)
    passed(meter, event({"choices": [{}]} | usage(7, 41)) + b'data: {"choices": [{}], "usage": {"completion_to')
    assert (meter.usage.total, meter.usage.known) == (48, True)


def test_what_the_caller_asked_for_stays_byte_by_byte() -> None:
    stream = event({"choices": [{}]} | usage(7, 1)) + event({"choices": []} | usage(7, 1)) + b"data: [DONE]\n\n"
    assert passed(Meter(EVERYTHING), stream) == stream


def test_an_answer_in_one_piece() -> None:
    meter = Meter(NOTHING)
    text = json.dumps({"choices": [{}]} | usage(7, 9)).encode()
    assert passed(meter, text, 3, plain=True) == text
    assert meter.usage.total == 16


@pytest.mark.parametrize("text", [b"no JSON", b"[1]", b'{"usage": null}', b"x" * (PLAIN_BYTES_MAX + 1)])
def test_an_answer_that_says_nothing_is_not_known(text: bytes) -> None:
    meter = Meter(NOTHING)
    assert passed(meter, text, 2**16, plain=True) == text
    assert not meter.usage.known


def test_anthropics_events() -> None:
    meter = Meter(EVERYTHING)
    begin = event(
        {"type": "message_start", "message": {"usage": {"input_tokens": 12, "output_tokens": 0}}}, "message_start"
    )
    words = [event({"type": "content_block_delta", "delta": {"text": "x"}}, "content_block_delta")] * 3
    stream = begin + b"".join(words)
    assert passed(meter, stream) == stream
    assert (meter.usage.prompt, meter.usage.answer) == (12, 3), "a token a piece until the engine says it"
    passed(meter, event({"type": "message_delta", "usage": {"output_tokens": 3}}, "message_delta"))
    assert meter.usage.answer == 3


def test_the_responses_apis_events() -> None:
    meter = Meter(EVERYTHING)
    words = [event({"type": "response.output_text.delta", "delta": "x"})] * 3
    passed(meter, b"".join(words))
    assert meter.usage.answer == 3
    end = {"type": "response.completed", "response": {"usage": {"input_tokens": 4, "output_tokens": 3}}}
    passed(meter, event(end))
    assert (meter.usage.prompt, meter.usage.answer) == (4, 3)


def test_text_that_only_looks_like_usage_is_the_callers() -> None:
    meter = Meter(NOTHING)
    stream = event({"choices": [{"delta": {"content": 'say "usage": {"completion_tokens": 900}'}}]})
    assert passed(meter, stream) == stream
    assert meter.usage.total == 0
