"""Input filter and output check: patterns whose matches are masked, or for which there is no answer.

Both look at every text, and say by name what they found; what it was is in no message and in no log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from core.contract.shaping import Action, Filter
from core.shaping import patterns
from runtime.gateway import errors
from runtime.gateway.shaping import texts
from runtime.gateway.shaping.visit import Json, Through, Visit, choices

# Beside a message, what could give a text away again: log probabilities name each token
_CHOICE: Final = ("index", "message", "finish_reason", "stop_reason")
_ANSWER: Final = ("id", "object", "created", "model", "choices", "usage", "system_fingerprint")


class InputFilter(Through):
    """Before anything else has a request. Refusal 400 `input_refused` names what it found."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        self._filters = _Filters(filters)

    async def before(self, visit: Visit) -> Json | None:
        """Masked, and said so; or refused."""
        try:
            visit.body, found = self._filters.applied(visit.body)
        except (texts.TooManyTexts, patterns.TooMany) as error:
            raise errors.invalid(f"This service cannot check so long a request: {error}.") from error
        if found.refused:
            raise errors.input_refused(found.refused)
        if found.masked:
            names = _counted(found.masked)
            visit.note(masked=dict(found.masked), message=f"Masked before the model read it: {names}.")
        return None


class OutputCheck(Through):
    """Before the caller has an answer. A stream is held: what was sent cannot be taken back, and a match may end in the
    next chunk.
    """

    holds = True

    def __init__(self, filters: Sequence[Filter]) -> None:
        self._filters = _Filters(filters)

    async def after(self, visit: Visit, answer: Json) -> Json:
        """Masked; or a text that says what was withheld, with finish_reason `content_filter` as OpenAI has it."""
        for choice in choices(answer):
            try:
                choice["message"], found = self._filters.applied(choice["message"])
                refused = found.refused
            except (texts.TooManyTexts, patterns.TooMany) as error:
                found, refused = _Found(), [f"a text that cannot be checked ({error})"]
            if refused:
                text = f"The answer was withheld: it contains {_listed(refused)}."
                choice |= {"message": {"role": "assistant", "content": text}, "finish_reason": "content_filter"}
                visit.note(withheld=refused)
            elif found.masked:
                before: dict[str, int] = visit.notes.get("masked_in_answer", {})
                visit.note(masked_in_answer=dict(Counter(before) + found.masked))
        for choice in choices(answer):
            for name in set(choice) - set(_CHOICE):
                del choice[name]
        return {name: value for name, value in answer.items() if name in _ANSWER}


class _Found:
    """What was found, by the filters' names."""

    def __init__(self) -> None:
        self.masked: Counter[str] = Counter()
        self.refused: list[str] = []


class _Filters:
    def __init__(self, filters: Sequence[Filter]) -> None:
        self._refuse = [f for f in filters if f.action == Action.REFUSE]
        self._mask = [f for f in filters if f.action == Action.MASK]

    def applied(self, part: Any) -> tuple[Any, _Found]:
        """The part with masks, and what was found in it."""
        found = _Found()

        def change(text: str) -> str:
            for each in self._refuse:
                if each.name not in found.refused and patterns.found(each.pattern, text):
                    found.refused.append(each.name)
            for each in self._mask:
                text, count = patterns.masked(each.pattern, text, f"[{each.name}]")
                found.masked += Counter({each.name: count})
            return text

        return texts.replaced(part, change), found


def _counted(masked: Counter[str]) -> str:
    return ", ".join(name if count == 1 else f"{name} ({count})" for name, count in masked.items())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]
