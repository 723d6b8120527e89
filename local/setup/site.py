"""What every step of set-up is given: where things go, how programs are run, and how to become root.

One object instead of globals, so that a test sets up a computer that does not exist.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import SetupError
from local import folders, trust
from local.setup.commands import Commands

# Not on every user's PATH, but dockerd and debootstrap are there
SYSTEM_FOLDERS = ("usr/local/sbin", "usr/sbin", "sbin")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Site:
    """This computer as set-up sees it."""

    cache: Path
    state: Path
    commands: Commands
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    is_root: bool = field(default_factory=lambda: os.geteuid() == 0)
    has_terminal: bool = field(default_factory=sys.stdin.isatty)
    root: Path = Path("/")
    programs: Path = field(default_factory=lambda: Path(sys.prefix) / "bin")  # of the virtual environment

    def which(self, program: str) -> str | None:
        """Where a program is, the system's own folders included; not in the environment, where set-up links its own."""
        own = self.programs.resolve()
        named = [folder for folder in self.environ.get("PATH", "").split(os.pathsep) if Path(folder).resolve() != own]
        return shutil.which(program, path=os.pathsep.join([*named, *self._system_folders()]))

    def has_file(self, path: str) -> bool:
        """Whether a file exists."""
        return (self.root / path.lstrip("/")).exists()

    def text(self, path: str) -> str:
        """A file's text; empty where there is none."""
        return (self.root / path.lstrip("/")).read_text(errors="replace") if self.has_file(path) else ""

    def _system_folders(self) -> list[str]:
        return [str(self.root / folder) for folder in SYSTEM_FOLDERS]

    def log(self, step: str) -> Path:
        """The log of one step."""
        return self.cache / "logs" / f"{step}.log"

    @property
    def uv(self) -> str:
        """The pinned uv; bootstrap.sh links it into the virtual environment."""
        linked = self.programs / "uv"
        if not linked.exists():
            raise SetupError(f"{linked} does not exist. Run `make venv`.")
        return str(linked)

    def uv_environment(self) -> dict[str, str]:
        """uv works in the cache that clones and machines share."""
        return {"UV_CACHE_DIR": str(self.cache / "uv"), "UV_NO_PROGRESS": "1"}

    def can_become_root(self) -> bool:
        """Root already, or sudo without a password, or somebody at a terminal who can type one."""
        if self.is_root:
            return True
        if not self.which("sudo"):
            return False
        return self.has_terminal or self.commands.output(["sudo", "-n", "true"]) is not None

    def as_root(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` as root, by the same proxies. sudo was asked for its password before."""
        return list(argv) if self.is_root else ["sudo", "-n", *trust.kept_by_sudo(self.environ), *argv]


def this_computer() -> Site:
    """The real one."""
    return Site(cache=folders.cache(), state=folders.state().parent, commands=Commands())
