"""docs/calling.md: its table of paths is the one that HAProxy and the relay are made of."""

from __future__ import annotations

import re

from core.contract.dialects import ENDPOINTS, Dialect
from tests.references import ROOT

WORDS = {Dialect.OPENAI: "OpenAI", Dialect.RESPONSES: "OpenAI's Responses", Dialect.ANTHROPIC: "Anthropic"}


def test_every_path_has_its_row() -> None:
    page = (ROOT / "docs" / "calling.md").read_text()
    rows = re.findall(r"^\| POST (\S+) \| (.+) \| (yes|no) \| (yes|no) \|$", page, re.MULTILINE)
    said = {True: "yes", False: "no"}
    assert rows == [(e.path, WORDS[e.dialect], said[e.streams], said[e.wakes]) for e in ENDPOINTS]
