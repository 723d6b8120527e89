"""README names only what is there: make targets, fab verbs, modules, stacks and files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?\bmake ([a-z-]+)", README))
    assert named
    assert named - {"sure"} <= targets


def test_fab_verbs_exist() -> None:
    fab = Path(sys.executable).with_name("fab")
    listed = subprocess.run([str(fab), "--list"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    verbs = set(re.findall(r"^  ([a-z][a-z.-]*)", listed, re.MULTILINE))
    named = {v.rstrip(".") for v in re.findall(r"\bfab ([a-z][a-z.-]*)", README)}
    assert named
    assert named <= verbs


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ([a-z_.]+)", README))))
def test_modules_exist(module: str) -> None:
    path = ROOT / module.replace(".", "/")
    assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def test_stacks_and_files_exist() -> None:
    for stack in re.findall(r"-s ([a-z0-9]+)\b", README):
        assert (ROOT / "stacks" / f"Pulumi.{stack}.yaml").exists(), stack
    for named in re.findall(r"`((?:docs|stacks|core|bench)/[\w./-]+)`", README):
        assert (ROOT / named).exists(), named
