"""What the relay does to the requests and answers of a shaped service: a part of relay.json, resolved by deploy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What is done with a match of a filter."""

    MASK = "mask"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Filter:
    """Texts that are masked or refused. `name`: what people are told; `pattern`: RE2's (core/shaping/patterns.py)."""

    name: str
    pattern: str
    action: str  # an Action


@dataclass(frozen=True)
class ServiceShape:
    """The stages of one service; a field's default means that there is no such stage.

    `json_schema` and `template` are as `core.shaping` checked them.
    """

    system_prompt: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    template: str = ""
    json_output: bool = False
    json_schema: str = ""  # JSON text; "" with `json_output`: any JSON object
    input_filter: tuple[Filter, ...] = ()
    output_check: tuple[Filter, ...] = ()
    session_tokens: int | None = None
    summarize: bool = False
    cache_s: float = 0.0  # how long an answer is kept; 0: not at all
