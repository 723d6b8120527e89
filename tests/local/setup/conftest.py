"""A computer that does not exist: programs are empty files, and what they would print is a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.errors import SetupError
from local.setup.site import Site


class FakeCommands:
    """Answers by the first program name (after `sudo -n` and `env …`) and remembers every command line."""

    def __init__(self) -> None:
        self.prints: dict[str, str | None] = {}
        self.does: dict[str, Callable[[list[str]], None]] = {}
        self.ran: list[list[str]] = []

    def output(self, argv: Sequence[str], timeout_s: float = 20) -> str | None:
        line = " ".join(argv)
        return next((said for key, said in self.prints.items() if key in line), None)

    def run(self, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, **_options: Any) -> None:
        self.ran.append(list(argv))
        for key, action in self.does.items():
            if key in " ".join(argv):
                action(list(argv))

    def stop_all(self) -> None: ...


def refuse(argv: list[str]) -> None:
    raise SetupError(f"`{argv[0]}` failed with 1")


class Computer:
    """Makes the Site, and puts programs and files on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands = FakeCommands()

    def program(self, *names: str) -> None:
        for name in names:
            self.file(f"/usr/bin/{name}")
            (self.folder / "usr/bin" / name).chmod(0o755)

    def file(self, path: str, text: str = "") -> Path:
        file = self.folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def site(self, *, root: bool = True, terminal: bool = False) -> Site:
        return Site(
            cache=self.folder / "cache",
            state=self.folder / "state",
            commands=self.commands,  # type: ignore[arg-type]
            environ={"PATH": str(self.folder / "usr/bin")},
            is_root=root,
            has_terminal=terminal,
            root=self.folder,
            programs=self.folder / "venv/bin",
        )


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path)


@pytest.fixture
def said() -> list[str]:
    return []
