"""docs/notifications.md as the tests read it: its examples, its table of fields, and its code, which is run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

PAGE: Final = (Path(__file__).parents[1] / "docs" / "notifications.md").read_text()


def blocks(language: str) -> list[str]:
    """The cordoned blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def verified() -> Callable[..., bool]:
    """The receiver's function, as the page shows it."""
    (code,) = blocks("python")
    names: dict[str, Any] = {}
    exec(compile(code, "docs/notifications.md", "exec"), names)
    found: Callable[..., bool] = names["verified"]
    return found
