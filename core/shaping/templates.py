"""Prompt templates: a text with `{input}` in it. A brace that is meant as such is written twice."""

from __future__ import annotations

from string import Formatter
from typing import Final

PLACEHOLDERS: Final = ("input",)
TEMPLATE_MAX: Final = 16 * 2**10  # characters


def check(text: str) -> str:
    """The template; ValueError says what is wrong with it."""
    if len(text) > TEMPLATE_MAX:
        raise ValueError(f"is longer than {TEMPLATE_MAX} characters")
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"cannot be read: {error}; a brace that is meant as such is written twice") from error
    for _, name, form, conversion in parts:
        if name is not None and (name not in PLACEHOLDERS or form or conversion):
            raise ValueError(f"has the placeholder {{{name[:40]}}}; allowed: {_ALLOWED}")
    if not any(name for _, name, _, _ in parts):
        raise ValueError(f"has no {_ALLOWED}, so what a caller writes would go nowhere")
    return text


_ALLOWED: Final = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)


def fill(template: str, text: str) -> str:
    """The template with what the caller wrote. The text is not read as a template."""
    return "".join(literal + (text if name is not None else "") for literal, name, _, _ in Formatter().parse(template))
