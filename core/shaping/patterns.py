"""Patterns of filters: RE2's syntax (https://github.com/google/re2/wiki/Syntax); its time is linear in the text.

Python's own `re` needs exponential time for some patterns and texts, and the texts are the callers'.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from typing import Any, Final

import re2

PATTERN_MAX: Final = 2000  # characters
MATCHES_MAX: Final = 5000  # in one text that is masked: some 20 ms
_ENCODING: Final = ("utf-8", "surrogatepass")  # JSON may hold half a surrogate pair


class TooMany(ValueError):
    """A text has more than MATCHES_MAX matches."""


def check(pattern: str) -> str:
    """The pattern; ValueError says why it is none."""
    if len(pattern) > PATTERN_MAX:
        raise ValueError(f"is longer than {PATTERN_MAX} characters")
    try:
        empty = compiled(pattern).search(b"") is not None
    except re2.error as error:
        raise ValueError(f"does not compile: {_words(error)} (RE2's syntax, without look-around)") from error
    if empty:
        raise ValueError("matches the empty text, so it would match everywhere")
    return pattern


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """RE2's object, over bytes; re2.error."""
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern.encode(*_ENCODING), options)


def found(pattern: str, text: str) -> bool:
    """Whether the pattern is somewhere in the text."""
    return compiled(pattern).search(text.encode(*_ENCODING)) is not None


def masked(pattern: str, text: str, by: str) -> tuple[str, int]:
    """The text with `by` for each match, and how many there were. TooMany."""
    raw = text.encode(*_ENCODING)
    spans = [match.span() for match in islice(compiled(pattern).finditer(raw), MATCHES_MAX + 1)]
    if len(spans) > MATCHES_MAX:
        raise TooMany(f"more than {MATCHES_MAX} matches")
    pieces, at = [], 0
    for start, end in spans:
        pieces += [raw[at:start], by.encode(*_ENCODING)]
        at = end
    pieces.append(raw[at:])
    return b"".join(pieces).decode(*_ENCODING), len(spans)


def _words(error: Any) -> str:
    said = error.args[0] if error.args else error
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
