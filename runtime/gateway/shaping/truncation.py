"""An answer that was cut off is marked, and "continue" goes on where it ended.

The API keeps no conversations: the next request brings the marked answer back, so the mark is in its text. Where the
caller itself named the longest answer, OpenAI's `finish_reason: length` is enough, and no text is added.
"""

from __future__ import annotations

import re
from typing import Final

from runtime.gateway.shaping.defaults import asked_max_tokens
from runtime.gateway.shaping.visit import Json, Through, Visit, choices, text_of

MARK: Final = '\n\n[The answer is longer than this service gives at once. Say "continue" for the rest.]'
_CONTINUE: Final = re.compile(r"\s*(?:please\s+)?(?:continue|go on|weiter)(?:\s+please)?[\s.!…]*", re.IGNORECASE)


class Truncation(Through):
    """For services that answer with text."""

    async def before(self, visit: Visit) -> Json | None:
        """ "continue" behind a marked answer: the engine writes on in that answer."""
        for message in visit.messages[:-2]:
            _unmark(message)
        if len(visit.messages) < 2:
            return None
        said, asked = visit.messages[-2:]
        marked = _unmark(said)
        if marked and asked.get("role") == "user" and _CONTINUE.fullmatch(text_of(asked)[:40]):
            del visit.messages[-1]
            visit.body |= {"continue_final_message": True, "add_generation_prompt": False}
            visit.note(continued=True)
        return None

    async def after(self, visit: Visit, answer: Json) -> Json:
        """Mark each choice that was cut off."""
        for choice in choices(answer):
            if choice.get("finish_reason") == "length" and (mark := mark_for(visit)):
                choice["message"]["content"] = (choice["message"].get("content") or "") + mark
        return answer


def mark_for(visit: Visit) -> str:
    """What a text that was cut off ends with, "" where the caller wanted no more; noted in any case."""
    visit.note(truncated=True)
    return "" if visit.background or asked_max_tokens(visit.asked) is not None else MARK


def _unmark(message: Json) -> bool:
    """Without the mark, so that no model learns to write it. True: it was there."""
    content = message.get("content")
    if message.get("role") != "assistant" or not isinstance(content, str) or MARK.strip() not in content:
        return False
    message["content"] = content.replace(MARK, "").replace(MARK.strip(), "")
    return True
