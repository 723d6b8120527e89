"""What callers of shaped services send, what the engine gets of it, and what they are answered."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from core.contract.shaping import Filter, ServiceShape
from core.lease import State
from core.shaping import schemas
from runtime.gateway.shaping.truncation import MARK
from tests.runtime.gateway.shaping.scenes import Scene, events, play, words

MAIL = r"[\w.]+@[\w.]+\w"
MASK = (Filter("e-mail address", MAIL, "mask"),)
REFUSE = (Filter("project name", "(?i)bluebird", "refuse"),)
SYSTEM = {"role": "system", "content": "Be kind."}


# ------------------------------------------------------------ defaults and templates
BODIES: list[tuple[ServiceShape, dict[str, Any], dict[str, Any]]] = [
    (ServiceShape(temperature=0.2), {}, {"temperature": 0.2}),
    (ServiceShape(temperature=0.2), {"temperature": 0}, {"temperature": 0}),
    (ServiceShape(max_tokens=50), {}, {"max_tokens": 50}),
    (ServiceShape(max_tokens=50), {"max_tokens": 20}, {"max_tokens": 20}),
    (ServiceShape(max_tokens=50), {"max_tokens": 90}, {"max_tokens": 50}),
    (ServiceShape(max_tokens=50), {"max_tokens": "90"}, {"max_tokens": 50}),
    (ServiceShape(max_tokens=50), {"max_tokens": 90.0}, {"max_tokens": 50}),
    (ServiceShape(max_tokens=50), {"max_completion_tokens": 90}, {"max_completion_tokens": 50, "max_tokens": None}),
    (ServiceShape(max_tokens=50), {"model": "polish", "seed": 7, "top_p": 1}, {"seed": 7, "top_p": 1}),
    (ServiceShape(json_output=True), {}, {"response_format": {"type": "json_object"}}),
    (
        ServiceShape(json_output=True),
        {"response_format": {"type": "text"}},
        {"response_format": {"type": "json_object"}},
    ),
]


@pytest.mark.parametrize(("shaping", "asked", "sent"), BODIES)
def test_defaults_fill_what_the_caller_leaves_open(
    shaping: ServiceShape, asked: dict[str, Any], sent: dict[str, Any]
) -> None:
    async def act(scene: Scene) -> None:
        assert (await scene.post(**asked))[0] == 200
        got = scene.engine.seen[0]["asked"]
        assert {name: got.get(name) for name in sent} == sent

    play(shaping, act, "{}")


MESSAGES: list[tuple[ServiceShape, list[Any], list[Any]]] = [
    (
        ServiceShape(system_prompt="Be kind."),
        [{"role": "user", "content": "x"}],
        [SYSTEM, {"role": "user", "content": "x"}],
    ),
    (
        ServiceShape(system_prompt="Be kind."),
        [{"role": "system", "content": "Be short."}, {"role": "user", "content": "x"}],
        [{"role": "system", "content": "Be kind.\n\nBe short."}, {"role": "user", "content": "x"}],
    ),
    (
        ServiceShape(template="Polish: {input}!"),
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "{c}"}],
        [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "Polish: {c}!"},
        ],
    ),
    (
        ServiceShape(template="Polish: {input}"),
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}],
            }
        ],
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "Polish: a"}, {"type": "image_url", "image_url": {"url": "u"}}],
            }
        ],
    ),
]


@pytest.mark.parametrize(("shaping", "asked", "sent"), MESSAGES)
def test_prompts_are_put_around_what_the_caller_writes(shaping: ServiceShape, asked: Any, sent: Any) -> None:
    async def act(scene: Scene) -> None:
        assert (await scene.post(asked))[0] == 200
        assert scene.engine.prompts == [sent]

    play(shaping, act)


def test_background_calls_of_the_chat_page_are_filtered_and_not_shaped() -> None:
    async def act(scene: Scene) -> None:
        _, _, answer = await scene.post("title for a@b.de", headers={"X-OWUI-Task": "title_generation"})
        assert scene.engine.prompts == [[{"role": "user", "content": "title for [e-mail address]"}]]
        assert "response_format" not in scene.engine.seen[0]["asked"]
        assert answer["choices"][0]["message"]["content"] == "A title"

    shaping = ServiceShape(
        system_prompt="Be kind.", template="Polish: {input}", json_output=True, input_filter=MASK, max_tokens=9
    )
    play(shaping, act, "A title")


# ------------------------------------------------------------ filters
def test_a_masked_text_never_reaches_the_engine_and_the_caller_is_told_its_name() -> None:
    async def act(scene: Scene) -> None:
        parts = [{"type": "text", "text": "or c@d.de"}]
        tools = [{"type": "function", "function": {"name": "f", "description": "asks e@f.de", "parameters": {}}}]
        messages = [{"role": "user", "content": "a@b.de"}, {"role": "user", "content": parts}]
        status, _, answer = await scene.post(messages, tools=tools)
        assert status == 200
        assert "@" not in json.dumps(scene.engine.seen[0]["asked"])
        assert answer["pilotlight"]["masked"] == {"e-mail address": 3}
        assert answer["pilotlight"]["message"] == "Masked before the model read it: e-mail address (3)."

    play(ServiceShape(input_filter=MASK), act)


def test_a_person_at_the_chat_page_reads_what_was_masked() -> None:
    async def act(scene: Scene) -> None:
        chat = {"X-OWUI-Chat": "c1"}
        _, found = await scene.stream("a@b.de", headers=chat)
        (shown,) = [e["event"]["data"] for e in found[:-1] if "event" in e]
        assert shown == {"description": "Masked before the model read it: e-mail address.", "done": True}
        _, found = await scene.stream("a@b.de")
        assert not [e for e in found[:-1] if "event" in e], "no other client is sent that"

    play(ServiceShape(input_filter=MASK), act)


@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_text_is_named_before_anything_wakes(stream: bool) -> None:
    async def act(scene: Scene) -> None:
        status, _, answer = await scene.post("what is BlueBird?", stream=stream)
        assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "input_refused", "messages")
        assert "project name" in answer["error"]["message"]
        assert "BlueBird" not in answer["error"]["message"]
        assert scene.engine.seen == []
        await scene.stage.watch.look()
        assert scene.stage.lease.state is State.STOPPED

    play(ServiceShape(input_filter=REFUSE), act, state=State.STOPPED)


def test_half_a_surrogate_pair_passes_a_filter_as_it_is() -> None:
    async def act(scene: Scene) -> None:
        assert (await scene.post("\ud83d a@b.de"))[0] == 200
        assert scene.engine.prompts[0][0]["content"] == "\ud83d [e-mail address]"

    play(ServiceShape(input_filter=MASK), act)


@pytest.mark.parametrize("stream", [False, True])
def test_the_output_check_masks_also_what_a_stream_would_have_cut_in_two(stream: bool) -> None:
    async def act(scene: Scene) -> None:
        if stream:
            _, found = await scene.stream()
            assert words(found) == "write to [e-mail address]"
            assert [e["pilotlight"]["masked_in_answer"] for e in found[:-1] if "pilotlight" in e] == [
                {"e-mail address": 1}
            ]
        else:
            _, _, answer = await scene.post(logprobs=True)
            assert answer["choices"][0]["message"]["content"] == "write to [e-mail address]"
            assert "logprobs" not in answer["choices"][0], "they would spell out what was masked"
        assert scene.engine.seen[0]["asked"]["stream"] is False

    play(ServiceShape(output_check=MASK), act, "write to a@b.de")


def test_an_answer_that_may_not_be_given_is_withheld_with_a_reason() -> None:
    async def act(scene: Scene) -> None:
        _, _, answer = await scene.post()
        choice = answer["choices"][0]
        assert choice["finish_reason"] == "content_filter"
        assert choice["message"]["content"] == "The answer was withheld: it contains project name."
        assert answer["pilotlight"]["withheld"] == ["project name"]

    play(ServiceShape(output_check=REFUSE), act, "It is Bluebird.")


# ------------------------------------------------------------ JSON
SCHEMA = schemas.check({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
AS_SCHEMA = ServiceShape(json_output=True, json_schema=SCHEMA)


def test_a_schema_goes_to_the_engine_as_structured_output() -> None:
    async def act(scene: Scene) -> None:
        _, _, answer = await scene.post()
        assert scene.engine.seen[0]["asked"]["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "polish", "schema": json.loads(SCHEMA), "strict": True},
        }
        assert answer["choices"][0]["message"]["content"] == '{"n": 1}'
        assert answer["model"] == "polish", "the service, whatever its engine is called"
        assert "pilotlight" not in answer

    play(AS_SCHEMA, act, '{"n": 1}')


REPAIRS: list[tuple[list[Any], str, dict[str, Any], int]] = [
    (['```json\n{"n": 1}\n```'], '{"n": 1}', {"repaired": True}, 1),
    (['Here you are: {"n": 1} - bye'], '{"n": 1}', {"repaired": True}, 1),
    (["nonsense", '{"n": 2}'], '{"n": 2}', {"repaired": True, "engine_calls": 2}, 2),
    (['{"n": "x"}', '{"n": 2}'], '{"n": 2}', {"repaired": True, "engine_calls": 2}, 2),
    ([('{"n": 12', "length"), '{"n": 1}'], '{"n": 1}', {"repaired": True, "engine_calls": 2}, 2),
    (["nonsense", "again"], "nonsense", {"valid": False, "engine_calls": 2}, 2),
]


@pytest.mark.parametrize(("says", "content", "notes", "calls"), REPAIRS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_not_the_asked_json_is_repaired_once_and_marked(
    says: list[Any], content: str, notes: dict[str, Any], calls: int, stream: bool
) -> None:
    async def act(scene: Scene) -> None:
        if stream:
            _, found = await scene.stream(stream_options={"include_usage": True})
            text, told = words(found), next(e["pilotlight"] for e in found[:-1] if "pilotlight" in e)
            usage = found[-2]["usage"]
        else:
            _, _, answer = await scene.post()
            text, told, usage = answer["choices"][0]["message"]["content"], answer["pilotlight"], answer["usage"]
        assert (text, {n: told.get(n) for n in notes}) == (content, notes)
        assert len(scene.engine.seen) == calls
        assert usage["total_tokens"] == 15 * calls, "each request to the engine counts"

    play(AS_SCHEMA, act, *says)


def test_no_second_answer_where_the_caller_itself_cut_the_first() -> None:
    async def act(scene: Scene) -> None:
        _, _, answer = await scene.post(max_tokens=1)
        assert answer["pilotlight"]["valid"] is False
        assert len(scene.engine.seen) == 1

    play(AS_SCHEMA, act, ("{", "length"))


# ------------------------------------------------------------ cut off
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_was_cut_off_is_marked_and_continue_goes_on(stream: bool) -> None:
    async def act(scene: Scene) -> None:
        if stream:
            text = words((await scene.stream())[1])
        else:
            text = (await scene.post())[2]["choices"][0]["message"]["content"]
        assert text == "one two" + MARK
        history = [
            {"role": "user", "content": "count"},
            {"role": "assistant", "content": text},
            {"role": "user", "content": "Continue, please.".replace(",", "")},
        ]
        await scene.post(history)
        sent = scene.engine.seen[1]["asked"]
        assert sent["messages"] == [{"role": "user", "content": "count"}, {"role": "assistant", "content": "one two"}]
        assert (sent["continue_final_message"], sent["add_generation_prompt"]) == (True, False)

    play(ServiceShape(max_tokens=3), act, ("one two", "length"), "three")


def test_no_mark_where_the_caller_wanted_no_more_and_none_reaches_the_model() -> None:
    async def act(scene: Scene) -> None:
        _, _, answer = await scene.post(max_tokens=2)
        assert answer["choices"][0]["message"]["content"] == "one two"
        assert answer["pilotlight"] == {"truncated": True}
        history = [
            {"role": "assistant", "content": f"a{MARK}"},
            {"role": "user", "content": "tell me how to continue a story"},
        ]
        await scene.post(history)
        assert scene.engine.prompts[1][0]["content"] == "a"
        assert "continue_final_message" not in scene.engine.seen[1]["asked"]

    play(ServiceShape(temperature=0), act, ("one two", "length"))


# ------------------------------------------------------------ streams
@pytest.mark.parametrize("cut", [0, 1, 7])
def test_a_stream_that_no_stage_changes_goes_on_as_it_comes(cut: int) -> None:
    async def act(scene: Scene) -> None:
        scene.engine.cut = cut
        _, found = await scene.stream()
        assert words(found) == "Zürich"
        assert {e["model"] for e in found[:-1]} == {"polish"}, "the service, whatever its engine is called"
        assert scene.engine.seen[0]["asked"]["stream"] is True
        assert not any("usage" in e for e in found[:-1]), "nobody asked for it"
        _, found = await scene.stream(stream_options={"include_usage": True})
        assert [e["usage"]["total_tokens"] for e in found[:-1] if "usage" in e] == [15]

    play(ServiceShape(temperature=0), act, "Zürich")


def test_a_stream_that_breaks_off_ends_with_an_error() -> None:
    async def act(scene: Scene) -> None:
        scene.engine.breaks = True
        _, _, raw = await scene.post(stream=True)
        assert '"engine_crashed"' in raw
        assert "[DONE]" not in raw

    play(ServiceShape(temperature=0), act)


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_engine_refuses_is_passed_on(stream: bool) -> None:
    async def act(scene: Scene) -> None:
        scene.engine.status = 422
        status, _, answer = await scene.post(stream=stream)
        assert (status, answer["error"]["code"]) == (422, "engine_says_no")

    play(ServiceShape(temperature=0), act)


def test_a_cold_stream_is_answered_like_any_other() -> None:
    async def act(scene: Scene) -> None:
        asking = asyncio.create_task(scene.post(stream=True))
        await scene.stage.waiting()
        await scene.stage.watch.look()
        scene.stage.agent_ready("boot-2")
        await scene.stage.watch.look()
        status, _, raw = await asking
        assert status == 200
        assert raw.startswith(": pilotlight: ")
        assert words(events(raw)) == "Paris"

    play(ServiceShape(output_check=MASK), act, state=State.STOPPED)
