"""`services.*` and `templates`: what is wrong stops the preview with its place, what is right becomes relay.json."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.contract.documents import RelayConfig, RelayUnit, ServiceRoute
from core.contract.shaping import Filter, ServiceShape
from core.settings import load, service_routes
from tests.core.test_settings import message, raw
from tests.runtime.gateway.stage import config

ENGINES = {"qwen": {"model": "Qwen/Qwen2.5-0.5B-Instruct", "maxModelLen": 4096}}
TEMPLATES = {"polish": "Polish this: {input}"}


def said(templates: dict[str, Any] | None = None, **keys: Any) -> str:
    services = {"customer": {"engine": "qwen"} | keys}
    return message(engines=ENGINES, services=services, templates=templates or TEMPLATES)


def routes(**keys: Any) -> ServiceRoute:
    services = {"customer": {"engine": "qwen"} | keys}
    return service_routes(load(raw(engines=ENGINES, services=services, templates=TEMPLATES), "lab"))[0]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"inputFilter": [{"name": "a", "pattern": "("}]}, 'inputFilter[0].pattern: "(" does not compile: missing )'),
    ({"outputCheck": [{"name": "a", "pattern": "(?=x)"}]}, "outputCheck[0].pattern"),
    ({"inputFilter": [{"name": "a", "pattern": "x*"}]}, "matches the empty text"),
    ({"inputFilter": [{"name": "a", "pattern": "x"}, {"name": "a", "pattern": "y"}]}, "names a twice"),
    ({"inputFilter": [{"name": "a", "pattern": "x", "action": "drop"}]}, "allowed: mask or refuse"),
    (
        {"inputFilter": [{"name": "a", "pattern": "x", "patern": "x"}]},
        "inputFilter[0].patern is not a setting (did you mean pattern?)",
    ),
    ({"output": "jsn"}, 'output: "jsn" is neither json nor a JSON schema'),
    ({"output": {"type": "objekt"}}, "is no JSON schema: at type: 'objekt'"),
    ({"output": {"properties": {"a": {"type": 5}}}}, "is no JSON schema: at properties.a.type"),
    ({"output": {"$ref": "https://example.com/x"}}, "which leads nowhere in it"),
    ({"output": {"properties": {"a": {"pattern": "(?=x)"}}}}, "which does not compile (RE2's syntax)"),
    ({"output": [1]}, "output: [1] is no JSON schema, which is a mapping"),
    ({"template": "polsh"}, 'template: "polsh" is not a template; there is polish (did you mean polish?)'),
    ({"engine": "qwem"}, 'engine: "qwem" is not an engine; allowed: qwen (did you mean qwen?)'),
    ({"maxTokens": 4096}, "maxTokens: 4096 leaves no room for a prompt: engines.qwen.maxModelLen is 4096"),
    ({"maxTokens": 0}, "maxTokens: 0 must be greater than or equal to 1"),
    ({"temperature": 3}, "temperature: 3 must be less than or equal to 2"),
    ({"cache": "1x"}, 'cache: "1x" '),
    ({"cache": "40d"}, "cache"),
    ({"longInput": "cut"}, "longInput"),
    ({"sytemPrompt": "x"}, "sytemPrompt is not a setting (did you mean systemPrompt?)"),
]


@pytest.mark.parametrize(("keys", "words"), WRONG)
def test_what_is_wrong_is_one_message_with_its_place(keys: dict[str, Any], words: str) -> None:
    text = said(**keys)
    assert words in text
    assert text.startswith("stacks/Pulumi.lab.yaml: pilotlight:services.customer.")
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("Polish {text}", 'pilotlight:templates.polish: "Polish {text}" has the placeholder {text}; allowed: {input}'),
        ("Polish", "has no {input}"),
        ("Polish {input", "cannot be read"),
        ("Polish {input!r}", "has the placeholder"),
    ],
)
def test_a_template_says_where_the_text_goes(template: str, words: str) -> None:
    text = said(templates={"polish": template})
    assert words in text
    assert len(text.splitlines()) == 1


def test_a_service_without_stages_is_not_shaped() -> None:
    assert routes() == ServiceRoute("customer", "qwen", None)
    assert routes(cache="off").shaping is None


SHAPES: list[tuple[dict[str, Any], ServiceShape]] = [
    ({"systemPrompt": "Be kind."}, ServiceShape(system_prompt="Be kind.")),
    ({"cache": "on"}, ServiceShape(cache_s=3600.0)),
    ({"cache": True}, ServiceShape(cache_s=3600.0)),
    ({"cache": "2h"}, ServiceShape(cache_s=7200.0)),
    ({"output": "json"}, ServiceShape(json_output=True)),
    (
        {"output": {"type": "object"}},
        ServiceShape(json_output=True, json_schema='{"type": "object"}'),
    ),
    ({"template": "polish"}, ServiceShape(template="Polish this: {input}")),
    (
        {"inputFilter": [{"name": "number", "pattern": r"\d+"}]},
        ServiceShape(input_filter=(Filter("number", r"\d+", "mask"),)),
    ),
    (
        {"temperature": 0, "maxTokens": 9, "sessionTokens": 99, "longInput": "summarize"},
        ServiceShape(temperature=0, max_tokens=9, session_tokens=99, summarize=True),
    ),
]


@pytest.mark.parametrize(("keys", "shaping"), SHAPES)
def test_stages_reach_the_relay_as_they_were_meant(keys: dict[str, Any], shaping: ServiceShape) -> None:
    route = routes(**keys)
    assert route.shaping == shaping
    unit = config().units[0]
    whole = config(units=(RelayUnit(**vars(unit) | {"services": (ServiceRoute("customer", "tiny", shaping),)}),))
    assert RelayConfig.from_json(whole.to_json()) == whole
    assert json.loads(whole.to_json())["units"][0]["services"][0]["shaping"]["json_output"] is shaping.json_output
