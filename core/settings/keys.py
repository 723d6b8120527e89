"""The keys of a stack file's `config:`: whose they are, and what was meant by one that nobody reads."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from core.settings.messages import PREFIX
from core.settings.model import StackSettings

_OURS: Final = PREFIX.rstrip(":")
_CLOSE: Final = 0.6  # difflib's ratio: pilotligth, pilot-light, pilot
_SECTIONS: Final = frozenset(f.alias or name for name, f in StackSettings.model_fields.items() if not f.exclude)
_ELSEWHERE: Final = {
    "region": "the region is `aws:region`",
    "stack": "the stack's name is that of its file",
}


def problems(mapping: Mapping[str, Any]) -> Iterator[str]:
    """A line for each key that is meant for us but would be passed over. Other namespaces are Pulumi's providers'."""
    for key in mapping:
        namespace, _, name = str(key).partition(":")
        if namespace == _OURS:
            yield from _ours(name)
        elif _like(namespace.strip().lower(), _OURS) or (namespace.strip().lower() == _OURS):
            yield f"{key} is read by nobody (did you mean {PREFIX}{name.strip()}?)"
        elif key != "aws:region" and _like(key.lower(), "aws:region"):
            yield f"{key} is read by nobody (did you mean aws:region?)"


def _ours(name: str) -> Iterator[str]:
    if name in _ELSEWHERE:
        yield f"{PREFIX}{name} is not a setting: {_ELSEWHERE[name]}"
        return
    section, dot, inner = name.partition(".")
    if dot and section in _SECTIONS:
        yield f"{PREFIX}{name} is not a setting; write `{inner}` inside `{PREFIX}{section}`"


def _like(text: str, word: str) -> bool:
    return bool(difflib.get_close_matches(text, [word], n=1, cutoff=_CLOSE if word == _OURS else 0.8))
