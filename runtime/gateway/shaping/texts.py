"""All texts of a request or of an answer, wherever they stand in it: a filter that looked at `content` alone would be
passed by in a tool's description.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

TEXTS_MAX: Final = 10_000  # of one request; a conversation has hundreds
DEPTH_MAX: Final = 100
# What names things, or is no text: a mask in it would break the request
_NOT_TEXT: Final = frozenset(
    {"model", "role", "type", "id", "tool_call_id", "url", "data", "object", "finish_reason", "stop_reason", "user"}
    | {"response_format", "structured_outputs", "system_fingerprint", "service_tier", "reasoning_effort", "tool_choice"}
)


class TooManyTexts(ValueError):
    """More texts than TEXTS_MAX, or nested deeper than DEPTH_MAX."""


def replaced(body: Any, change: Callable[[str], str]) -> Any:
    """The same JSON with each text as `change` has it. TooManyTexts."""
    return _Walk(change).part(body, 0)


class _Walk:
    def __init__(self, change: Callable[[str], str]) -> None:
        self._change, self._count = change, 0

    def part(self, part: Any, depth: int) -> Any:
        if depth > DEPTH_MAX:
            raise TooManyTexts(f"nested deeper than {DEPTH_MAX}")
        if isinstance(part, str):
            self._count += 1
            if self._count > TEXTS_MAX:
                raise TooManyTexts(f"more than {TEXTS_MAX} texts")
            return self._change(part)
        if isinstance(part, dict):
            return {k: v if k in _NOT_TEXT else self.part(v, depth + 1) for k, v in part.items()}
        if isinstance(part, list):
            return [self.part(each, depth + 1) for each in part]
        return part
