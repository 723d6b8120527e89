"""The checkout's own code on machines: a folder a program, replaced as a whole when any of its files differs.

A folder each, so that a unit's digest is that of its own program: an edit of the relay restarts no agent, though both
run on one machine in a stack without a gateway. Which files a program has is `core/shipping.py`'s.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from core import shipping
from core.contract.paths import AGENT_APP, CERTIFICATES_APP, LEASE_CLIENT_APP, REAPER_APP, RELAY_APP
from core.errors import DeployError
from core.shipping import Program
from remote.items.files import Tree

CHECKOUT: Final = Path(__file__).resolve().parents[2]
FOLDERS: Final = MappingProxyType(
    {
        Program.AGENT: AGENT_APP,
        Program.RELAY: RELAY_APP,
        Program.LEASE_CLIENT: LEASE_CLIENT_APP,
        Program.CERTIFICATES: CERTIFICATES_APP,
        Program.REAPER: REAPER_APP,
    }
)


@cache
def tree(program: Program, root: Path = CHECKOUT) -> Tree:
    """The program's folder on its machine. DeployError where this checkout has no runtime/."""
    paths = (p.relative_to(root).as_posix() for top in ("core", "runtime") for p in (root / top).rglob("*"))
    wanted = {name: (root / name).read_bytes() for name in shipping.files(program, paths)}
    if not any(name.startswith("runtime/") for name in wanted):
        raise DeployError(f"There is no runtime/ in {root}. Run `fab` from a whole checkout.")
    return Tree(FOLDERS[program], wanted)
