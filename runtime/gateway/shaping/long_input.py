"""A text that is too long for the model is read in parts: each part becomes one line, and the engine answers the
request with the lines in the text's place.

The begin and the end of the text stay as they are: the question often stands there ("Summarise this: …"). Parts
overlap, so that a sentence between two of them is whole in one. Tokens are estimated by the bytes of UTF-8.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from runtime.gateway import errors
from runtime.gateway.shaping.defaults import asked_max_tokens
from runtime.gateway.shaping.visit import Json, Through, Visit, choices, set_text, text_of

BYTES_A_TOKEN: Final = 3.0  # English has about 4; other languages and code less
BLOCKS_MAX: Final = 32  # requests to the engine for one request of a caller, and one more for the answer
AT_ONCE: Final = 4  # of them: an engine answers several together hardly slower than one
LINE_TOKENS: Final = 80
ANSWER_TOKENS: Final = 512  # of room for an answer where nobody says how long it may be
KEPT_CHARACTERS: Final = 600  # at the begin and the end
OVERLAP: Final = 0.1  # of a block
ONE_LINE: Final = (
    "Below is one part of a longer text. Write one line that says what this part says: facts, names, numbers. "
    "Write the line alone, in the language of the part."
)


class Summarize(Through):
    """Only where the request is longer than the engine's context. Refusal 413 where it is too long even so."""

    def __init__(self, context_tokens: int) -> None:
        self._context = context_tokens

    async def before(self, visit: Visit) -> Json | None:
        """Read the longest message in parts."""
        if visit.background or not visit.messages:
            return None
        answer = asked_max_tokens(visit.body) or min(ANSWER_TOKENS, self._context // 4)
        room = self._context - answer
        if sum(_tokens(text_of(m)) for m in visit.messages) <= room:
            return None
        longest = max(visit.messages, key=lambda m: len(text_of(m)))
        text = text_of(longest)
        begin, middle, end = _split(text, min(KEPT_CHARACTERS, self._context // 4))
        blocks = list(_blocks(middle, self._block_characters(text)))
        if not blocks or len(blocks) > BLOCKS_MAX:
            raise errors.too_long_to_summarize(len(text), self._block_characters(text) * BLOCKS_MAX)
        lines = await self._lines(visit, blocks)
        set_text(longest, f"{begin}\n\n[What follows is a summary of {len(blocks)} parts]\n{lines}\n\n{end}")
        visit.note(summarized_parts=len(blocks))
        return None

    def _block_characters(self, text: str) -> int:
        """Half of the context, so that an estimate that is wrong by a half still fits."""
        bytes_a_character = max(1.0, len(text.encode(errors="replace")) / max(1, len(text)))
        return max(200, int((self._context / 2 - LINE_TOKENS) * BYTES_A_TOKEN / bytes_a_character))

    async def _lines(self, visit: Visit, blocks: list[str]) -> str:
        """A line a block, in their order; the first refusal ends all."""
        free = asyncio.Semaphore(AT_ONCE)

        async def line(block: str) -> str:
            async with free:
                return await _one_line(visit, block)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(line(block)) for block in blocks]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        room = int((self._context / 2) * BYTES_A_TOKEN / len(blocks))  # of all lines together: half of the context
        return "\n".join(f"- {task.result()[:room]}" for task in tasks)


async def _one_line(visit: Visit, block: str) -> str:
    messages = [{"role": "system", "content": ONE_LINE}, {"role": "user", "content": block}]
    body = {"model": visit.service, "messages": messages, "max_tokens": LINE_TOKENS, "temperature": 0}
    found = next(iter(choices(await visit.ask(body))), None)
    return " ".join(text_of(found["message"]).split()) if found else ""


def _tokens(text: str) -> int:
    return int(len(text.encode(errors="replace")) / BYTES_A_TOKEN) + 8  # and the message's frame


def _split(text: str, kept: int) -> tuple[str, str, str]:
    """Begin, middle and end; the middle is what is read in parts."""
    if len(text) <= 2 * kept:
        return "", text, ""
    begin, end = text.rfind(" ", kept // 2, kept), text.find(" ", len(text) - kept, len(text) - kept // 2)
    begin, end = begin if begin > 0 else kept, end if end > 0 else len(text) - kept
    return text[:begin], text[begin:end], text[end:]


def _blocks(text: str, size: int) -> Iterator[str]:
    """Parts of at most `size` characters that overlap, cut between words where there are some."""
    at = 0
    while at < len(text):
        end = min(len(text), at + size)
        if end < len(text) and (space := text.rfind(" ", at + size // 2, end)) > 0:
            end = space
        yield text[at:end]
        if end == len(text):
            return
        at = max(at + 1, end - int(size * OVERLAP))
