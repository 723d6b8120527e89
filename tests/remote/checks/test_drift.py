"""What the stack file says and `pulumi up` does not apply: type, tags, disk and key of a machine."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from core import settings
from core.contract.tags import TAG_AUTO_STOP, TAG_MAX_LEASE
from remote.checks import Area, Check, Verdict, drift
from remote.checks.machine import GIB
from remote.machines.lease_client import Instance
from tests.remote.checks.test_machine import DISK
from tests.remote.machines.test_inventory import DEMO

DEMO_SETTINGS = settings.load(yaml.safe_load(DEMO)["config"], "demo")
HOST = DEMO_SETTINGS.host.model_copy(update={"instance_types": ("g6.xlarge", "g5.xlarge")})
IDLE = DEMO_SETTINGS.idle.model_copy(update={"stop_after": 1800.0, "max_lease": 0.0})
STACK = DEMO_SETTINGS.model_copy(update={"host": HOST, "idle": IDLE})
RIGHT = Instance("i-1", instance_type="g6.xlarge", tags={TAG_AUTO_STOP: "30m", TAG_MAX_LEASE: "off"})


def lines(**changes: object) -> list[Check]:
    return list(drift.machine(STACK, dataclasses.replace(RIGHT, **changes)))  # type: ignore[arg-type]


def test_as_the_stack_file_says() -> None:
    assert [(c.verdict, c.name) for c in lines()] == [(Verdict.PASS, "type"), (Verdict.PASS, "tags")]
    assert lines(instance_type="") == [], "nobody told"


@pytest.mark.parametrize(
    ("actual", "verdict", "said"),
    [
        ("g5.xlarge", Verdict.PASS, "EC2 had no g6.xlarge"),
        ("g4dn.xlarge", Verdict.WARN, "says g6.xlarge, g5.xlarge, the host is g4dn.xlarge"),
    ],
)
def test_another_type(actual: str, verdict: Verdict, said: str) -> None:
    check = lines(instance_type=actual)[0]
    assert check.verdict is verdict
    assert said in check.said


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({TAG_AUTO_STOP: "off", TAG_MAX_LEASE: "off"}, f"{TAG_AUTO_STOP} is off, the stack file says 30m"),
        ({TAG_AUTO_STOP: "30m", TAG_MAX_LEASE: "2h"}, f"{TAG_MAX_LEASE} is 2h, the stack file says off"),
    ],
)
def test_a_tag_that_operations_edited(tags: dict[str, str], said: str) -> None:
    (_, check) = lines(tags=tags)
    assert (check.verdict, check.name) == (Verdict.WARN, "tags")
    assert check.said.startswith(said)


@pytest.mark.parametrize(("gib", "told"), [(100, False), (120, False), (80, True)])
def test_a_file_system_that_did_not_grow(gib: int, told: bool) -> None:
    found = list(drift.disk(Area.HOST, dataclasses.replace(DISK, size=gib * GIB), 110, "demo"))
    assert bool(found) is told


@pytest.mark.parametrize(
    ("accepted", "wanted", "verdict"),
    [
        ("# cloud-init\nssh-ed25519 AAAA ann@laptop\n", "ssh-ed25519 AAAA", Verdict.PASS),
        ("ssh-ed25519 BBBB ann", "ssh-ed25519 AAAA ann", Verdict.WARN),
        ("", "ssh-ed25519 AAAA ann", Verdict.WARN),
        ("", None, Verdict.PASS),
    ],
)
def test_the_key(accepted: str, wanted: str | None, verdict: Verdict) -> None:
    assert drift.ssh_key(Area.GATEWAY, accepted, wanted).verdict is verdict
