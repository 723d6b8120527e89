"""One control for two stacks, with the real engine: a guest makes no table and no reaper, the owner's looks after both.

Nothing is deployed: what is looked at is what `pulumi up` makes, and what one invocation of the owner's reaper does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from core.contract.documents import Outputs
from core.contract.table import PK_UNITS, SK_LEASE, SK_SETTINGS, TABLE_PK, TABLE_SK
from core.contract.tags import TAG_CONTROL, TAG_DEPLOYMENT
from core.errors import CloudError
from local.cloud import client
from local.demo import stack
from tests.e2e.world import reap

OWNER, GUEST = "fleet-a", "fleet-b"
AS_GUEST = {"stack": OWNER, "deletionProtection": None, "logRetentionDays": None}  # the template's own, taken away
Made = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def refusal(cloud: client.Cloud) -> str:
    """What a guest hears whose control is not there yet."""
    with pytest.raises(CloudError) as caught:
        stack.create(cloud, GUEST, gateway="none", control=AS_GUEST)
    return str(caught.value)


@pytest.fixture(scope="module")
def made(cloud: client.Cloud, refusal: str) -> Iterator[Made]:
    """Outputs of both stacks, without gateways: the machines are not what this is about."""
    outputs = {OWNER: stack.create(cloud, OWNER, gateway="none")}
    yield outputs | {GUEST: stack.create(cloud, GUEST, gateway="none", control=AS_GUEST)}
    for name in (GUEST, OWNER):
        cloud.pulumi(["destroy", "--yes", "--skip-preview", "-s", name])
        cloud.pulumi(["stack", "rm", "--yes", name])


def item(cloud: client.Cloud, made: Made, pk: str, sk: str) -> dict[str, Any] | None:
    """One item of the owner's table, in DynamoDB's words."""
    key = {TABLE_PK: {"S": pk}, TABLE_SK: {"S": sk}}
    answer = cloud.client("dynamodb").get_item(TableName=made[OWNER][Outputs.TABLE], Key=key, ConsistentRead=True)
    found: dict[str, Any] | None = answer.get("Item")
    return found


def leases(cloud: client.Cloud, made: Made) -> dict[str, dict[str, Any] | None]:
    return {name: item(cloud, made, outputs[Outputs.UNIT], SK_LEASE) for name, outputs in made.items()}


def instance(cloud: client.Cloud, instance_id: str) -> dict[str, Any]:
    found = cloud.client("ec2").describe_instances(InstanceIds=[instance_id])
    machine: dict[str, Any] = found["Reservations"][0]["Instances"][0]
    return machine


def kinds(cloud: client.Cloud, name: str) -> set[str]:
    """The kinds of resources that a stack's state holds."""
    state = json.loads(cloud.pulumi(["stack", "export", "-s", name]).stdout)
    return {resource["type"].rpartition(":")[2] for resource in state["deployment"]["resources"]}


def test_a_guest_without_its_control_is_refused_before_anything_is_made(refusal: str) -> None:
    assert 'unknown stack "organization/pilotlight/fleet-a"' in refusal
    assert "Make that stack first: `pulumi up -s fleet-a`." in refusal
    assert "Traceback" not in refusal
    assert "RandomId" not in refusal


def test_a_guest_has_no_table_and_no_reaper_of_its_own(cloud: client.Cloud, made: Made) -> None:
    control = {"Table", "Function", "Schedule", "MetricAlarm", "LogGroup", "Control"}
    assert control <= kinds(cloud, OWNER)
    assert not control & kinds(cloud, GUEST)
    for output in (Outputs.TABLE, Outputs.REAPER, Outputs.CONTROL):
        assert made[OWNER][output] == made[GUEST][output]
    assert made[OWNER][Outputs.DEPLOYMENT_ID] != made[GUEST][Outputs.DEPLOYMENT_ID]


def test_every_host_says_whose_reaper_drives_it(cloud: client.Cloud, made: Made) -> None:
    for outputs in made.values():
        seen = instance(cloud, outputs[Outputs.HOST_INSTANCE_ID])
        tags = {t["Key"]: t["Value"] for t in seen["Tags"]}
        assert tags[TAG_CONTROL] == made[OWNER][Outputs.DEPLOYMENT_ID]
        assert tags[TAG_DEPLOYMENT] == outputs[Outputs.DEPLOYMENT_ID]


def test_one_pass_looks_at_both_and_gives_their_machines_leases(cloud: client.Cloud, made: Made) -> None:
    summary = reap(cloud, made[OWNER][Outputs.REAPER])
    assert (summary["units"], summary["broken"]) == (2, {})
    for name, lease in leases(cloud, made).items():
        assert lease is not None, name
        assert (lease["state"], lease["by"]) == ({"S": "NEW"}, {"S": "reaper"})
        assert lease["instance_id"] == {"S": made[name][Outputs.HOST_INSTANCE_ID]}


def test_a_copy_of_a_guests_machine_is_told(cloud: client.Cloud, made: Made) -> None:
    host = instance(cloud, made[GUEST][Outputs.HOST_INSTANCE_ID])
    copied = cloud.client("ec2").run_instances(
        ImageId=host["ImageId"],
        InstanceType=host["InstanceType"],
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": host["Tags"]}],
    )
    copy = copied["Instances"][0]["InstanceId"]
    try:
        reap(cloud, made[OWNER][Outputs.REAPER])
        alerted = {name: (lease or {}).get("alerted") for name, lease in leases(cloud, made).items()}
        assert alerted == {OWNER: None, GUEST: {"S": "duplicate"}}
    finally:
        cloud.client("ec2").terminate_instances(InstanceIds=[copy])


def test_a_host_that_is_older_than_the_controls_tag_gets_it_in_place(cloud: client.Cloud, made: Made) -> None:
    host, ec2 = made[GUEST][Outputs.HOST_INSTANCE_ID], cloud.client("ec2")
    ec2.delete_tags(Resources=[host], Tags=[{"Key": TAG_CONTROL}])
    assert reap(cloud, made[OWNER][Outputs.REAPER])["broken"] == {}  # found by its id meanwhile
    cloud.pulumi(["refresh", "--yes", "--skip-preview", "-s", GUEST])
    cloud.pulumi(["up", "--yes", "--skip-preview", "-s", GUEST])
    assert stack.outputs(cloud, GUEST)[Outputs.HOST_INSTANCE_ID] == host
    assert TAG_CONTROL in {tag["Key"] for tag in instance(cloud, host)["Tags"]}


def test_up_again_changes_nothing(cloud: client.Cloud, made: Made) -> None:
    for name in made:
        for verb in ("refresh", "up"):
            cloud.pulumi([verb, "--yes", "--skip-preview", "-s", name, "--expect-no-changes"])


def test_a_guest_that_goes_leaves_the_control_alone(cloud: client.Cloud, made: Made) -> None:
    unit = made[GUEST][Outputs.UNIT]
    assert item(cloud, made, unit, SK_SETTINGS) is not None
    cloud.pulumi(["destroy", "--yes", "--skip-preview", "-s", GUEST])
    assert item(cloud, made, unit, SK_SETTINGS) is None
    assert item(cloud, made, PK_UNITS, unit) is None
    assert reap(cloud, made[OWNER][Outputs.REAPER])["units"] == 1
    cloud.pulumi(["up", "--yes", "--skip-preview", "-s", OWNER, "--expect-no-changes"])
