"""One embedded cloud for every end-to-end test, brought up by the demo itself and taken down at the end.

Its name is `pilotlight-test` (PILOTLIGHT_TEST_CLOUD: another, for two runs at once), so that a developer's own demo is
left alone. What the computer lacks is said and
skipped, but not with CI=true: there a missing part is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CLOUD = os.environ.get("PILOTLIGHT_TEST_CLOUD", "pilotlight-test")
os.environ["PILOTLIGHT_CLOUD"] = CLOUD

from core.contract.documents import Outputs  # noqa: E402
from local.cloud import client  # noqa: E402
from local.demo import stack  # noqa: E402
from local.demo.caller import Caller  # noqa: E402
from local.demo.observe import Observer  # noqa: E402
from local.folders import CHECKOUT, state  # noqa: E402
from tests.e2e.world import Stack, git_status  # noqa: E402

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is e2e; elsewhere than in CI a missing part is a skip that says what is missing."""
    lacking = _missing()
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if lacking and os.environ.get("CI") != "true":
                item.add_marker(pytest.mark.skip(reason=f"{lacking}: run `make setup`"))


def _missing() -> str:
    if shutil.which("docker") is None:
        return "no docker"
    up = subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    return "" if up else "no docker daemon answers"


@pytest.fixture(scope="session")
def git_before() -> str:
    """`git status` before anything ran."""
    return git_status()


@pytest.fixture(scope="session")
def cloud(git_before: str) -> Iterator[client.Cloud]:
    """The shared embedded cloud."""
    client.down(CLOUD)  # whatever a killed run left
    yield client.up(CLOUD)
    client.down(CLOUD)


@pytest.fixture(scope="session")
def demo(cloud: client.Cloud) -> Iterator[Stack]:
    """`make demo` without a terminal, told once; it leaves the stack awake."""
    done = subprocess.run(
        [sys.executable, "-m", "local.demo", "--keep", "--json"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    outputs = stack.outputs(cloud, "demo")
    key = (state(CLOUD) / "demo.key").read_text().strip()
    caller = Caller(outputs[Outputs.API_URL], key, stack.service(stack.settings(cloud, "demo")))
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    yield Stack(cloud, "demo", Observer(cloud, outputs), caller, key, figures, done.stdout)
    caller.close()
