"""A second `make demo` over a stack file that was edited in the embedded cloud: it keeps the edits, or asks."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from local import project
from local.cloud import environment
from local.demo.narrator import Narrator
from local.demo.story import STACK, Story

EDIT = {"pilotlight:idle": {"stopAfter": "1h"}}


def story(state: Path, *, terminal: bool) -> tuple[Story, io.StringIO]:
    said = io.StringIO()
    console = Console(file=said, force_terminal=terminal, highlight=False, soft_wrap=True, no_color=True)
    told = Story(Narrator(console))
    told.cloud = SimpleNamespace(state=state)  # type: ignore[assignment]
    return told, said


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """A cloud's state with the demo's stack, rendered and then edited."""
    environment.make_secrets(tmp_path, "lab")
    file = project.render_stack(tmp_path, STACK, "demo", {})
    file.write_text(file.read_text().replace("stopAfter: 20s", "stopAfter: 1h"))
    return tmp_path


def test_what_nobody_edited_is_not_spoken_of(tmp_path: Path) -> None:
    environment.make_secrets(tmp_path, "lab")
    project.render_stack(tmp_path, STACK, "demo", {})
    told, said = story(tmp_path, terminal=False)
    assert (told.edits(), said.getvalue()) == ({}, "")


def test_without_a_terminal_edits_are_kept_and_it_is_said(edited: Path) -> None:
    told, said = story(edited, terminal=False)
    assert told.edits() == EDIT
    assert "+  stopAfter: 1h" in said.getvalue()
    assert "The edits are kept." in said.getvalue()


@pytest.mark.parametrize(("answer", "kept"), [("", EDIT), ("y", EDIT), ("n", {})])
def test_on_a_terminal_the_difference_is_shown_and_a_person_is_asked(
    answer: str, kept: dict[str, Any], edited: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, said = story(edited, terminal=True)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda _="": answer)
    assert told.edits() == kept
    assert "Keep these edits?" in said.getvalue()
