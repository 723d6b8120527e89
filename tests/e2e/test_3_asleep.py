"""Asleep: no drift, models answered, another stack left alone; waking unstreamed, and by capacity in the second try.

The tests go on where the one before stopped: a stop and a wake take most of a minute.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from core.contract.documents import Outputs
from local.demo import stack
from local.demo.observe import wait_for
from tests.e2e.world import Stack, reap


@pytest.fixture(scope="module")
def other(demo: Stack) -> Iterator[dict[str, Any]]:
    """The outputs of a second stack in the same account, destroyed by the real engine."""
    yield stack.create(demo.cloud, "other")
    demo.cloud.pulumi(["destroy", "--yes", "--skip-preview", "-s", "other"])


def test_asleep_is_no_drift(demo: Stack) -> None:
    demo.sleep()
    refreshed = demo.cloud.pulumi(["refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", demo.name])
    demo.cloud.pulumi(["preview", "--expect-no-changes", "-s", demo.name])
    upped = demo.cloud.pulumi(["up", "--yes", "--skip-preview", "--expect-no-changes", "-s", demo.name])
    assert "unchanged" in refreshed.stdout
    assert "unchanged" in upped.stdout
    assert demo.watch.ec2_state() == "stopped"
    assert demo.watch.container_state() == "exited"


def test_models_are_listed_while_off_and_nothing_wakes(demo: Stack) -> None:
    demo.sleep()
    names = [m.id for m in demo.caller.client.models.list()]
    assert demo.caller.model in names
    assert demo.watch.ec2_state() == "stopped"


def examined(demo: Stack, *options: str) -> dict[tuple[str, str], dict[str, str]]:
    """What the doctor says, by area and name; but of disks, which are this computer's."""
    done = demo.fab("doctor", "-s", demo.name, "--json", *options, check=False)
    checks = json.loads(done.stdout.splitlines()[-1])["data"]["checks"]
    return {(check["area"], check["name"]): check for check in checks if check["name"] != "disk"}


def test_the_doctor_looks_at_a_stack_that_is_off_and_wakes_nothing(demo: Stack) -> None:
    demo.sleep()
    checks = examined(demo)
    assert [check for check in checks.values() if check["verdict"] == "fail"] == []
    assert "is off (STOPPED" in checks["host", "power"]["said"]
    assert (demo.state(), demo.watch.ec2_state()) == ("STOPPED", "stopped")


def test_a_call_that_is_not_streamed_wakes_and_is_answered(demo: Stack) -> None:
    demo.sleep()
    assert "Paris" in demo.caller.ask().text
    assert demo.state() == "RUNNING"


def test_a_stop_leaves_another_stack_alone(demo: Stack, other: dict[str, Any]) -> None:
    assert other[Outputs.DEPLOYMENT_ID] != demo.watch.outputs[Outputs.DEPLOYMENT_ID]
    demo.sleep()
    reap(demo.cloud, other[Outputs.REAPER])
    assert demo.watch.ec2_state(other[Outputs.HOST_INSTANCE_ID]) == "running"


def test_capacity_refused_once_then_granted(demo: Stack) -> None:
    demo.sleep()
    demo.cloud.fault("ec2:StartInstances", error="InsufficientInstanceCapacity", count=1)
    assert "Paris" in demo.caller.ask().text
    reasons = " ".join(str(e["reason"]) for e in demo.watch.events())
    assert "InsufficientInstanceCapacity" in reasons


def test_passing_errors_of_ec2_are_waited_out(demo: Stack) -> None:
    demo.sleep()
    before = int(demo.watch.lease()["epoch"])
    for error in ("RequestLimitExceeded", "InternalError"):
        demo.cloud.fault("ec2:StartInstances", error=error, count=1)
    assert "Paris" in demo.caller.ask().text
    demo.cloud.clear_faults()
    assert [e["after"] for e in demo.watch.events(before)] == ["STARTING", "RUNNING"]


def test_the_ladder_takes_the_next_type_and_gives_it_back(demo: Stack) -> None:
    demo.sleep()
    demo.cloud.fault("ec2:StartInstances", error="InsufficientInstanceCapacity", instance_type="g6.xlarge", count=None)
    assert "Paris" in demo.caller.ask().text
    demo.cloud.clear_faults()
    lease = demo.watch.lease()
    assert lease["rung"] == "g5.xlarge", lease
    assert "g6.xlarge (InsufficientInstanceCapacity)" in str(lease["tried"])
    assert demo.instance_type() == "g5.xlarge"
    demo.cloud.pulumi(["up", "--yes", "--skip-preview", "--expect-no-changes", "-s", demo.name])
    demo.sleep()
    wait_for(demo.is_preferred_again, 60, demo.instance_type, every_s=2)


def test_a_quota_is_no_capacity_and_says_what_to_do(demo: Stack) -> None:
    demo.sleep()
    demo.cloud.fault("ec2:StartInstances", error="VcpuLimitExceeded", count=None)
    with pytest.raises(openai.InternalServerError, match="quota") as refused:
        demo.caller.client.with_options(max_retries=0).chat.completions.create(
            model=demo.caller.model, messages=[{"role": "user", "content": "Hello"}]
        )
    assert refused.value.code == "host_failed"
    assert "Service Quotas" not in refused.value.message, "the fix is the operator's"
    lease = demo.watch.lease()
    assert (lease["state"], lease["failure"]) == ("FAILED", "quota")
    assert "Service Quotas" in str(lease["reason"])
    demo.cloud.clear_faults()
    assert demo.instance_type() == "g6.xlarge"
    checks = examined(demo, "--wake")
    assert checks["front door", "answer"]["verdict"] == "pass"
    assert checks["host", "units"]["verdict"] == "pass"
    assert demo.state() == "RUNNING"


def test_destroying_another_stack_leaves_this_one_alone(demo: Stack, other: dict[str, Any]) -> None:
    demo.wake()
    demo.cloud.pulumi(["destroy", "--yes", "--skip-preview", "-s", "other"])
    assert demo.state() == "RUNNING"
    assert demo.watch.ec2_state() == "running"
    assert demo.watch.ec2_state(other[Outputs.HOST_INSTANCE_ID]) == "terminated"
