"""JSON answers: asked for by vLLM's structured output, checked, repaired once, and marked where they are not as asked.

With structured output an answer is wrong where it was cut off, where a model's reasoning stands around it, or where the
engine's backend does not know a word of the schema. Streams are held: half a JSON text cannot be repaired.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from core.contract.shaping import ServiceShape
from core.shaping import schemas
from runtime.gateway.shaping.defaults import asked_max_tokens
from runtime.gateway.shaping.visit import Json, Through, Visit, choices

_FENCED: Final = re.compile(r"```(?:json)?\s*\n(.*?)\n?\s*```", re.DOTALL)  # at most one pass over the text
REPAIR: Final = (
    "That answer cannot be used: {why}. Answer again, with the complete JSON alone and nothing before or after it."
)


class JsonOutput(Through):
    """`output: json` or a schema. Where the service says json only, a caller's own schema counts."""

    holds = True

    def __init__(self, service: str, shape: ServiceShape) -> None:
        self._service, self._schema = service, shape.json_schema
        if self._schema:
            schemas.validator(self._schema)

    async def before(self, visit: Visit) -> Json | None:
        """Ask for it, whatever the caller asked for."""
        if not visit.background:
            visit.body["response_format"] = self._format(visit.body.get("response_format"))
        return None

    def _format(self, asked: Any) -> Json:
        if self._schema:
            named = {"name": self._service, "schema": json.loads(self._schema), "strict": True}
            return {"type": "json_schema", "json_schema": named}
        if isinstance(asked, dict) and asked.get("type") == "json_schema":
            return asked
        return {"type": "json_object"}

    async def after(self, visit: Visit, answer: Json) -> Json:
        """Each choice as asked, or marked."""
        if visit.background:
            return answer
        for choice in choices(answer):
            await self._settle(visit, choice)
        return answer

    async def _settle(self, visit: Visit, choice: Json) -> None:
        message = choice["message"]
        if message.get("tool_calls") or choice.get("finish_reason") == "content_filter":
            return
        text = message.get("content") or ""
        why = self._wrong(text)
        if not why:
            return
        inside = _inside(text)
        if inside is not None and not self._wrong(inside):
            message["content"] = inside
            visit.note(repaired=True)
            return
        if choice.get("finish_reason") == "length":
            why = "it was cut off, so be brief"
            if asked_max_tokens(visit.asked) is not None:  # the caller's own: a second answer would end there
                visit.note(valid=False, why=why)
                return
        await self._again(visit, choice, why)

    async def _again(self, visit: Visit, choice: Json, why: str) -> None:
        """Once more, at temperature 0, with what was wrong; where that is wrong too, the first answer is marked."""
        said = {"role": "assistant", "content": choice["message"].get("content") or ""}
        told = {"role": "user", "content": REPAIR.format(why=why)}
        body = visit.body | {"messages": [*visit.messages, said, told], "temperature": 0, "n": 1}
        found = next(iter(choices(await visit.ask(body))), None)
        text = (found["message"].get("content") or "") if found else ""
        text = text if not self._wrong(text) else _inside(text) or ""
        if found is None or self._wrong(text):
            visit.note(valid=False, why=why)
            return
        choice |= {"message": {"role": "assistant", "content": text}, "finish_reason": found.get("finish_reason")}
        choice.pop("logprobs", None)
        visit.note(repaired=True)

    def _wrong(self, text: str) -> str:
        return schemas.wrong(text, self._schema)


def _inside(text: str) -> str | None:
    """The JSON in an answer that has words or a fence around it."""
    if fenced := _FENCED.search(text):
        return fenced[1]
    starts = [at for at in (text.find("{"), text.find("[")) if at >= 0]
    if not starts:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text, min(starts))
    except (ValueError, RecursionError):
        return None
    return json.dumps(found, ensure_ascii=False)
