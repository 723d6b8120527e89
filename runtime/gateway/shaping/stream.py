"""Answers as events and back: what an engine's stream says, the answer it adds up to, and an answer as events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

from runtime.gateway.shaping.visit import NOTES, Json, choices

EVENT_BYTES_MAX: Final = 2**20  # of one event; an engine's are some hundred
DONE: Final = b"[DONE]"
CHUNK: Final = "chat.completion.chunk"


class BadStream(Exception):
    """The engine sent what is no stream of events."""


async def events(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of each event, however the bytes were cut; comments are left out. BadStream: an event without an end."""
    rest = b""
    async for chunk in chunks:
        rest += chunk.replace(b"\r\n", b"\n")
        *whole, rest = rest.split(b"\n\n")
        for event in whole:
            if data := _data(event):
                yield data
        if len(rest) > EVENT_BYTES_MAX:
            raise BadStream("an event is too long")
    if data := _data(rest):
        yield data


def _data(event: bytes) -> bytes:
    lines = (line.partition(b":") for line in event.split(b"\n"))
    return b"\n".join(value.strip() for name, _, value in lines if name == b"data")


def encoded(event: Mapping[str, Any]) -> bytes:
    """One event's bytes."""
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"


class Assembled:
    """The answer that a stream's events add up to. `broken`: it did not come to its end, or said an error."""

    def __init__(self) -> None:
        self._head: Json = {}
        self._choices: dict[int, Json] = {}
        self._ended = False
        self.failed = False
        self.usage: Json | None = None

    def add(self, event: Mapping[str, Any]) -> None:
        """The next event."""
        if "error" in event:
            self.failed = True
        self._head = self._head or {n: v for n, v in event.items() if n not in ("choices", "usage", "object")}
        if isinstance(usage := event.get("usage"), dict):
            self.usage = usage
        for choice in event.get("choices") or ():
            self._choice(choice)

    def _choice(self, choice: Mapping[str, Any]) -> None:
        index = choice.get("index", 0)
        mine = self._choices.setdefault(
            index, {"index": index, "message": {"role": "assistant"}, "finish_reason": None}
        )
        for name, value in (choice.get("delta") or {}).items():
            _add(mine["message"], name, value)
        if choice.get("finish_reason"):
            mine["finish_reason"] = choice["finish_reason"]

    def end(self) -> None:
        """The stream said that it is complete."""
        self._ended = True

    @property
    def broken(self) -> bool:
        """Not whole, whatever came of it."""
        return self.failed or not self._ended or not self._choices

    @property
    def answer(self) -> Json:
        """As if it had not been streamed."""
        found = [self._choices[index] for index in sorted(self._choices)]
        for choice in found:
            choice["message"].setdefault("content", None)
        usage = {"usage": self.usage} if self.usage else {}
        return {**self._head, "object": "chat.completion", "choices": found, **usage}


def _add(message: Json, name: str, value: Any) -> None:
    """A delta's member: texts add up, tool calls by their index."""
    if isinstance(value, str) and name != "role":
        message[name] = (message.get(name) or "") + value
    elif name == "tool_calls" and isinstance(value, list):
        calls: list[Json] = message.setdefault("tool_calls", [])
        for part in value:
            _add_call(calls, part)
    elif value is not None:
        message[name] = value


def _add_call(calls: list[Json], part: Mapping[str, Any]) -> None:
    index = part.get("index", 0)
    while len(calls) <= min(index, 127):
        calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    mine = calls[min(index, 127)]
    mine |= {n: part[n] for n in ("id", "type") if part.get(n)}
    for name, text in (part.get("function") or {}).items():
        if isinstance(text, str):
            mine["function"][name] = mine["function"].get(name, "") + text


def as_events(answer: Mapping[str, Any], *, usage: bool) -> Iterator[bytes]:
    """A whole answer as a stream that a client of the API reads; `usage`: the caller asked for it."""
    head = {n: v for n, v in answer.items() if n not in ("choices", "usage", NOTES)} | {"object": CHUNK}
    for choice in choices(answer):
        index, message = choice.get("index", 0), dict(choice["message"])
        if message.get("tool_calls"):
            message["tool_calls"] = [{"index": n, **call} for n, call in enumerate(message["tool_calls"])]
        yield encoded(head | {"choices": [{"index": index, "delta": message, "finish_reason": None}]})
        end = {"index": index, "delta": {}, "finish_reason": choice.get("finish_reason")}
        notes = {NOTES: answer[NOTES]} if NOTES in answer else {}
        yield encoded(head | {"choices": [end]} | notes)
    if usage and "usage" in answer:
        yield encoded(head | {"choices": [], "usage": answer["usage"]})
    yield b"data: " + DONE + b"\n\n"
