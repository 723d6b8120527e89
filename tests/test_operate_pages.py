"""docs/operate: every code has its row, every command exists, what no test runs is marked."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from typing import Final

import pytest
from invoke.parser import Parser

from core.capacity import power_errors
from core.codes import ErrorCode
from fabfile import namespace
from tests.alert_codes import alert_codes
from tests.operate_pages import MARKS, OTHERS, PAGES, commands, lines
from tests.references import ROOT, tree

TROUBLE: Final = PAGES["troubleshooting.md"]


def codes_of_the_relay() -> set[str]:
    """What `runtime/gateway` names as the code of a refusal."""
    return {text for path in (ROOT / "runtime/gateway").rglob("*.py") for text in _codes(tree(path))}


def _codes(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        match node:
            case ast.Attribute(value=ast.Name(id="ErrorCode"), attr=name):
                yield ErrorCode[name].value


def codes_of_haproxy() -> set[str]:
    """What the template passes as the code of an answer: `(429, 'type', 'code', …)` and `body('type', 'code', …)`."""
    template = (ROOT / "remote/templates/haproxy.cfg.j2").read_text()
    return set(re.findall(r"\((?:\d{3}, )?'[a-z_]+', '([a-z_]+)', '", template))


def rows(heading: str) -> set[str]:
    """The codes in the first column of a section's table."""
    section = TROUBLE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = (line.split("|")[1] for line in section.splitlines() if line.startswith("| `"))
    return {code for cell in cells for code in re.findall(r"`([a-z_-]+)`", cell)}


def test_every_code_of_an_error_has_a_row_and_no_row_is_left_over() -> None:
    codes = codes_of_the_relay() | codes_of_haproxy()
    assert {"queue_full", "invalid_request", "invalid_body", "invalid_api_key", "cors_not_allowed"} <= codes
    assert rows("Errors that callers get") == codes


def test_every_alert_has_a_row_and_no_row_is_left_over() -> None:
    assert rows("Alerts") - {"unreadable"} == alert_codes() - {"unreadable"}
    assert "`unreadable`" in TROUBLE


def test_every_failure_of_a_start_has_a_row() -> None:
    kinds = {kind.value for kind in power_errors.Kind} - power_errors.PASSING - {power_errors.Kind.OTHER.value}
    assert kinds | {"start-timeout", "start-refused", "gone"} == rows("Failures of a start")


@pytest.mark.parametrize(("page", "line"), commands("fab"))
def test_every_fab_command_parses(page: str, line: str) -> None:
    words = shlex.split(line.partition(" > ")[0], comments=True)[1:]
    if words == ["--list"]:
        return
    contexts = namespace.to_contexts()
    results = Parser(contexts=contexts).parse_argv(words)
    assert [result.name for result in results] == [words[0]], f"{page}: {line}"


@pytest.mark.parametrize(("page", "line"), commands("make"))
def test_every_make_target_exists(page: str, line: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert line.split()[1] in targets, f"{page}: {line}"


@pytest.mark.parametrize(("page", "line"), lines())
def test_what_is_neither_fab_nor_make_is_marked(page: str, line: str) -> None:
    assert line.split(maxsplit=1)[0] in ("fab", "make") or line.endswith(MARKS), f"{page}: {line}"


def test_the_index_names_every_page() -> None:
    assert {name for name in PAGES if name != "README.md" and f"]({name})" not in PAGES["README.md"]} == set()


def test_links_between_pages_lead_somewhere() -> None:
    pages = {f"docs/operate/{name}": text for name, text in PAGES.items()} | OTHERS
    found = [
        (page, link)
        for page, text in pages.items()
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        if "://" not in link
    ]
    assert found
    assert [(page, link) for page, link in found if not (ROOT / page).parent.joinpath(link).exists()] == []
