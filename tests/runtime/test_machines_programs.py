"""What runs on machines imports there: from the files that `fab deploy` ships, with the packages of its own list."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from remote.items.venvs import requirements
from remote.services import app

SHARED = ("runtime.aws", "runtime.logs", "runtime.lease_client", "runtime.backends.leases", "runtime.backends.power")
PROGRAMS = {"agent": ("runtime.agent", *SHARED), "relay": ("runtime.gateway", *SHARED)}  # by its list of packages
PROGRAM = """
import importlib, sys
from importlib.machinery import PathFinder
place, packages, names, modules = sys.argv[1], sys.argv[2], sys.argv[3].split(","), sys.argv[4].split(",")
class ItsOwn:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in names:
            return PathFinder.find_spec(name, path or [packages])
sys.path.insert(0, place)
sys.meta_path.append(ItsOwn())
for module in modules:
    importlib.import_module(module)
"""


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in APP_DIR."""
    place = tmp_path_factory.mktemp("app")
    for name, content in app.tree().files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


def modules(place: Path, packages: tuple[str, ...]) -> list[str]:
    """Every module that is shipped of these."""
    names = [".".join(file.relative_to(place).with_suffix("").parts) for file in sorted(place.rglob("*.py"))]
    names = [name.removesuffix(".__init__") for name in names]
    return [name for name in names if any(name == p or name.startswith(f"{p}.") for p in packages)]


def importable(listed: str) -> set[str]:
    """What the distributions of a closed list are imported as."""
    lines = re.findall(r"^([A-Za-z0-9_.-]+)==", requirements(listed), re.MULTILINE)
    wanted = {re.sub(r"[-_.]+", "-", name).lower() for name in lines}
    found = packages_distributions().items()
    return {top for top, of in found if wanted & {re.sub(r"[-_.]+", "-", d).lower() for d in of}}


@pytest.mark.parametrize("listed", PROGRAMS)
def test_every_module_of_a_program_imports_with_the_packages_of_its_list(shipped: Path, listed: str) -> None:
    import boto3

    names, packages = importable(listed), str(Path(boto3.__file__).parents[1])
    assert {"boto3", "botocore"} <= names
    found = modules(shipped, PROGRAMS[listed])
    assert PROGRAMS[listed][0] in found
    words = [sys.executable, "-S", "-P", "-c", PROGRAM, str(shipped), packages, ",".join(names), ",".join(found)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, cwd="/")
    assert done.returncode == 0, done.stderr
