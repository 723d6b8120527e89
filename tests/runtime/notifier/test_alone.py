"""The notifier imports with nothing but the standard library: its archive has neither cronsim nor the reaper."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from components.aws import archive

PROGRAM = "import sys, json, runtime.notifier; print(json.dumps(sorted(sys.modules)))"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What `import runtime.notifier` imports in a clean interpreter without any package."""
    place = tmp_path_factory.mktemp("archive")
    for name, source in archive.notifier_files().items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place / name)
    command = [sys.executable, "-S", "-P", "-c", f"import sys; sys.path.insert(0, {str(place)!r})\n{PROGRAM}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd="/", env={})
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ["boto3", "botocore", "cronsim", "core.policy", "core.lease", "runtime.reaper"])
def test_it_takes_nothing_along(modules: list[str], name: str) -> None:
    assert "runtime.notifier" in modules
    assert name not in modules
