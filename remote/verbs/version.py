"""`fab version`: which pilotlight this checkout is."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from dataclasses import dataclass

from remote.stack_files import CHECKOUT, PRODUCT


@dataclass(frozen=True)
class Version:
    """The number of pyproject.toml, and git's commit where this is a clone ("" else)."""

    number: str
    commit: str

    @property
    def words(self) -> str:
        """`pilotlight 0.1.0 (commit 1a2b3c4)`."""
        return f"{PRODUCT} {self.number}" + (f" (commit {self.commit})" if self.commit else "")


def version() -> Version:
    """This checkout's."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Version(str(project["version"]), _commit())


def _commit() -> str:
    if not (CHECKOUT / ".git").exists() or shutil.which("git") is None:
        return ""
    words = ["git", "-C", str(CHECKOUT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
