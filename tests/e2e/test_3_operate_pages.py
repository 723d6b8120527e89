"""What the operator's pages tell people to run works on the demo's stack, as it stands there.

Left out: a line with a placeholder, one for an SSH key that only exists while it is rotated, those of other stacks, and
the end of the cloud (`test_4_cloud.py`). They run in the order of the alphabet: keys are added before they are revoked.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.world import Stack
from tests.operate_pages import MARKS, lines

LEFT_OUT: Final = ("…", "--identity", "-eu", "cloud.down")
RUN: Final = sorted(
    {
        line
        for _, line in lines()
        if line.startswith("fab ")
        and " -s " in line
        and not line.endswith(MARKS)
        and not any(part in line for part in LEFT_OUT)
    }
)


@pytest.mark.parametrize("line", RUN)
def test_it_runs(demo: Stack, line: str, tmp_path: Path) -> None:
    if "--plan" in line or ("ssh" in line and "--gateway" not in line):
        demo.wake()  # a host that is off is not read
    words = shlex.split(line.replace("qwen7b", demo.name).replace("~/.pilotlight-key", str(tmp_path / "key")))
    if words[1] == "keys.add":
        demo.fab("keys.revoke", *words[2:5], check=False)  # of an earlier run on this stack
    assert demo.fab(*words[1:]).returncode == 0


def test_they_are_many() -> None:
    assert len(RUN) >= 12
