"""One request on its way through the stages of a shaped service, and what a stage is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

NOTES: Final = "pilotlight"  # the member of an answer that says what was done on the way
Json = dict[str, Any]
Ask = Callable[[Json], Awaitable[Json]]  # one request to the engine: a body, and its answer, neither streamed
_COUNTS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")


@dataclass
class Visit:
    """A request: `asked` is what the caller sent, `body` what the engine will get. `caller`: the names of key and user.

    `background`: the chat page asks for a title or the like; such calls are filtered, and not shaped.
    """

    service: str
    asked: Mapping[str, Any]
    body: Json
    caller: str
    session: str
    ask_engine: Ask
    background: bool = False
    notes: Json = field(default_factory=dict)
    calls: int = 0  # to the engine
    usage: Json = field(default_factory=dict)  # of all of them together
    charged: int = 0  # tokens of it that the session was charged with
    left: int | None = None  # tokens that the session had before
    own: bool = False  # a limit of the caller's own cut an engine's answer: what came of it is nobody else's

    async def ask(self, body: Json) -> Json:
        """One more request to the engine; it is counted."""
        self.calls += 1
        answer = await self.ask_engine(body)
        self.charge(answer.get("usage"))
        return answer

    def charge(self, usage: Any) -> None:
        """Count an answer's tokens."""
        if isinstance(usage, Mapping):
            for name in _COUNTS:
                if isinstance(count := usage.get(name), int):
                    self.usage[name] = self.usage.get(name, 0) + count

    @property
    def messages(self) -> list[Json]:
        """Of the engine's body; the same list, so that a stage may change it."""
        found: list[Json] = self.body["messages"]
        return found

    def note(self, **notes: Any) -> None:
        """Tell the caller what was done."""
        self.notes |= notes


class Stage(Protocol):
    """What happens before the engine has a request, and before the caller has the answer.

    `holds`: `after` may change the answer, so that a stream is held until it is whole.
    """

    holds: bool

    async def before(self, visit: Visit) -> Json | None:
        """Change `visit.body`; or answer at once, without the engine. Refusal: the request is not answered."""

    async def after(self, visit: Visit, answer: Json) -> Json:
        """The answer, changed or not. Of a stream that was not held it comes too late to change anything."""


class Through:
    """A stage that does nothing; those that need only one of the two methods begin here."""

    holds = False

    async def before(self, visit: Visit) -> Json | None:  # noqa: ARG002
        """The request stays as it is."""
        return None

    async def after(self, visit: Visit, answer: Json) -> Json:  # noqa: ARG002
        """The answer stays as it is."""
        return answer


def choices(answer: Mapping[str, Any]) -> list[Json]:
    """The answer's choices that have a message."""
    found = answer.get("choices")
    return [c for c in found if isinstance(c, dict) and isinstance(c.get("message"), dict)] if found else []


def last_user(messages: list[Json]) -> Json | None:
    """The last message that the caller's person wrote."""
    return next((m for m in reversed(messages) if m.get("role") == "user"), None)


def text_of(message: Mapping[str, Any]) -> str:
    """A message's text, whether it is one or comes in parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(p["text"]) for p in parts if isinstance(p, dict) and isinstance(p.get("text"), str))


def set_text(message: Json, text: str) -> None:
    """Put the text in the place of what `text_of` found; pictures and the like stay."""
    content = message.get("content")
    if not isinstance(content, list):
        message["content"] = text
        return
    others = [p for p in content if not (isinstance(p, dict) and isinstance(p.get("text"), str))]
    message["content"] = [{"type": "text", "text": text}, *others]
