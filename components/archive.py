"""What the reaper's Lambda consists of: our modules and two pure packages, file by file, in a fixed order.

File by file, because a folder would take __pycache__ along and its hash would change from run to run. Nothing is
imported from runtime/: it is shipped by path. pydantic is not in Lambda, so core/settings stays at home.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

import pulumi

ROOT: Final = Path(__file__).resolve().parent.parent
VENDORED: Final = ("cronsim", "tzdata")  # pure Python; boto3 is part of Lambda's runtime
_NOT_SHIPPED: Final = ("core/settings/", "runtime/agent/", "runtime/gateway/", "runtime/lease_cli.py")


def files(root: Path = ROOT) -> dict[str, Path]:
    """Path in the archive → file, sorted."""
    modules = [path for top in ("core", "runtime") for path in (root / top).rglob("*.py")]
    found = {path.relative_to(root).as_posix(): path for path in modules}
    ours = {name: path for name, path in found.items() if not name.startswith(_NOT_SHIPPED)}
    return dict(sorted((ours | _vendored()).items()))


def reaper() -> pulumi.AssetArchive:
    """The archive as Pulumi takes it."""
    return pulumi.AssetArchive({name: pulumi.FileAsset(str(path)) for name, path in files().items()})


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
