"""An error in a dialect's shape: as an answer's body, and as the last events of a stream that has begun.

An error is a mapping with OpenAI's four members: message, type, param, code. Anthropic's clients read message and type,
and find the other two beside them. The official Python clients raise on these events; no `[DONE]` and no
`message_stop` follows.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from core.contract.dialects import Dialect, anthropic_type

Error = Mapping[str, Any]


def body(error: Error, status: int, dialect: Dialect) -> dict[str, Any]:
    """An answer's JSON."""
    if dialect is Dialect.ANTHROPIC:
        return {"type": "error", "error": {**error, "type": anthropic_type(status)}}
    return {"error": dict(error)}


def events(error: Error, status: int, dialect: Dialect, *, model: str, sent: int = 0) -> bytes:
    """A stream's end. `sent`: events of the engine's that the caller was sent before, as Responses count them."""
    whole = body(error, status, dialect)
    match dialect:
        case Dialect.OPENAI:
            return _event("", whole)
        case Dialect.ANTHROPIC:
            return _event("error", whole)
    # Both, as OpenAI's own: SDKs raise at the first (`error.error`), and agents read what failed in the second
    said = {**error, **whole, "type": "error", "sequence_number": sent}
    failed = {"type": "response.failed", "sequence_number": sent + 1, "response": _failed_response(error, model)}
    return _event("error", said) + _event("response.failed", failed)


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


def _failed_response(error: Error, model: str) -> dict[str, Any]:
    """https://platform.openai.com/docs/api-reference/responses/object: what must be there, and nothing answered."""
    return {
        "id": f"resp_{secrets.token_hex(16)}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "failed",
        "error": {"code": str(error["code"]), "message": error["message"]},
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }


def read(raw: bytes, status: int, code: str) -> Error:
    """The error in an engine's refusal, whichever shape it has; `code` where the engine names none."""
    try:
        found: Any = json.loads(raw)
    except ValueError:
        found = None
    whole = found if isinstance(found, dict) else {}
    inner = whole.get("error")
    said = whole.get("message") or f"The engine answered {status}."
    nothing = {"message": str(said), "type": "server_error", "param": None, "code": code}
    return nothing | inner if isinstance(inner, dict) else nothing
