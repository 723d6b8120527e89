"""What our Lambdas consist of: our modules, and for the reaper two pure packages, file by file, in a fixed order.

File by file, because a folder would take __pycache__ along and its hash would change from run to run. Nothing is
imported from runtime/: it is shipped by path. pydantic is not in Lambda, so core/settings stays at home.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pulumi

from core import shipping
from core.shipping import Program

ROOT: Final = Path(__file__).resolve().parents[2]
VENDORED: Final = ("cronsim", "tzdata")  # pure Python; boto3 is part of Lambda's runtime


def files(root: Path = ROOT) -> dict[str, Path]:
    """The reaper's: path in the archive → file, sorted."""
    return dict(sorted((_modules(Program.REAPER, root) | _vendored()).items()))


def notifier_files(root: Path = ROOT) -> dict[str, Path]:
    """The notifier's: path in the archive → file, sorted. FileNotFoundError where there is no notifier."""
    ours = _modules(Program.NOTIFIER, root)
    if not any(name.startswith("runtime/notifier/") for name in ours):
        raise FileNotFoundError(f"{root / 'runtime/notifier'} has no modules; the checkout is not whole")
    return ours


def reaper() -> pulumi.AssetArchive:
    """The reaper's archive as Pulumi takes it."""
    return _archive(files())


def notifier() -> pulumi.AssetArchive:
    """The notifier's archive as Pulumi takes it."""
    return _archive(notifier_files())


def _archive(members: Mapping[str, Path]) -> pulumi.AssetArchive:
    return pulumi.AssetArchive({name: pulumi.FileAsset(str(path)) for name, path in members.items()})


def _modules(program: Program, root: Path) -> dict[str, Path]:
    paths = (path.relative_to(root).as_posix() for top in ("core", "runtime") for path in (root / top).rglob("*.py"))
    return {name: root / name for name in shipping.files(program, paths)}


def _vendored() -> dict[str, Path]:
    return {name: path for package in VENDORED for name, path in _package(package).items()}


def _package(package: str) -> dict[str, Path]:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed; run `make setup`")
    folder = Path(spec.origin).parent
    return {
        f"{package}/{path.relative_to(folder).as_posix()}": path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
