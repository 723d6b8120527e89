"""Agent, dead-man's switch, relay and the lease's command line start with what their machine has, and nothing more."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.archive import ROOT

PROGRAM = """
import sys
from importlib.machinery import PathFinder
allowed, place, module = sys.argv[1].split(","), sys.argv[2], sys.argv[3]
class Installed:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in allowed or name == "six.moves":
            return PathFinder.find_spec(name, path or [place])
sys.meta_path.append(Installed())
__import__(module)
"""
MODULES_OF = {"python-dateutil": "dateutil", "typing-extensions": "typing_extensions", "attrs": "attr"}


def installed(machine: str) -> list[str]:
    """Top-level modules of the packages in a program's list."""
    lines = (ROOT / f"remote/requirements/{machine}.txt").read_text().splitlines()
    names = [m[1] for line in lines if (m := re.match(r"([A-Za-z0-9_.-]+)==", line))]
    return [MODULES_OF.get(name, name) for name in names] + ["attrs"]


@pytest.mark.parametrize(
    ("module", "machine"),
    [
        ("runtime.agent.__main__", "agent"),
        ("runtime.agent.dead_man", "agent"),
        ("runtime.gateway.__main__", "relay"),
        ("runtime.lease_cli", "relay"),
    ],
)
def test_it_imports_with_its_own_packages_alone(module: str, machine: str) -> None:
    import boto3

    packages = str(Path(boto3.__file__).parents[1])
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{PROGRAM}"
    command = [sys.executable, "-S", "-P", "-c", program, ",".join(installed(machine)), packages, module]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd="/")
    assert done.returncode == 0, done.stderr
