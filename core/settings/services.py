"""What a stack file says of a service, `services.NAME.*`: the engine, and how requests and answers are shaped.

A key beside `engine` makes the service a shaped one: its requests go by way of the relay (docs/services.md). A new
stage: a field here and in `core/contract/shaping.py`, a line in `shape`, and a class in `runtime/gateway/shaping/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from core.contract import shaping
from core.contract.documents import ServiceRoute
from core.settings import applied
from core.settings.checks import BOUNDS_KEY, Name, Within
from core.settings.section import Section, as_tuple
from core.settings.suggest import closest
from core.shaping import patterns, schemas, templates
from core.times import bounds

JSON: Final = "json"  # `output: json`: any JSON object
SYSTEM_PROMPT_MAX: Final = 16 * 2**10  # characters
FILTERS_MAX: Final = 20
_CACHE_DEFAULT: Final = "1h"
_CACHE_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [{"type": "string", "examples": ["1h"]}, {"enum": ["on", "off", True, False]}],
    BOUNDS_KEY: str(bounds.CACHE),
}


def _output(value: Any) -> str | None:
    """`json`, or a schema as JSON text."""
    if value is None or value == JSON:
        return JSON if value else None
    if isinstance(value, str):
        raise ValueError(f"is neither json nor a JSON schema; write json, or a mapping{closest(value, [JSON])}")
    return schemas.check(value)


def _cache(value: Any) -> Any:
    return _CACHE_DEFAULT if value is True or value == "on" else value


def _distinct_names(filters: tuple[Filter, ...]) -> tuple[Filter, ...]:
    names = [f.name for f in filters]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"names {', '.join(twice)} twice")
    return filters


Template = Annotated[str, AfterValidator(templates.check)]


class Filter(Section):
    """A kind of text that a service does not take, or does not give away."""

    model_config = applied.section(applied.DEPLOY)

    name: Annotated[str, Field(min_length=1, max_length=60)] = Field(
        description="What people are told, e.g. e-mail address."
    )
    pattern: Annotated[str, AfterValidator(patterns.check)] = Field(
        description="A regular expression in RE2's syntax, searched in each text; (?i) before it ignores case."
    )
    action: Literal["mask", "refuse"] = Field(
        default="mask", description="mask: the match becomes [NAME]; refuse: there is no answer."
    )


Filters = Annotated[tuple[Filter, ...], BeforeValidator(as_tuple), AfterValidator(_distinct_names)]


class Service(Section):
    """What callers name as `model`. Answers name it too, or the engine where that has several services."""

    model_config = applied.section(applied.DEPLOY)

    engine: Name = Field(description="The engine that answers.")
    system_prompt: Annotated[str, Field(min_length=1, max_length=SYSTEM_PROMPT_MAX)] | None = Field(
        default=None, description="Stands before the caller's messages."
    )
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=None, description="Where the caller names none."
    )
    max_tokens: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Longest answer, tokens; a caller may ask for less, and not for more."
    )
    template: Name | None = Field(
        default=None, description="One of `pilotlight:templates`: the caller's last message goes into it."
    )
    output: Annotated[
        str | None,
        BeforeValidator(_output),
        WithJsonSchema({"anyOf": [{"const": JSON}, {"type": "object"}, {"type": "null"}]}),
    ] = Field(default=None, description="json, or a JSON schema that answers follow.")
    input_filter: Filters = Field(
        default=(), max_length=FILTERS_MAX, description="{name, pattern, action} each: what requests may not hold."
    )
    output_check: Filters = Field(
        default=(), max_length=FILTERS_MAX, description="{name, pattern, action} each: what answers may not hold."
    )
    session_tokens: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Tokens that one session (a chat) may use, prompts and answers together."
    )
    long_input: Literal["summarize"] | None = Field(
        default=None, description="summarize: a text that is too long for the model is read in parts."
    )
    cache: Annotated[float, Within(bounds.CACHE, off=True), BeforeValidator(_cache), WithJsonSchema(_CACHE_SCHEMA)] = (
        Field(
            default=0.0,
            description="How long an answer is kept for equal requests; on is 1h.",
        )
    )


def shape(service: Service, template: str) -> shaping.ServiceShape | None:
    """The stages as the relay reads them; None where there is none. `template` is the text of the one that it names."""
    found = shaping.ServiceShape(
        system_prompt=service.system_prompt or "",
        temperature=service.temperature,
        max_tokens=service.max_tokens,
        template=template,
        json_output=service.output is not None,
        json_schema="" if service.output in (None, JSON) else service.output,
        input_filter=_filters(service.input_filter),
        output_check=_filters(service.output_check),
        session_tokens=service.session_tokens,
        summarize=service.long_input is not None,
        cache_s=service.cache,
    )
    return None if found == shaping.ServiceShape() else found


def _filters(filters: tuple[Filter, ...]) -> tuple[shaping.Filter, ...]:
    return tuple(shaping.Filter(f.name, f.pattern, f.action) for f in filters)


def route(name: str, service: Service, all_templates: Mapping[str, str]) -> ServiceRoute:
    """A service as the gateway's programs read it."""
    template = all_templates[service.template] if service.template else ""
    return ServiceRoute(name, service.engine, shape(service, template))


def problems(
    services: Mapping[str, Service], all_templates: Mapping[str, str], context_tokens: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    """What only services, templates and engines (`context_tokens` by name) together can tell: (path, sentence)."""
    for name, service in services.items():
        if service.engine not in context_tokens:
            allowed = f"allowed: {', '.join(context_tokens)}{closest(service.engine, context_tokens)}"
            yield f"{name}.engine", f'"{service.engine}" is not an engine; {allowed}'
        elif service.max_tokens and service.max_tokens >= (longest := context_tokens[service.engine]):
            yield (
                f"{name}.maxTokens",
                f"{service.max_tokens} leaves no room for a prompt: engines.{service.engine}.maxModelLen is {longest}",
            )
        if service.template and service.template not in all_templates:
            known = ", ".join(all_templates) or "none, as pilotlight:templates is not set"
            yield (
                f"{name}.template",
                f'"{service.template}" is not a template; there is {known}{closest(service.template, all_templates)}',
            )
