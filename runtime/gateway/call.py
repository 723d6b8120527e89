"""One caller's generation, read once at the edge: what the relay needs to know of it, and the bytes as they came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.contract import WEBUI_CHAT_HEADER, WEBUI_TASK_HEADER, ServiceRoute
from runtime.gateway import errors

NOT_FORWARDED: Final = frozenset(
    {"host", "content-length", "connection", "keep-alive", "transfer-encoding", "te", "upgrade", "expect"}
    | {"proxy-connection", "proxy-authorization", "authorization", "accept-encoding", "cookie"}
)


@dataclass(frozen=True)
class Call:
    """A generation. `body` is what the engine gets, unchanged. `page`: the chat page sent it, for a person."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    model: str
    engine: str
    stream: bool
    quiet: bool
    page: bool = False


def read(path: str, body: bytes, headers: Mapping[str, str], services: Mapping[str, ServiceRoute]) -> Call:
    """Parse a request; Refusal 400 for a body that is not JSON or names no model, 404 for an unknown one."""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise errors.invalid(f"The body is not valid JSON: {error}", code="invalid_json") from error
    if not isinstance(asked, dict):
        raise errors.invalid("The body must be a JSON object.", code="invalid_json")
    model = asked.get("model")
    if not isinstance(model, str) or not model:
        raise errors.invalid("You must provide a `model`.", code="missing_model", param="model")
    service = services.get(model)
    if service is None:
        raise errors.unknown_model(model, sorted(services))
    forwarded = {k: v for k, v in headers.items() if _forwarded(k.lower())}
    quiet, page = (bool(headers.get(name, "").strip()) for name in (WEBUI_TASK_HEADER, WEBUI_CHAT_HEADER))
    return Call(path, body, forwarded, model, service.engine, asked.get("stream") is True, quiet, page)


def _forwarded(name: str) -> bool:
    return name not in NOT_FORWARDED and not name.startswith("x-pilotlight-")
