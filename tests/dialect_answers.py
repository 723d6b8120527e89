"""What an engine answers in each dialect: the words of one answer, whole or as events, as vLLM 0.32 spells them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

PLAIN = "Paris"


def plain(path: str, model: str) -> dict[str, Any]:
    """The whole answer: "Paris"."""
    if path.endswith("/count_tokens"):
        return {"input_tokens": 7}
    if path.endswith("/messages"):
        return _message(model, [{"type": "text", "text": PLAIN}])
    if path.endswith("/responses"):
        return _response(model, "completed", [_output(PLAIN)])
    message = {"role": "assistant", "content": PLAIN}
    choice = {"index": 0, "message": message, "text": PLAIN, "finish_reason": "stop"}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]}


def events(path: str, model: str, words: Sequence[str]) -> Iterator[bytes]:
    """The events of a stream that says `words`, and what ends it last."""
    if path.endswith("/messages"):
        yield from (_named(event) for event in _messages(model, words))
        yield b"data: [DONE]\n\n"
    elif path.endswith("/responses"):
        yield from (_named(event | {"sequence_number": n}) for n, event in enumerate(_responses(model, words)))
    else:
        head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": model}
        for left, word in zip(reversed(range(len(words))), words, strict=True):
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": None if left else "stop"}
            yield f"data: {json.dumps(head | {'choices': [choice]})}\n\n".encode()
        yield b"data: [DONE]\n\n"


def _named(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _messages(model: str, words: Sequence[str]) -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": _message(model, []) | {"stop_reason": None}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for word in words:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": len(words)}}
    yield {"type": "message_stop"}


def _responses(model: str, words: Sequence[str]) -> Iterator[dict[str, Any]]:
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    yield {"type": "response.created", "response": _response(model, "in_progress", [])}
    yield {"type": "response.output_item.added", "output_index": 0, "item": _output("") | {"content": []}}
    yield {"type": "response.content_part.added", "part": part, **where}
    for word in words:
        yield {"type": "response.output_text.delta", "delta": word, "logprobs": [], **where}
    said = "".join(words)
    yield {"type": "response.output_text.done", "text": said, "logprobs": [], **where}
    yield {"type": "response.output_item.done", "output_index": 0, "item": _output(said)}
    yield {"type": "response.completed", "response": _response(model, "completed", [_output(said)])}


def _message(model: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    usage = {"input_tokens": 7, "output_tokens": 1}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": model}
    return head | {"content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}


def _output(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}


def _response(model: str, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    head = {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": model}
    rest = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None, "metadata": {}}
    return head | rest | {"output": output}
