"""Relay, agent and reaper run a unit of a kind that they have never heard of, where there is no AWS client at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WITHOUT = "import sys, runpy; sys.modules.update(boto3=None, botocore=None); sys.path.insert(0, '.'); "


def test_a_unit_lives_without_aws() -> None:
    program = WITHOUT + "runpy.run_module('tests.runtime.made_up_kind', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0, done.stderr
    stop = ["DRAINING", "STOPPING", "STOPPED"]
    assert done.stdout.split() == ["NEW", "RUNNING", *stop, "STARTING", "RUNNING", *stop]
