"""How many tokens a request may take at most, from its body alone: never fewer than it takes.

The reasons are in docs/adr/0023-tokens-are-reserved.md. In short: no token is shorter than a byte, so text has at most
as many tokens as bytes; beside the text stands the model's own template (`TEMPLATE_TOKENS`); and the engine refuses
what is longer than its context. What is no plain text (images, tools) is taken for a whole context.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.contract.dialects import CHAT, COMPLETIONS, MESSAGES, RESPONSES
from runtime.gateway import errors
from runtime.gateway.api.bodies import Body
from runtime.gateway.api.call import JUDGED_BYTES

COUNTED: Final = frozenset({CHAT, COMPLETIONS, RESPONSES, MESSAGES})  # other paths make no tokens
TEMPLATE_TOKENS: Final = 1024  # what a model's own template adds to a request: its default system prompt, its marks
NORMALISED: Final = 3  # NFC makes a character at most three times as long in UTF-8 (Unicode Standard Annex 15)
CHOICES_MAX: Final = 1024  # vLLM's own limit is 16384 (VLLM_MAX_N_SEQUENCES); each is an answer of its own

# The names of "at most so many tokens"; the first is the one that we set
LONGEST: Final[Mapping[str, tuple[str, ...]]] = {
    CHAT: ("max_completion_tokens", "max_tokens"),
    COMPLETIONS: ("max_tokens",),
    RESPONSES: ("max_output_tokens",),
    MESSAGES: ("max_tokens",),
}
# Members that put nothing into the prompt but the text that stands in them
_PLAIN: Final = frozenset(
    {"model", "messages", "prompt", "input", "instructions", "system", "stream", "stream_options", "user", "metadata"}
    | {"max_tokens", "max_completion_tokens", "max_output_tokens", "n", "stop", "stop_sequences", "seed", "suffix"}
    | {"temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty"}
    | {"logprobs", "top_logprobs", "logit_bias", "echo", "store", "service_tier", "safety_identifier", "min_tokens"}
    | {"response_format", "structured_outputs", "ignore_eos", "stop_token_ids", "skip_special_tokens", "priority"}
)
_TEXT_TYPES: Final = frozenset({"text", "input_text", "output_text", "message"})


@dataclass(frozen=True)
class Need:
    """`prompt`: tokens at most, all prompts together. `answers`: likewise, of `choices` answers.

    `open_ended`: the caller named no longest answer, so each may be made shorter.
    """

    prompt: int
    answers: int
    choices: int = 1
    open_ended: bool = False


def of(path: str, body: Body, context: int, *, plain: bool = True) -> Need:
    """What a request to `path` needs on an engine with `context` tokens. Refusal 400 for what cannot be bounded.

    With `plain` False no text is believed to be short: a whole context.
    """
    whole = body.size <= JUDGED_BYTES
    asked = dict(json.loads(b"".join(body.pieces)) if whole else body.outline.members())
    if asked.get("background"):
        raise errors.invalid("A key with a token limit cannot use `background`.", param="background")
    prompts, longest = _prompts(path, asked, whole=whole), _longest(path, asked)
    choices = prompts * _count(asked, "n")
    prompt = context * prompts
    if whole and plain and _only_text(asked):
        prompt = min(prompt, _bytes(body) + TEMPLATE_TOKENS)
    # the engine lets no prompt be longer than its context, together with its answer
    answers = min(context * choices - prompt, choices * (context if longest is None else longest))
    return Need(prompt, max(0, answers), choices, open_ended=longest is None)


def _bytes(body: Body) -> int:
    """UTF-8 bytes, once a tokenizer has normalised them; JSON's escapes are longer than what they stand for."""
    wide = sum(len(piece) - len(piece.translate(None, _WIDE)) for piece in body.pieces)
    return body.size + (NORMALISED - 1) * wide


_WIDE: Final = bytes(range(0x80, 0x100))


def _prompts(path: str, asked: Mapping[str, Any], *, whole: bool) -> int:
    """A completion may have several prompts, each with answers of its own."""
    prompt = asked.get("prompt")
    if path != COMPLETIONS or isinstance(prompt, str):
        return 1
    if asked.get("prompt_embeds"):
        raise errors.invalid("A key with a token limit cannot use `prompt_embeds`.", param="prompt_embeds")
    if not whole:
        limit = JUDGED_BYTES // 2**10
        raise errors.invalid(f"A key with a token limit may send {limit} KiB of prompts in a list.", param="prompt")
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], str | list):
        return len(prompt)
    return 1


def _count(asked: Mapping[str, Any], name: str) -> int:
    """A small whole number, 1 where it is not named. Refusal 400: it is none, or too large."""
    value = asked.get(name)
    number = 1 if value is None else _whole(value)
    if number is None or not 1 <= number <= CHOICES_MAX:
        raise errors.invalid(f"`{name}` is a whole number from 1 to {CHOICES_MAX}.", param=name)
    return number


def _longest(path: str, asked: Mapping[str, Any]) -> int | None:
    """The longest answer that the caller named; None: none that we understand, so we set one."""
    named = [number for name in LONGEST[path] if (number := _whole(asked.get(name))) is not None and number > 0]
    return max(named) if named and _understood(path, asked) else None


def _understood(path: str, asked: Mapping[str, Any]) -> bool:
    return all(asked.get(name) is None or _whole(asked[name]) is not None for name in LONGEST[path])


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _only_text(asked: Mapping[str, Any]) -> bool:
    return _PLAIN.issuperset(name for name, value in asked.items() if value is not None) and all(
        _text(asked.get(name)) for name in ("messages", "input", "system", "instructions", "prompt")
    )


def _text(part: Any) -> bool:
    """Text, or lists and objects of nothing but it."""
    if isinstance(part, dict):
        kind = part.get("type", "text")
        plain = isinstance(kind, str) and kind in _TEXT_TYPES and not part.keys() - _TEXT_MEMBERS
        return plain and all(_text(value) for value in part.values())
    if isinstance(part, list):
        return all(_text(each) for each in part)
    return part is None or isinstance(part, str | int)


_TEXT_MEMBERS: Final = frozenset({"role", "content", "type", "text", "name", "id", "status", "annotations"})
