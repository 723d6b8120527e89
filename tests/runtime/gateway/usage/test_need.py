"""How many tokens a request may take at most: never fewer than it takes, and no more than the context."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest

from runtime.gateway.api.bodies import Body
from runtime.gateway.api.call import JUDGED_BYTES
from runtime.gateway.errors import Refusal
from runtime.gateway.usage.need import TEMPLATE_TOKENS, Need, of

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
SAY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
CONTEXT = 100_000


def body(content: Any, *, ascii_only: bool = False) -> Body:
    made = Body()
    made.add(content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=ascii_only).encode())
    return made


def need(content: Any, path: str = CHAT, context: int = CONTEXT, **options: Any) -> Need:
    return of(path, body(content), context, **options)


def test_text_has_at_most_as_many_tokens_as_bytes_beside_the_template() -> None:
    found = need(SAY | {"max_tokens": 50})
    assert found == Need(len(json.dumps(SAY | {"max_tokens": 50})) + TEMPLATE_TOKENS, 50, 1)


@pytest.mark.parametrize("character", ["\U0001d160", "\ufb2c", "\u0958", "\u8a9e", "\U0001f642", "e\u0301"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_character_that_normalisation_makes_longer_is_within_it(character: str, ascii_only: bool) -> None:
    text = character * 1000
    asked = SAY | {"messages": [{"role": "user", "content": text}], "max_tokens": 1}
    found = of(CHAT, body(asked, ascii_only=ascii_only), CONTEXT)
    assert found.prompt - TEMPLATE_TOKENS >= len(unicodedata.normalize("NFC", text).encode())


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]}]},
        {"messages": [{"role": "user", "content": "x", "audio": {"id": "a"}}]},
        {"chat_template_kwargs": {"x": 1}},
        {"previous_response_id": "r"},
        {"a_member_of_next_year": True},
    ],
)
def test_what_is_not_plain_text_is_taken_for_a_whole_context(more: Any) -> None:
    assert need(SAY | {"max_tokens": 50} | more) == Need(CONTEXT, 0, 1)


def test_prompt_and_answer_are_no_longer_than_the_context_together() -> None:
    found = need(SAY | {"max_tokens": 5000}, context=4096)
    assert found.prompt + found.answers == 4096
    assert need(SAY, context=1000) == Need(1000, 0, 1, open_ended=True)


def test_each_choice_is_an_answer_of_its_own() -> None:
    assert need(SAY | {"max_tokens": 50, "n": 3}).answers == 150
    found = need({"model": "m", "prompt": ["a", "b"], "max_tokens": 50, "n": 3}, COMPLETIONS)
    assert (found.answers, found.choices) == (300, 6)
    assert need({"model": "m", "prompt": [1, 2, 3], "max_tokens": 50}, COMPLETIONS).choices == 1
    assert need({"model": "m", "prompt": [[1], [2, 3]], "max_tokens": 50}, COMPLETIONS).choices == 2


@pytest.mark.parametrize(
    "named", [{}, {"max_tokens": None}, {"max_tokens": "50"}, {"max_tokens": 0}, {"max_tokens": True}]
)
def test_a_length_that_is_not_named_clearly_is_ours_to_set(named: Any) -> None:
    found = need(SAY | named)
    assert found.open_ended
    assert found.prompt + found.answers == CONTEXT


def test_of_two_lengths_the_longer_counts() -> None:
    assert need(SAY | {"max_tokens": 5, "max_completion_tokens": 80}).answers == 80
    assert need({"model": "m", "input": "hi", "max_output_tokens": 9}, "/v1/responses").answers == 9
    assert need(SAY | {"max_tokens": 9}, "/v1/messages").answers == 9


def test_the_last_of_a_member_that_comes_twice_counts_as_for_the_engine() -> None:
    text = b'{"model": "m", "n": 1, "max_tokens": 5, "n": 4, "messages": []}'
    assert need(text).answers == 20


@pytest.mark.parametrize("n", [0, -1, "5", 1.5, True, 10**9])
def test_a_count_that_is_none_is_refused(n: Any) -> None:
    with pytest.raises(Refusal, match="whole number"):
        need(SAY | {"n": n})


def test_a_long_body_is_not_parsed_and_is_taken_for_a_whole_context() -> None:
    long = SAY | {"messages": [{"role": "user", "content": "x" * JUDGED_BYTES}], "max_tokens": 7, "n": 2}
    assert need(long) == Need(CONTEXT, 14, 2)
    with pytest.raises(Refusal, match="prompts in a list"):
        need({"model": "m", "prompt": ["x" * JUDGED_BYTES]}, COMPLETIONS)


def test_an_engine_that_is_not_believed_takes_a_context_each() -> None:
    assert need(SAY | {"max_tokens": 50}, plain=False).prompt == CONTEXT


def test_what_goes_on_in_the_background_cannot_be_counted() -> None:
    with pytest.raises(Refusal, match="background"):
        need({"model": "m", "input": "hi", "background": True}, "/v1/responses")


@pytest.mark.parametrize("cut", [1, 7, 10_000])
def test_members_are_added_at_the_end_where_they_count(cut: int) -> None:
    text = json.dumps(SAY | {"max_tokens": 5}).encode() + b" \n"
    made = Body()
    for at in range(0, len(text), cut):
        made.add(text[at : at + cut])
    made.append({"max_tokens": 3, "stream_options": {"include_usage": True}})
    joined = b"".join(made.pieces)
    assert json.loads(joined) == SAY | {"max_tokens": 3, "stream_options": {"include_usage": True}}
    assert made.size == len(joined)
