"""The notifier imports with nothing but the standard library: its archive has neither cronsim nor the reaper."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PARTS = ("core", "runtime/__init__.py", "runtime/aws.py", "runtime/logs.py", "runtime/notifier")
PROGRAM = "import sys, json, runtime.notifier; print(json.dumps(sorted(sys.modules)))"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What `import runtime.notifier` imports in a clean interpreter without any package."""
    place = tmp_path_factory.mktemp("archive")
    for part in PARTS:
        source, target = ROOT / part, place / part
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("settings", "__pycache__"))
        else:
            shutil.copyfile(source, target)
    command = [sys.executable, "-S", "-P", "-c", f"import sys; sys.path.insert(0, {str(place)!r})\n{PROGRAM}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd="/", env={})
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ["boto3", "botocore", "cronsim", "core.policy", "core.lease", "runtime.reaper"])
def test_it_takes_nothing_along(modules: list[str], name: str) -> None:
    assert "runtime.notifier" in modules
    assert name not in modules
