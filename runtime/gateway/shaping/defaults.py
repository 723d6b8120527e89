"""What a service adds to a request: system prompt, temperature, longest answer, prompt template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from core.contract.shaping import ServiceShape
from core.shaping import templates
from runtime.gateway.shaping.visit import Json, Through, Visit, last_user, set_text, text_of

_LONGEST: Final = ("max_tokens", "max_completion_tokens")


class Template(Through):
    """The person's last message goes into the service's template."""

    def __init__(self, template: str) -> None:
        self._template = template

    async def before(self, visit: Visit) -> Json | None:
        """What came before in the conversation stays as it is."""
        if not visit.background and (message := last_user(visit.messages)) is not None:
            set_text(message, templates.fill(self._template, text_of(message)))
        return None


class Defaults(Through):
    """A caller's own temperature counts; its own longest answer where it is shorter; its system messages come after the
    service's.
    """

    def __init__(self, shape: ServiceShape) -> None:
        self._shape = shape

    async def before(self, visit: Visit) -> Json | None:
        """Add what is missing."""
        shape, body = self._shape, visit.body
        if shape.max_tokens is not None:
            cap(body, shape.max_tokens)
        if visit.background:
            return None
        if shape.temperature is not None and body.get("temperature") is None:
            body["temperature"] = shape.temperature
        if shape.system_prompt:
            body["messages"] = _with_system(shape.system_prompt, visit.messages)
        return None


def asked_max_tokens(body: Mapping[str, Any]) -> int | None:
    """The longest answer that a request names, by either of OpenAI's names."""
    named = (_whole(body.get(name)) for name in _LONGEST)
    return min((number for number in named if number is not None), default=None)


def cap(body: Json, most: int) -> None:
    """The answer is at most so long. What is no number stays, and is refused by the engine."""
    for name in _LONGEST:
        if (number := _whole(body.get(name))) is not None:
            body[name] = min(number, most)
    if all(body.get(name) is None for name in _LONGEST):
        body["max_tokens"] = most


def _whole(value: Any) -> int | None:
    """As vLLM reads it: "90" and 90.0 are numbers too."""
    if value is None:
        return None
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def _with_system(prompt: str, messages: list[Json]) -> list[Json]:
    """One system message: many chat templates take no second one."""
    first = messages[0] if messages else {}
    if first.get("role") not in ("system", "developer"):
        return [{"role": "system", "content": prompt}, *messages]
    return [{"role": "system", "content": f"{prompt}\n\n{text_of(first)}"}, *messages[1:]]
