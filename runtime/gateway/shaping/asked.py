"""A shaped service's request, read as a whole: bounded, because the event loop stands still meanwhile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from core.contract.network import SESSION_HEADER, SHAPED_BYTES_MAX, WEBUI_CHAT_HEADER
from runtime.gateway import errors
from runtime.gateway.api.bodies import Body, Share
from runtime.gateway.shaping.visit import Json

ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
VALUE_BYTES: Final = 80  # of memory, for a value that its text takes two bytes for
TEXT_FACTOR: Final = 4  # bytes of memory for a byte of text, at most
NAME_MAX: Final = 200  # characters


def read(body: Body, share: Share) -> Json:
    """The request as JSON, with its memory reserved in `share`. Refusal 400, 413 or `bodies_full`."""
    if body.size > SHAPED_BYTES_MAX:
        raise errors.shaped_body_too_large(SHAPED_BYTES_MAX)
    raw = b"".join(body.pieces)
    share.reach(TEXT_FACTOR * len(raw) + VALUE_BYTES * sum(raw.count(mark) for mark in (b"{", b"[", b",")))
    try:
        asked: Json = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise errors.not_json(str(error)) from error
    _check(asked.get("messages"))
    return asked


def _check(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise errors.invalid("`messages` must be a list with a message.", param="messages")
    if not all(isinstance(m, dict) and m.get("role") in ROLES for m in messages):
        raise errors.invalid(f"Each message needs a `role`: {', '.join(ROLES)}.", param="messages")


def wants_usage(asked: Mapping[str, Any]) -> bool:
    """The caller of a stream asked for its tokens."""
    options = asked.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


def session(headers: Mapping[str, str], asked: Mapping[str, Any]) -> str:
    """What the caller names its session: by our header, as a chat of the chat page, or by `user`; else "", so that a
    caller has one session.
    """
    named = headers.get(SESSION_HEADER) or headers.get(WEBUI_CHAT_HEADER) or asked.get("user")
    return named.strip()[:NAME_MAX] if isinstance(named, str) else ""
