"""What an engine's answer says that it took, read while it passes on to the caller.

A stream of a limited key carries the tokens so far in each of its events, because the relay asks for it (vLLM's
`stream_options`: `include_usage` and `continuous_usage_stats`); a caller who did not ask does not see them. The other
dialects have no such option: their first event says the prompt's tokens, and until the last one each piece of text
counts as one token.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

PLAIN_BYTES_MAX: Final = 4 * 2**20  # of an answer that is not streamed; a longer one is charged as it was reserved
EVENT_BYTES_MAX: Final = 2**20  # an event that does not end is passed on unread
_END: Final = b"\n\n"
_DATA: Final = b"data:"
_USAGE: Final = b'"usage"'
_DELTA: Final = b'delta"'


@dataclass
class Usage:
    """Tokens so far, as the engine counts them. `known`: it said so; `over`: it has said all."""

    prompt: int = 0
    answer: int = 0
    known: bool = False
    over: bool = False

    @property
    def total(self) -> int:
        """What is charged."""
        return self.prompt + self.answer

    def note(self, usage: Any) -> None:
        """A `usage` of any dialect; counts only grow."""
        if not isinstance(usage, Mapping):
            return
        self.prompt = max(self.prompt, _number(usage, "prompt_tokens", "input_tokens"))
        self.answer = max(self.answer, _number(usage, "completion_tokens", "output_tokens"))
        self.known = True


def _number(usage: Mapping[str, Any], *names: str) -> int:
    found = next((usage[name] for name in names if isinstance(usage.get(name), int)), 0)
    return int(found)


@dataclass(frozen=True)
class Asked:
    """What the caller asked to be told in a stream's events. Other dialects are told all, as their engine does it."""

    at_end: bool
    throughout: bool

    @property
    def all(self) -> bool:
        """Nothing is taken out."""
        return self.at_end and self.throughout


EVERYTHING: Final = Asked(at_end=True, throughout=True)


class Meter:
    """Reads one answer. `usage` is right at any moment, for who leaves in the middle too."""

    def __init__(self, asked: Asked) -> None:
        self.usage = Usage()
        self._asked = asked
        self._pieces = 0

    async def stream(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The events as the caller is to have them. Each is counted before it is passed on."""
        rest = b""
        async for chunk in chunks:
            *whole, rest = (rest + chunk).split(_END)
            if passed := b"".join(self._event(event) for event in whole):
                yield passed
            if len(rest) > EVENT_BYTES_MAX:
                yield rest
                rest = b""
        if rest:
            yield rest
        self.usage.over = True

    async def plain(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """An answer in one piece, as it is."""
        kept, size = [], 0
        async for chunk in chunks:
            size += len(chunk)
            if size <= PLAIN_BYTES_MAX:
                kept.append(chunk)
            yield chunk
        if size <= PLAIN_BYTES_MAX:
            self._read(b"".join(kept))
        self.usage.over = self.usage.known

    def _read(self, text: bytes) -> None:
        try:
            answer = json.loads(text)
        except ValueError:
            return
        if isinstance(answer, dict):
            self.usage.note(answer.get("usage"))

    def _event(self, event: bytes) -> bytes:
        """An event with its end, without what the caller did not ask for; b"" where nothing is left of it."""
        if _USAGE not in event and _DELTA not in event:
            return event + _END
        before, data, text = event.partition(_DATA)
        try:
            told = json.loads(text)
        except ValueError:
            return event + _END
        if not data or not isinstance(told, dict):
            return event + _END
        return self._told(event, before, told)

    def _told(self, event: bytes, before: bytes, told: dict[str, Any]) -> bytes:
        for part in (told, told.get("message"), told.get("response")):
            if isinstance(part, dict):
                self.usage.note(part.get("usage"))
        if "usage" not in told and str(told.get("type", "")).endswith("delta"):
            self._pieces += 1
            self.usage.answer = max(self.usage.answer, self._pieces)
        if self._asked.all or "usage" not in told:
            return event + _END
        last = not told.get("choices")
        if (last and self._asked.at_end) or (not last and self._asked.throughout):
            return event + _END
        if last:
            return b""
        del told["usage"]
        return before + _DATA + b" " + json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode() + _END
