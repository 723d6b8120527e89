"""What the end-to-end tests hold in their hands: a stack on the embedded cloud, ways to ask it and to look at it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.contract.documents import Outputs
from core.contract.paths import LEASE_CLIENT_APP, RELAY_CONFIG, RELAY_VENV
from local.cloud import client
from local.demo.caller import Caller
from local.demo.observe import Observer, wait_for
from local.folders import CHECKOUT


def git_status() -> str:
    """What git sees as changed."""
    return subprocess.run(
        ["git", "status", "--porcelain"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout


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

    def lease_cli(self, words: str) -> str:
        """The lease's command line on the gateway, in the machine's own environment."""
        return self.watch.inside(
            self.watch.gateway,
            "sh",
            "-c",
            f"set -a; . /etc/environment; cd {LEASE_CLIENT_APP} && {RELAY_VENV}/bin/python -m runtime.lease_client "
            f"--config {RELAY_CONFIG} {words}",
        )

    def state(self) -> str:
        """The lease's state."""
        return str(self.watch.lease().get("state"))

    def instance_type(self) -> str:
        """The host's type, as EC2 says it."""
        seen = self.cloud.client("ec2").describe_instances(InstanceIds=[self.watch.host])
        return str(seen["Reservations"][0]["Instances"][0]["InstanceType"])

    def is_preferred_again(self) -> bool:
        """The reaper ran once more, and the lease and EC2 know of no rung."""
        self.reap()
        return "rung" not in self.watch.lease() and self.instance_type() == "g6.xlarge"

    def wake(self) -> None:
        """Make sure that the host is awake and has just answered."""
        assert "Paris" in self.caller.ask().text

    def sleep(self) -> None:
        """Make sure that the host is off, by an operator's drain: door, look and power-off are those of an idle stop.

        That idleness itself leads there is the story's to show, and the storm's.
        """

        def off() -> bool:
            if self.state() == "RUNNING":
                self.lease_cli("drain --reason 'the test wants it off'")
            done: bool = self.state() == "STOPPED" and self.watch.ec2_state() == "stopped"
            return done

        wait_for(off, 240, lambda: f"not stopped; the lease says {self.watch.words()}", every_s=1)


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
