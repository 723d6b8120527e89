"""Requests that no engine can answer, told apart before they wake anything: what is missing, empty, of a wrong type or
out of range at the top level of the body.

What vLLM refuses for certain (read in 0.32: the endpoints' pydantic models, the sampling parameters) is refused here,
so that a caller reads a 400 whether the host is on or off; what is in doubt goes to the engine. Two things more, which
vLLM may take: an empty list of messages, which it hands to the model's template, and a response that it kept, which is
gone with its process. To add a rule: a line in a table below, and cases in its test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from core.contract import dialects
from runtime.gateway import errors

Members = Mapping[str, Any]
N_MAX: Final = 16384  # VLLM_MAX_N_SEQUENCES


@dataclass(frozen=True)
class Range:
    """A number's bounds. `above`: the lower one is not itself allowed."""

    low: float
    high: float = math.inf
    above: bool = False

    def holds(self, value: float) -> bool:
        """NaN is in no range."""
        return self.low <= value <= self.high and not (self.above and value == self.low)

    @property
    def words(self) -> str:
        """For the message: "at least 1"."""
        low = f"{'more than' if self.above else 'at least'} {self.low:g}"
        return low if self.high == math.inf else f"{low} and at most {self.high:g}"


_SAMPLING: Final = {
    "temperature": Range(0.0),
    "top_p": Range(0.0, 1.0, above=True),
    "presence_penalty": Range(-2.0, 2.0),
    "frequency_penalty": Range(-2.0, 2.0),
    "n": Range(1, N_MAX),
}
_TOKENS: Final = Range(1)
# By path: the numbers, and the types of the rest. What is absent or null is the engine's default.
_NUMBERS: Final[Mapping[str, Mapping[str, Range]]] = MappingProxyType(
    {
        dialects.CHAT: {**_SAMPLING, "max_tokens": _TOKENS, "max_completion_tokens": _TOKENS},
        dialects.COMPLETIONS: {**_SAMPLING, "max_tokens": Range(0)},
        dialects.RESPONSES: {"max_output_tokens": _TOKENS},
        dialects.MESSAGES: {"max_tokens": _TOKENS},
    }
)
_TYPES: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {"messages": (list,), "tools": (list,), "prompt": (str, list), "input": (str, list), "stop": (str, list)}
)
_WORDS: Final[Mapping[type, str]] = MappingProxyType({list: "a list", str: "a string"})


def refuse(path: str, members: Members) -> None:
    """Refusal 400 with the parameter's name where no engine could answer."""
    _refuse_missing(path, members)
    for name, kinds in _TYPES.items():
        value = members.get(name)
        if value is not None and not isinstance(value, kinds):
            raise errors.invalid(f"`{name}` must be {' or '.join(_WORDS[kind] for kind in kinds)}.", param=name)
    if "use_beam_search" not in members:  # it has rules of its own
        for name, allowed in _NUMBERS.get(path, {}).items():
            _refuse_number(name, members.get(name), allowed)


def _refuse_missing(path: str, members: Members) -> None:
    match path:
        case dialects.COMPLETIONS:
            if members.get("prompt") in (None, "") and members.get("prompt_embeds") is None:
                raise errors.invalid("You must provide a `prompt` that is not empty.", param="prompt")
        case dialects.RESPONSES:
            if members.get("input") is None:
                raise errors.invalid("You must provide an `input`.", param="input")
            _refuse_stored(members)
        case _:
            if not members.get("messages"):
                raise errors.invalid("You must provide `messages`, and at least one.", param="messages")
            if path == dialects.MESSAGES and members.get("max_tokens") is None:
                raise errors.invalid("You must provide `max_tokens`.", param="max_tokens")


def _refuse_stored(members: Members) -> None:
    if members.get("previous_response_id") is not None:
        message = "`previous_response_id` names no response: none is kept. Send the whole conversation as `input`."
        raise errors.invalid(message, param="previous_response_id")
    if members.get("background") is True:
        message = "`background` must be false: no response is kept, so none could be fetched later."
        raise errors.invalid(message, param="background")


def _refuse_number(name: str, value: Any, allowed: Range) -> None:
    if value is None:
        return
    number = _number(value)
    if number is None:
        raise errors.invalid(f"`{name}` must be a number.", param=name)
    if not allowed.holds(number):
        raise errors.invalid(f"`{name}` must be {allowed.words}, and is {number:g}.", param=name)


def _number(value: Any) -> float | None:
    """As pydantic's lax mode reads it, or wider; None where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
