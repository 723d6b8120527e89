"""Outputs that cannot take what a verb says: never a traceback, through the real `fab`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from remote.stack_files import CHECKOUT
from tests.remote.test_executor import FAB

EXPLAIN = "fab explain -s qwen7b --offline"  # has characters that ASCII lacks


def shell(line: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": f"{Path(FAB[0]).parent}:{os.environ['PATH']}", "HOME": str(home), "XDG_STATE_HOME": str(home)}
    command = ["bash", "-c", line]
    return subprocess.run(command, cwd=CHECKOUT, env=env | environment, capture_output=True, text=True, check=False)


# Buffered by Python or not: the error comes at another place
@pytest.mark.parametrize("unbuffered", ["", pytest.param("1", marks=pytest.mark.thorough)])
@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (f"{EXPLAIN} | head -c 0; exit ${{PIPESTATUS[0]}}", 141, ""),
        (f"{EXPLAIN} 2>&1 | true; exit ${{PIPESTATUS[0]}}", 141, ""),
        (f"{EXPLAIN} --json | true; exit ${{PIPESTATUS[0]}}", 141, ""),
        ("fab cloud.status | true; exit ${PIPESTATUS[0]}", 141, ""),
        ("fab --list | true; exit ${PIPESTATUS[0]}", 141, ""),
        ("fab size --help | true; exit ${PIPESTATUS[0]}", 141, ""),
        ("fab --help size | true; exit ${PIPESTATUS[0]}", 141, ""),
        (f"{EXPLAIN} >/dev/full", 1, "fab: standard output cannot be written: No space left on device.\n"),
        (f"{EXPLAIN} --json 2>&-", 0, ""),
        ("fab status >/dev/full", 1, "fab: standard output cannot be written: No space left on device.\n"),
        (f"{EXPLAIN} >&-", 1, "fab: standard output is closed.\n"),
    ],
)
def test_one_message_at_most(tmp_path: Path, line: str, code: int, said: str, unbuffered: str) -> None:
    done = shell(line, tmp_path, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (code, said)


def test_an_encoding_without_our_characters(tmp_path: Path) -> None:
    done = shell(EXPLAIN, tmp_path, PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONUTF8="0")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert "?" in done.stdout
