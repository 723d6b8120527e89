"""Options before the verb that the verbs do not heed are refused; nothing is done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from remote.stack_files import CHECKOUT

FAB = (str(Path(sys.executable).with_name("fab")),)
PILOTLIGHT = ("sh", str(CHECKOUT / "local/setup/pilotlight"))


@pytest.mark.parametrize(
    ("program", "words", "said"),
    [
        (FAB, "--dry version", "fab deploy --plan"),
        (FAB, "version -R", "fab deploy --plan"),
        (FAB, "--dry cloud.status", "fab deploy --plan"),
        (FAB, "-i key version", "Put it behind the verb"),
        (FAB, "-H a,b version", "--hosts is not read"),
        (FAB, "version -- ls", "fab ssh -s NAME --command"),
        (PILOTLIGHT, "-R version", "fab deploy --plan"),
    ],
)
def test_refused_before_anything_is_done(program: tuple[str, ...], words: str, said: str) -> None:
    command = [*program, *words.split()]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_verb_runs_once() -> None:
    done = subprocess.run([*FAB, "version"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (FAB, "keys.add --help"),
        (FAB, "keys.add -h"),
        (FAB, "keys.add ann --help"),
        (FAB, "keys.rotate --help"),
        (PILOTLIGHT, "keys add --help"),
    ],
)
def test_help_of_a_verb_that_wants_a_name(program: tuple[str, ...], words: str) -> None:
    done = subprocess.run([*program, *words.split()], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--stack" in done.stdout
