"""One caller's generation, read once at the edge: what the relay needs to know of it, and the bytes as they came."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import aiohttp

from core.codes import ErrorCode
from core.contract.dialects import BY_PATH, Endpoint
from core.contract.documents import ServiceRoute
from core.contract.network import (
    API_KEY_HEADER,
    KEY_HEADER,
    QUIET_HEADER,
    USER_HEADER,
    WEBUI_CHAT_HEADER,
    WEBUI_TASK_HEADER,
)
from runtime.gateway import errors
from runtime.gateway.api import hopeless
from runtime.gateway.api.bodies import Body
from runtime.gateway.api.marks import NO_MARK, Mark
from runtime.gateway.api.outline import NotAnObject

WEBUI_TASKS_OF_PEOPLE: Final = ("moa_response_generation",)  # "merge responses": a person's click
NOT_FORWARDED: Final = frozenset(
    {"host", "content-length", "connection", "keep-alive", "transfer-encoding", "te", "upgrade", "expect"}
    | {"proxy-connection", "proxy-authorization", "authorization", "accept-encoding", "cookie", "content-encoding"}
    | {API_KEY_HEADER}
)
WHO_MAX: Final = 64  # characters of a key's name, and of a user's
JUDGED_BYTES: Final = 256 * 2**10  # up to here a slip anywhere in the JSON is told before anything wakes
# What vLLM takes for a boolean (pydantic's lax mode, https://docs.pydantic.dev/latest/concepts/conversion_table/)
_WORDS: Final = {
    **dict.fromkeys(("1", "on", "t", "true", "y", "yes"), True),
    **dict.fromkeys(("0", "off", "f", "false", "n", "no"), False),
}


class Passage(Protocol):
    """What counts a call that goes to an engine and comes back (runtime/gateway/usage/limits.py)."""

    @property
    def tokens(self) -> tuple[int, int]:
        """Prompt's and answer's so far."""

    @property
    def shortened(self) -> bool:
        """The engine is asked for no more than its caller has left, which is less than the request allows."""

    def sent(self) -> None:
        """Bytes of it may reach an engine from now on."""

    def not_sent(self) -> None:
        """None did."""

    def answered(self, status: int) -> None:
        """The engine's answer has begun."""

    def through(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The answer's bytes as the caller is to have them."""


@dataclass(frozen=True)
class Call:
    """A generation. `body` is what the engine gets, and `passage` counts it, where it is counted. `key`: the name of
    the caller's key, or "". `quiet`: it wakes nothing. `page`: the chat page sent it, for a person; `user`: which
    account of the page's, or "". `background`: the page asks for something that no person reads as an answer, such as
    a title.
    """

    endpoint: Endpoint
    body: Body
    headers: Mapping[str, str]
    model: str
    engine: str
    stream: bool
    quiet: bool
    page: bool = False
    key: str = ""
    user: str = ""
    background: bool = False
    passage: Passage | None = None
    mark: Mark = NO_MARK

    @property
    def path(self) -> str:
        """Where it is sent, here and at the engine."""
        return self.endpoint.path


def read(path: str, body: Body, headers: Mapping[str, str], services: Mapping[str, ServiceRoute]) -> Call:
    """Parse a request; Refusal 400 for a body that is no JSON, names no model or cannot be answered, 404 for an unknown
    model.

    Of a `model` that comes twice the first counts, as for HAProxy; of a `stream` the last, as for vLLM.
    """
    endpoint, members = BY_PATH[path], _members(body)
    model = next((value for name, value in members if name == "model"), None)
    if not isinstance(model, str) or not model:
        raise errors.invalid("You must provide a `model`.", code=ErrorCode.MISSING_MODEL, param="model")
    service = services.get(model)
    if service is None:
        raise errors.unknown_model(model, sorted(services))
    stream = endpoint.streams and _streams(dict(members).get("stream"))
    hopeless.refuse(path, dict(members))
    forwarded = {k: v for k, v in headers.items() if _forwarded(k.lower())}
    task, chat = (headers.get(name, "").strip() for name in (WEBUI_TASK_HEADER, WEBUI_CHAT_HEADER))
    background = bool(task) and task not in WEBUI_TASKS_OF_PEOPLE
    quiet = background or QUIET_HEADER in headers or not endpoint.wakes
    page, who = bool(chat) and not task, (key_name(headers), user_name(headers))
    return Call(endpoint, body, forwarded, model, service.engine, stream, quiet, page, *who, background)


def key_name(headers: Mapping[str, str]) -> str:
    """The name of the caller's key as HAProxy says it, without what a log or a lease should not hold; "" without."""
    return _plain(headers.get(KEY_HEADER, ""))


def user_name(headers: Mapping[str, str]) -> str:
    """The account at the chat page, likewise."""
    return _plain(headers.get(USER_HEADER, ""))


def _plain(name: str) -> str:
    return "".join(c for c in name[:WHO_MAX] if c.isascii() and c.isprintable())


def _members(body: Body) -> list[tuple[str, Any]]:
    try:
        if body.size <= JUDGED_BYTES:
            json.loads(b"".join(body.pieces))
        return body.outline.members()
    except (NotAnObject, ValueError, RecursionError) as error:
        raise errors.not_json(str(error)) from error


def _streams(value: Any) -> bool:
    """As vLLM reads it, so that a request is the same awake and asleep."""
    known = _WORDS.get(value.lower()) if isinstance(value, str) else {0: False, 1: True, None: False}.get(value)
    if known is None:
        raise errors.invalid("`stream` must be true or false.", param="stream")
    return known


def _forwarded(name: str) -> bool:
    return name not in NOT_FORWARDED and not name.startswith("x-pilotlight-")
