"""One embedded cloud for every end-to-end test, brought up by the demo itself and taken down at the end.

Its name is `pilotlight-test`, so that a developer's own demo is left alone. What the computer lacks is said and
skipped, but not with CI=true: there a missing part is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CLOUD = "pilotlight-test"
os.environ["PILOTLIGHT_CLOUD"] = CLOUD

from core.contract import Outputs  # noqa: E402
from local.cloud import client  # noqa: E402
from local.demo import stack  # noqa: E402
from local.demo.caller import Caller  # noqa: E402
from local.demo.observe import Observer  # noqa: E402
from local.folders import CHECKOUT, state  # noqa: E402

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


def git_status() -> str:
    """What git sees as changed."""
    return subprocess.run(
        ["git", "status", "--porcelain"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture(scope="session")
def cloud(git_before: str) -> Iterator[client.Cloud]:
    """The shared embedded cloud."""
    client.down(CLOUD)  # whatever a killed run left
    yield client.up(CLOUD)
    client.down(CLOUD)


@dataclass
class Stack:
    """The demo's stack, awake or asleep, and the ways to ask it and to look at it."""

    cloud: client.Cloud
    name: str
    watch: Observer
    caller: Caller
    key: str
    figures: dict[str, Any]
    output: str

    def fab(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run fab as a user would."""
        return run_fab(*words, check=check)

    def reap(self) -> dict[str, Any]:
        """Run the deployed reaper once, now, as the schedule would."""
        return reap(self.cloud, self.watch.outputs[Outputs.REAPER])

    def state(self) -> str:
        """The lease's state."""
        return str(self.watch.lease().get("state"))

    def wake(self) -> None:
        """Make sure that the host is awake and has just answered."""
        assert "Paris" in self.caller.ask().text

    def sleep(self) -> None:
        """Make sure that the host is off: let it get idle, run the reaper as often as it takes."""
        from local.demo.observe import wait_for

        def off() -> bool:
            if self.state() == "RUNNING":
                self.reap()
            done: bool = self.watch.ec2_state() == "stopped"
            return done

        wait_for(off, 240, lambda: f"not stopped; the lease says {self.watch.words()}", every_s=3)


def reap(cloud: client.Cloud, function: str) -> dict[str, Any]:
    """Invoke a deployed reaper; its answer."""
    answer = cloud.client("lambda").invoke(FunctionName=function, Payload=b"{}")
    said: dict[str, Any] = json.loads(answer["Payload"].read())
    assert not answer.get("FunctionError"), said
    return said


def run_fab(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the checkout's fab; with `check` a failure shows its output."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("fab")), *words],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert not check or done.returncode == 0, f"fab {' '.join(words)}:\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def demo(cloud: client.Cloud) -> Stack:
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
    return Stack(cloud, "demo", Observer(cloud, outputs), caller, key, figures, done.stdout)
