"""A stream that goes on to the caller as it comes: read along, so that it can be counted, kept and marked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from runtime.gateway.shaping.reply import Reply
from runtime.gateway.shaping.stream import DONE, Assembled, encoded, events
from runtime.gateway.shaping.truncation import mark_for
from runtime.gateway.shaping.visit import NOTES, Json, Visit

# What the engine is asked for; callers get what they asked for
OPTIONS: Final = {"include_usage": True, "continuous_usage_stats": True}


class Live:
    """One stream. After `run` the answer is in `seen`."""

    def __init__(self, visit: Visit, reply: Reply, *, marks: bool) -> None:
        self.seen = Assembled()
        self._visit, self._reply, self._marks = visit, reply, marks

    async def run(self, chunks: AsyncIterator[bytes]) -> None:
        """Up to the engine's `[DONE]`, which is not passed on yet."""
        async for data in events(chunks):
            if data == DONE:
                self.seen.end()
                return
            event = json.loads(data)
            self.seen.add(event)
            for each in self._shown(event):
                await self._reply.write(encoded(each))

    def _shown(self, event: Json) -> list[Json]:
        """What the caller gets of it."""
        event.pop("usage", None)
        if "error" in event:
            return [event]
        event["model"] = self._visit.service
        if not event.get("choices"):
            return []
        marks = [mark for choice in event["choices"] if (mark := self._mark(choice))]
        if any(choice.get("finish_reason") for choice in event["choices"]) and self._visit.notes:
            event[NOTES] = self._visit.notes
        return [*({**event, "choices": [mark]} for mark in marks), event] if marks else [event]

    def _mark(self, choice: Json) -> Json | None:
        """What a choice that was cut off ends with. Its last words may come with the reason."""
        if not self._marks or choice.get("finish_reason") != "length":
            return None
        text = mark_for(self._visit)
        if not text:
            return None
        last = (choice.get("delta") or {}).get("content") or ""
        choice["delta"] = {}
        added: dict[str, Any] = {"content": last + text}
        return {"index": choice.get("index", 0), "delta": added, "finish_reason": None}
