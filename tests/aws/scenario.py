"""The steps of `make test-aws`: one host by the real component, put to sleep and changed behind Pulumi's back."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_random as random
from pulumi import automation

from components.aws import network, policies, preflight
from components.aws.gpu_host import GpuHost, GpuHostArgs
from components.aws.tags import Identity
from core.errors import PilotlightError
from core.settings import load

REGION = "us-east-1"
FIRST_TYPE, OTHER_TYPE = "t4g.small", "t4g.micro"
DISK_GIB = 20
NAME = "pilotlight-test-aws"
Say = Callable[[str], None]


class Drift(PilotlightError):
    """Something changed that should not have."""


def program(public_key: str) -> None:
    """One GpuHost in the default VPC, closed to everybody."""
    settings = load(
        {
            "aws:region": REGION,
            "pilotlight:host": {"instanceTypes": [FIRST_TYPE, OTHER_TYPE], "sshPublicKey": public_key},
            "pilotlight:access": {"cidrs": ["192.0.2.0/24"], "sshCidrs": ["192.0.2.0/24"]},
            "pilotlight:engines": {"none": {"model": "Qwen/Qwen2.5-0.5B-Instruct"}},
            "pilotlight:gateway": "none",
        },
        NAME,
    )
    where = network.find(settings)
    preflight.check(settings, where)
    identity = Identity(NAME, random.RandomId(f"{NAME}-deployment", byte_length=8).hex)
    group = aws.ec2.SecurityGroup(f"{NAME}-closed", vpc_id=where.vpc_id, tags=identity.tags("firewall"))
    key = aws.ec2.KeyPair(f"{NAME}-key", public_key=public_key, tags=identity.tags("key"))
    args = GpuHostArgs(
        identity=identity,
        unit=settings.unit,
        control_id=identity.deployment_id,
        instance_types=settings.ec2.instance_types,
        image=where.host_image.id,
        subnet_id=where.host_subnet.id,
        group_id=group.id,
        key_name=key.key_name,
        policy=json.dumps(
            policies.host(table_arn=f"arn:aws:dynamodb:{REGION}:000000000000:table/none", unit=settings.unit)
        ),
        disk_gib=DISK_GIB,
        disk_throughput_mibps=125,
        kms_key_arn=None,
        stop_after_s=None,
        max_lease_s=0,
        protect=False,
        skipped_types={},
        has_address=False,
    )
    pulumi.export("instance", GpuHost(f"{NAME}-host", args).instance.id)


def run(ec2: Any, say: Say) -> None:
    """All steps; whatever happens, the stack is destroyed at the end. Raises Drift."""
    with tempfile.TemporaryDirectory() as folder:
        public_key = _key_pair(Path(folder))
        stack = automation.create_or_select_stack(
            stack_name=NAME,
            project_name=NAME,
            program=lambda: program(public_key),
            opts=automation.LocalWorkspaceOptions(
                work_dir=folder,
                project_settings=automation.ProjectSettings(
                    NAME, runtime="python", backend=automation.ProjectBackend(f"file://{folder}")
                ),
                env_vars={"PULUMI_CONFIG_PASSPHRASE": "only for this run", "AWS_REGION": REGION},
            ),
        )
        try:
            _steps(stack, ec2, say)
        finally:
            _destroy(stack, say)


def _steps(stack: automation.Stack, ec2: Any, say: Say) -> None:
    say("up")
    instance = stack.up().outputs["instance"].value
    say(f"stop {instance}")
    ec2.stop_instances(InstanceIds=[instance])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance])
    _nothing_changes(stack, ec2, instance, FIRST_TYPE, say)
    say(f"change the type to {OTHER_TYPE} by API")
    ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": OTHER_TYPE})
    _nothing_changes(stack, ec2, instance, OTHER_TYPE, say)


def _nothing_changes(stack: automation.Stack, ec2: Any, instance: str, expected_type: str, say: Say) -> None:
    say("refresh, up")
    stack.refresh()
    summary = stack.up().summary.resource_changes or {}
    machine = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    state, kind = machine["State"]["Name"], machine["InstanceType"]
    changed = {str(op): count for op, count in summary.items() if op != "same"}
    if changed or (state, kind) != ("stopped", expected_type):
        raise Drift(f"`up` on a stopped host: changes {changed or 'none'}, machine {state}, type {kind}")
    say(f"  nothing changed; {instance} is {state}, {kind}")


def _destroy(stack: automation.Stack, say: Say) -> None:
    say("destroy")
    try:
        stack.destroy()
    except automation.CommandError:
        say(f"NOT everything is gone. Look for the tag pilotlight:stack = {NAME} in {REGION} and delete it by hand.")
        raise


def _key_pair(folder: Path) -> str:
    """A key pair that nobody will use; its private half goes with the folder."""
    path = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text().strip()
