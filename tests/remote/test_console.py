"""`pilotlight`: it finds its checkout or says how, and takes the stack's name behind the verb."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import fabfile
from remote.console import joined, with_stack
from remote.stack_files import CHECKOUT

PROGRAM = CHECKOUT / "local" / "setup" / "pilotlight"


def run(program: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "XDG_STATE_HOME": str(cwd)}
    return subprocess.run([str(program), *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_by_a_link_from_any_folder(tmp_path: Path) -> None:
    link = tmp_path / "pilotlight"
    link.symlink_to(PROGRAM)
    done = run(link, "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout.split()[0], done.stderr) == (0, "pilotlight", "")


def test_its_errors_bear_its_name_and_its_exit_code(tmp_path: Path) -> None:
    done = run(PROGRAM, "logs", "nosuch", "-n", "abc", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'pilotlight logs: --lines "abc" is not a whole number, 0 or more; write e.g. --lines 20.\n'


def checkout(folder: Path, *, name: str = "pilotlight") -> Path:
    """A folder that looks like a checkout; its Python only says with what it was called."""
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / "fabfile.py").touch()
    (folder / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\n")
    python = folder / ".venv/bin/python"
    python.write_text('#!/bin/sh\nshift 3\necho "$@"\n')
    python.chmod(0o755)
    return folder


def test_a_copy_finds_the_checkout_that_one_stands_in(tmp_path: Path) -> None:
    copy = Path(shutil.copy(PROGRAM, tmp_path / "pilotlight"))
    root = checkout(tmp_path / "clone")
    (root / "stacks/deep").mkdir(parents=True)
    done = run(copy, "status", "a b", cwd=root / "stacks/deep")
    assert done.stdout == f"{root} status a b\n", done.stderr


def test_without_a_checkout_it_says_how(tmp_path: Path) -> None:
    copy = Path(shutil.copy(PROGRAM, tmp_path / "pilotlight"))
    other = checkout(tmp_path / "other", name="website")
    done = run(copy, "status", cwd=other)
    assert done.returncode == 1
    assert f"there is no checkout of pilotlight in {other} or above it" in done.stderr


def test_a_checkout_that_is_not_set_up_is_said(tmp_path: Path) -> None:
    copy = Path(shutil.copy(PROGRAM, tmp_path / "pilotlight"))
    root = checkout(tmp_path / "clone")
    (root / ".venv/bin/python").unlink()
    done = run(copy, "status", cwd=root)
    assert (done.returncode, done.stderr) == (1, f"pilotlight: {root} is not set up. Run: make -C {root} setup\n")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("status", "status"),
        ("status demo", "status --stack demo"),
        ("status demo --json", "status --stack demo --json"),
        ("status -s demo", "status -s demo"),
        ("open demo", "open --stack demo"),
        ("version demo", "version demo"),
        ("cloud.up", "cloud.up"),
        ("cloud up", "cloud.up"),
        ("keys list demo", "keys.list --stack demo"),
        ("keys.list demo", "keys.list --stack demo"),
        ("keys add ann -s demo", "keys.add ann -s demo"),
        ("keys.revoke ann", "keys.revoke ann"),
        ("keys", "keys"),
        ("keys nosuch", "keys nosuch"),
        ("nosuch demo", "nosuch demo"),
        ("--list", "--list"),
        ("", ""),
    ],
)
def test_the_stack_behind_the_verb(typed: str, meant: str) -> None:
    assert with_stack(joined(typed.split(), fabfile.namespace), fabfile.namespace) == meant.split()
