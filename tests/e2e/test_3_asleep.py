"""Asleep: no drift, models answered; waking unstreamed, after a power-off inside, and by capacity in the second try."""

from __future__ import annotations

from core.contract import Outputs
from local.demo import stack
from tests.e2e.world import Stack, reap


def test_asleep_is_no_drift(demo: Stack) -> None:
    demo.sleep()
    refreshed = demo.cloud.pulumi(["refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", demo.name])
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


def test_a_call_that_is_not_streamed_wakes_and_is_answered(demo: Stack) -> None:
    demo.sleep()
    assert "Paris" in demo.caller.ask().text
    assert demo.state() == "RUNNING"


def test_a_power_off_inside_shows_as_stopped_and_the_next_request_wakes(demo: Stack) -> None:
    demo.wake()
    demo.watch.inside(demo.watch.host, "systemctl", "poweroff")
    demo.watch.wait_off()
    assert "Paris" in demo.caller.stream().text
    assert demo.watch.ec2_state() == "running"


def test_capacity_refused_once_then_granted(demo: Stack) -> None:
    demo.sleep()
    demo.cloud.fault("ec2:StartInstances", error="InsufficientInstanceCapacity", count=1)
    assert "Paris" in demo.caller.ask().text
    reasons = " ".join(str(e["reason"]) for e in demo.watch.events())
    assert "InsufficientInstanceCapacity" in reasons


def test_two_stacks_in_one_account_leave_each_other_alone(demo: Stack) -> None:
    other = stack.create(demo.cloud, "other")
    assert other[Outputs.DEPLOYMENT_ID] != demo.watch.outputs[Outputs.DEPLOYMENT_ID]
    demo.sleep()
    assert demo.watch.ec2_state(other[Outputs.HOST_INSTANCE_ID]) == "running"
    reap(demo.cloud, other[Outputs.REAPER])
    demo.wake()
    demo.cloud.pulumi(["destroy", "--yes", "--skip-preview", "-s", "other"])
    assert demo.state() == "RUNNING"
    assert demo.watch.ec2_state() == "running"
