"""The top level of a request's JSON: the same as the whole parser's, whatever the pieces, and no more memory."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from core.contract.documents import ServiceRoute
from runtime.gateway.api import call, outline
from runtime.gateway.api.bodies import Body
from runtime.gateway.api.outline import NotAnObject, Outline
from runtime.gateway.errors import Refusal

SERVICES = {"chat": ServiceRoute("chat", "tiny"), "other": ServiceRoute("other", "big")}


def members(text: bytes, piece: int = 10**9) -> list[tuple[str, Any]]:
    found = Outline()
    for at in range(0, len(text), piece):
        found.feed(text[at : at + piece])
    return found.members()


def shallow(text: bytes) -> list[tuple[str, Any]]:
    """What the whole parser says, in an outline's terms."""

    def value(v: Any) -> Any:
        if isinstance(v, list):
            return [None] if v else []
        if isinstance(v, dict):
            return {}
        return outline.LONG if isinstance(v, str) and len(json.dumps(v)) - 2 > outline.LONG_STRING else v

    return [(name, value(v)) for name, v in json.loads(text).items()]


TEXTS = [
    {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "hi"}]},
    {"messages": [{"content": 'a "model": "no" \\" { [ ] } \\\\'}], "model": "chat", "stream": 1},
    {"a": {"model": "no", "b": [[{"c": "}"}], {}]}, "model": "chat", "n": -1.5e3, "x": None, "y": False},
    {"prompt": "ä" * 3000, "model": "chät ☃", 'quo"ted\\': "v", "": ""},
    {"model": "chat", "messages": [], "tools": {}, "stop": ["\n", "\\", '"', "}", "]"]},
    {"a": [[]], "b": [{}], "c": [" "], "d": [0], "e": {"f": []}, "g": [[[1], []], {}], "h": []},
    {},
]


@pytest.mark.parametrize("text", TEXTS, ids=lambda t: str(t)[:30])
@pytest.mark.parametrize("piece", [1, 2, 3, 7, 10**9])
@pytest.mark.parametrize("options", [{}, {"indent": 2}, {"ensure_ascii": False}], ids=str)
def test_the_same_as_the_whole_parser(text: dict[str, Any], piece: int, options: dict[str, Any]) -> None:
    written = json.dumps(text, **options).encode()
    assert members(written, piece) == shallow(written)


@pytest.mark.parametrize("piece", [1, 10**9])
@pytest.mark.parametrize(
    "text",
    [b"", b"{bad", b"[1]", b'"text"', b"3", b"[" * 100_000, b"\xff", b'{"a": "', b'{"a": "\\', b'{"a": [', b"{}}",
     b"{} {}", b'{"a": 1', b"}", b'{"a" 1}', b'{"a": 1,}', b'{"\xff": 1}'],
)  # fmt: skip
def test_what_is_no_object(text: bytes, piece: int) -> None:
    with pytest.raises(NotAnObject):
        members(text, piece)


def test_members_without_end_are_refused_while_they_come() -> None:
    text = b"".join(b'%s"member%d": "%s"' % (b"," if n else b"{", n, b"x" * 100) for n in range(10_000))
    with pytest.raises(NotAnObject, match="256 KiB"):
        members(text, 1000)


def test_nothing_below_the_top_is_built() -> None:
    """`json.loads` makes 29 bytes of each of these 3."""
    pieces = [b"{}," * 20_000] * 50
    tracemalloc.start()
    try:
        found = Outline()
        found.feed(b'{"messages":[')
        for piece in pieces:
            found.feed(piece)
        found.feed(b'{}],"model":"chat"}')
        assert found.members() == [("messages", [None]), ("model", "chat")]
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


def test_hostile_text_takes_time_in_proportion() -> None:
    """Steps, not seconds: no expression goes back over what it has seen."""
    for text in (b"[" * 50_000, b'"' * 50_000, b'"\\' * 50_000, b"{}[]" * 50_000, b"[[]," * 50_000):
        Outline().feed(b'{"a":[' + text)


# ---------------------------------------------------------------- one reading of a request
def read(text: str, path: str = "/v1/chat/completions") -> call.Call:
    body = Body()
    body.add(text.encode())
    return call.read(path, body, {}, SERVICES)


VALUES = [
    True,
    False,
    1,
    0,
    1.0,
    0.0,
    None,
    "true",
    "True",
    "TRUE",
    "1",
    "0",
    "yes",
    "no",
    "on",
    "off",
    "t",
    "f",
    "y",
    "n",
]
NO_VALUES = [2, -1, 0.5, "", "maybe", " true", "2", "truee"]


@pytest.mark.parametrize("value", VALUES + NO_VALUES, ids=repr)
def test_stream_is_read_as_vllm_reads_it(value: Any) -> None:
    """vLLM's requests are pydantic models with `stream: bool | None`."""
    text = json.dumps({"model": "chat", "messages": [1], "stream": value})
    try:
        expected = bool(TypeAdapter(bool | None).validate_python(value))
    except ValidationError:
        with pytest.raises(Refusal) as caught:
            read(text)
        assert (caught.value.status, caught.value.error["param"]) == (400, "stream")
    else:
        assert read(text).stream is expected


def test_of_two_the_first_model_and_the_last_stream_count() -> None:
    """HAProxy routes by the first `model`; the engine, which reads JSON as Python does, sees the last `stream`."""
    found = read('{"model": "other", "stream": true, "model": "chat", "stream": false, "messages": [1]}')
    assert (found.model, found.engine, found.stream) == ("other", "big", False)


def test_what_has_no_stream_does_not_stream() -> None:
    assert read('{"model": "chat", "stream": true, "messages": [1]}', "/v1/messages/count_tokens").stream is False


def test_a_slip_deep_in_a_short_body_is_told_at_once() -> None:
    with pytest.raises(Refusal) as caught:
        read('{"model": "chat", "messages": [1,,2]}')
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")
