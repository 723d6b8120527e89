"""The checkout's code on machines: what an edit changes there, and which units it restarts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.contract.paths import AGENT_UNIT, DEAD_MAN_UNIT, LEASE_CLIENT_APP, RELAY_UNITS
from core.errors import DeployError
from core.shipping import Program
from remote.items import Item
from remote.items.files import Tree
from remote.items.units import Unit
from remote.services import agent, app, relay

CONFIG: Any = SimpleNamespace(to_json=lambda: "{}", drain_s=60.0, stays_on=False)  # the same before and after
TREE: Callable[[Program, Path], Tree] = app.tree.__wrapped__  # without its memory
RELAYS = set(RELAY_UNITS)
UNITS = {AGENT_UNIT, DEAD_MAN_UNIT} | RELAYS


def copy(root: Path) -> Path:
    """A checkout's code to edit."""
    for program in app.FOLDERS:
        for name, content in app.tree(program).files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
    return root


def applied(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The digests that units are started with, and those of folders, for a checkout's code."""
    monkeypatch.setattr(app, "tree", lambda program: TREE(program, root))
    items: list[Item] = [*agent.code(), *agent.items(CONFIG), *relay.items(CONFIG)]
    units = {item.name: item.applied for item in items if isinstance(item, Unit) and item.name in UNITS}
    return units | {item.path: item.digest for item in items if isinstance(item, Tree)}


@pytest.mark.parametrize(
    ("edited", "restarted"),
    [
        ("runtime/gateway/__main__.py", RELAYS),
        ("runtime/gateway/new.py", RELAYS),
        ("runtime/agent/__main__.py", {AGENT_UNIT, DEAD_MAN_UNIT}),
        ("core/lease/record.py", UNITS),
        ("runtime/backends/__init__.py", UNITS),
        ("runtime/lease_client.py", set()),
        ("runtime/reaper/sweep.py", set()),
    ],
)
def test_an_edit_restarts(edited: str, restarted: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = copy(tmp_path)
    before = applied(root, monkeypatch)
    assert set(before) >= UNITS
    (root / edited).parent.mkdir(parents=True, exist_ok=True)
    (root / edited).write_bytes(b"# edited\n")
    after = applied(root, monkeypatch)
    assert {name for name in UNITS if after[name] != before[name]} == restarted
    assert (after[LEASE_CLIENT_APP] != before[LEASE_CLIENT_APP]) == (
        "lease" in edited or edited.startswith("runtime/backends")
    )


def test_a_checkout_without_runtime(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="There is no runtime/ in"):
        app.tree(Program.AGENT, tmp_path)
