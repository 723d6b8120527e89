"""Templates of files on machines. `render` fills one in; an unknown variable is an error, never an empty place."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    # the files are configuration, not HTML: nothing is escaped
    return Environment(loader=loader, undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)


def render(name: str, **variables: Any) -> bytes:
    """The template `name` of this folder with its variables, as the file's bytes."""
    return _environment().get_template(name).render(**variables).encode()
