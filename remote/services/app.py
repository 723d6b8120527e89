"""The checkout's own code on machines: core/ and runtime/, replaced as a whole when any file differs.

core.settings stays here (it needs pydantic, and runtime never imports it); so do reaper and notifier, which live in
Lambda.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from core.contract.paths import APP_DIR
from core.errors import DeployError
from remote.items.files import Tree

CHECKOUT: Final = Path(__file__).resolve().parents[2]
_LEFT_OUT: Final = ("core/settings", "runtime/reaper", "runtime/notifier")


@cache
def tree() -> Tree:
    """What belongs into APP_DIR. DeployError where this checkout has no runtime/."""
    files = {
        str(path.relative_to(CHECKOUT)): path.read_bytes()
        for folder in ("core", "runtime")
        for path in sorted((CHECKOUT / folder).rglob("*.py"))
    }
    wanted = {name: content for name, content in files.items() if not name.startswith(_LEFT_OUT)}
    if not any(name.startswith("runtime/") for name in wanted):
        raise DeployError(f"There is no runtime/ in {CHECKOUT}. Run `fab` from a whole checkout.")
    return Tree(APP_DIR, wanted)
