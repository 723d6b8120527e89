"""The paths that callers send generations to, and the dialect of each: the one table of HAProxy, relay and docs.

A dialect says what an error looks like, as an answer and in a stream that has begun (`runtime/gateway/shapes.py` writes
them). A new path: a line in `ENDPOINTS`, a row in docs/calling.md, and an engine that serves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Dialect(StrEnum):
    """Whose API a path is of."""

    OPENAI = "openai"
    RESPONSES = "responses"  # OpenAI's too; a stream's errors are typed events
    ANTHROPIC = "anthropic"


@dataclass(frozen=True)
class Endpoint:
    """One path. `streams`: a body may ask for events. `wakes`: a request for it may start the host."""

    path: str
    dialect: Dialect
    streams: bool = True
    wakes: bool = True


CHAT: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
RESPONSES: Final = "/v1/responses"
MESSAGES: Final = "/v1/messages"  # what begins so has Anthropic's errors, paths that do not exist too
ENDPOINTS: Final = (
    Endpoint(CHAT, Dialect.OPENAI),
    Endpoint(COMPLETIONS, Dialect.OPENAI),
    Endpoint(RESPONSES, Dialect.RESPONSES),
    Endpoint(MESSAGES, Dialect.ANTHROPIC),
    Endpoint(f"{MESSAGES}/count_tokens", Dialect.ANTHROPIC, streams=False, wakes=False),
)
BY_PATH: Final[Mapping[str, Endpoint]] = MappingProxyType({e.path: e for e in ENDPOINTS})
EMBEDDINGS: Final = "/v1/embeddings"  # refused: an engine is ready when it has completed a text, which theirs cannot

# Anthropic's `error.type` by status (https://docs.anthropic.com/en/api/errors)
_ANTHROPIC_TYPES: Final[Mapping[int, str]] = MappingProxyType(
    {
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        504: "timeout_error",
    }
)


def of(path: str) -> Dialect:
    """In whose shape a caller of this path reads errors."""
    if path.startswith(MESSAGES):
        return Dialect.ANTHROPIC
    return BY_PATH[path].dialect if path in BY_PATH else Dialect.OPENAI


def anthropic_type(status: int) -> str:
    """What Anthropic calls an error of this status."""
    return _ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
