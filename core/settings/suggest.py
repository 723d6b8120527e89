"""`did you mean …?` for a word that is not one of the allowed ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(word: object, allowed: Iterable[str]) -> str:
    """` (did you mean X?)` where one of the allowed words is close, else an empty string."""
    found = difflib.get_close_matches(str(word), sorted(allowed), n=1, cutoff=0.6)
    return f" (did you mean {found[0]}?)" if found else ""
