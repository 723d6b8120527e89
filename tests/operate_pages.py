"""The operator's pages as the tests read them: their shell blocks, line by line, and the commands in their text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tests.references import ROOT

PAGES: Final = {path.name: path.read_text() for path in sorted((ROOT / "docs/operate").glob("*.md"))}
OTHERS: Final = {
    path: (ROOT / path).read_text() for path in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md")
}
MARKS: Final = ("# AWS only", "# by hand")  # at the end of a line that no test runs


def lines(pages: Mapping[str, str] = PAGES) -> list[tuple[str, str]]:
    """Every line of the pages' shell blocks."""
    blocks = ((name, b) for name, text in pages.items() for b in re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    return [(name, line.strip()) for name, block in blocks for line in block.splitlines() if line.strip()]


def commands(tool: str) -> list[tuple[str, str]]:
    """`tool …` in shell blocks and in backticks of all pages for users; options in brackets are a list, no command."""
    pages = {**PAGES, **OTHERS}
    quoted = [(name, text) for name, page in pages.items() for text in re.findall(r"`([^`\n]+)`", page)]
    found = {(name, text) for name, text in (*quoted, *lines(pages)) if text.startswith(f"{tool} ")}
    return sorted((name, text) for name, text in found if "[" not in text)
