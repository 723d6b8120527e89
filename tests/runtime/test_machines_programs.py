"""What runs on machines imports there: from the files that `fab deploy` ships, with the packages of its own list."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from core.shipping import Program
from remote.items.venvs import requirements
from remote.services import app

LISTS = {  # of packages, by program; "": the standard library is all
    Program.AGENT: "agent",
    Program.RELAY: "relay",
    Program.LEASE_CLIENT: "relay",
    Program.CERTIFICATES: "",
}
FIRST = {
    Program.AGENT: "runtime.agent.__main__",
    Program.RELAY: "runtime.gateway.__main__",
    Program.LEASE_CLIENT: "runtime.lease_client",
    Program.CERTIFICATES: "runtime.certificates.__main__",
}
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


@pytest.fixture(params=LISTS)
def program(request: pytest.FixtureRequest) -> Program:
    """Each program that has a folder on a machine."""
    return request.param


@pytest.fixture
def shipped(program: Program, tmp_path: Path) -> Path:
    """Its folder."""
    for name, content in app.tree(program).files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def modules(place: Path) -> list[str]:
    """Every module that is there."""
    names = [".".join(file.relative_to(place).with_suffix("").parts) for file in sorted(place.rglob("*.py"))]
    return [name.removesuffix(".__init__") for name in names]


def importable(listed: str) -> set[str]:
    """What the distributions of a closed list are imported as."""
    if not listed:
        return set()
    lines = re.findall(r"^([A-Za-z0-9_.-]+)==", requirements(listed), re.MULTILINE)
    wanted = {re.sub(r"[-_.]+", "-", name).lower() for name in lines}
    found = packages_distributions().items()
    return {top for top, of in found if wanted & {re.sub(r"[-_.]+", "-", d).lower() for d in of}}


def test_every_module_of_a_program_imports_with_the_packages_of_its_list(program: Program, shipped: Path) -> None:
    import boto3

    names, packages = importable(LISTS[program]), str(Path(boto3.__file__).parents[1])
    assert ({"boto3", "botocore"} <= names) is bool(LISTS[program])
    found = modules(shipped)
    assert FIRST[program] in found
    words = [sys.executable, "-S", "-P", "-c", PROGRAM, str(shipped), packages, ",".join(names), ",".join(found)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, cwd="/")
    assert done.returncode == 0, done.stderr
