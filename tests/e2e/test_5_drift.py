"""Drift, with the real engine: what others changed in the cloud is found by refresh and put right by up.

The unit tests (tests/local/provider) go through every property; here a few of each kind show that the engine, the
provider and the program agree about them.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError
from pulumi import Output, automation

from core.contract.documents import Outputs
from core.contract.paths import DATA_DIR, volume_link
from core.contract.table import SK_SETTINGS, TABLE_PK, TABLE_SK
from core.errors import CloudError
from local.cloud import client
from local.demo import stack
from local.demo.observe import Observer, wait_for
from tests.aws import scenario

NAME = "drift"


@pytest.fixture(scope="module")
def made(cloud: client.Cloud) -> Iterator[dict[str, Any]]:
    """A stack of its own, so that the demo's stays as it is."""
    yield stack.create(cloud, NAME)
    cloud.pulumi(["destroy", "--yes", "--skip-preview", "-s", NAME])
    cloud.pulumi(["stack", "rm", "--yes", NAME])


def _pulumi(cloud: client.Cloud, verb: str, *options: str) -> str:
    return cloud.pulumi([verb, "--yes", "--skip-preview", "-s", NAME, *options]).stdout


def _unchanged(cloud: client.Cloud) -> None:
    for verb in ("refresh", "up"):
        _pulumi(cloud, verb, "--expect-no-changes")


def _edit_machine(cloud: client.Cloud, host: str) -> None:
    """Stopped, of another type, and with a tag that operations may edit."""
    ec2 = cloud.client("ec2")
    ec2.stop_instances(InstanceIds=[host])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[host], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    ec2.modify_instance_attribute(InstanceId=host, InstanceType={"Value": "g5.xlarge"})
    ec2.create_tags(Resources=[host], Tags=[{"Key": "edited", "Value": "yes"}])


def _edit_control(cloud: client.Cloud, outputs: dict[str, Any]) -> None:
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as writer:
        writer.writestr("edited.py", "")
    functions, tables = cloud.client("lambda"), cloud.client("dynamodb")
    functions.update_function_code(FunctionName=outputs[Outputs.REAPER], ZipFile=bundle.getvalue())
    functions.update_function_configuration(FunctionName=outputs[Outputs.REAPER], Timeout=7)
    key = {TABLE_PK: {"S": outputs[Outputs.UNIT]}, TABLE_SK: {"S": SK_SETTINGS}}
    tables.put_item(TableName=outputs[Outputs.TABLE], Item={**key, "body": {"S": "edited"}})
    tables.update_continuous_backups(
        TableName=outputs[Outputs.TABLE], PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )
    alarms = cloud.client("cloudwatch")
    names = [a["AlarmName"] for a in alarms.describe_alarms()["MetricAlarms"] if f"{NAME}-control" in a["AlarmName"]]
    alarms.delete_alarms(AlarmNames=names[:1])


def test_what_was_changed_or_deleted_is_found_and_put_right(cloud: client.Cloud, made: dict[str, Any]) -> None:
    _unchanged(cloud)
    _edit_machine(cloud, made[Outputs.HOST_INSTANCE_ID])
    _edit_control(cloud, made)
    found = _pulumi(cloud, "refresh", "--diff")
    counts = ("4 updated", "1 deleted")  # machine, function, item and table; the alarm
    for words in ("timeout", "code", "edited", "pointInTimeRecovery", "item", *counts):
        assert words in found, found
    _pulumi(cloud, "up")
    _unchanged(cloud)
    machine = cloud.client("ec2").describe_instances(InstanceIds=[made[Outputs.HOST_INSTANCE_ID]])
    host = machine["Reservations"][0]["Instances"][0]
    assert (host["State"]["Name"], host["InstanceType"]) == ("stopped", "g5.xlarge")
    assert "edited" not in {tag["Key"] for tag in host["Tags"]}


def test_a_replaced_gateway_has_the_data_volume_of_the_old_one(cloud: client.Cloud, made: dict[str, Any]) -> None:
    """Mounted by the script that `fab deploy` brings. A folder stands for the disk here: no file system is made."""
    watch, volume, old = Observer(cloud, made), made[Outputs.GATEWAY_VOLUME_ID], made[Outputs.GATEWAY_INSTANCE_ID]
    mount = (Path(__file__).parents[2] / "remote/scripts/mount_data.sh").read_text()
    words = ("sh", "-c", mount, "mount-data", volume_link(volume), DATA_DIR)
    watch.inside(old, *words)
    watch.inside(old, "sh", "-c", f"echo kept > {DATA_DIR}/kept")
    urn = f"urn:pulumi:{NAME}::pilotlight::pilotlight:index:GatewayHost$aws:ec2/instance:Instance::{NAME}-gateway"
    _pulumi(cloud, "up", "--replace", urn)
    now = stack.outputs(cloud, NAME)
    new = now[Outputs.GATEWAY_INSTANCE_ID]
    assert (now[Outputs.GATEWAY_VOLUME_ID], now[Outputs.GATEWAY_ADDRESS]) == (volume, made[Outputs.GATEWAY_ADDRESS])
    assert new != old
    watch.inside(new, *words)
    assert watch.inside(new, "cat", f"{DATA_DIR}/kept") == "kept\n"
    _unchanged(cloud)
    cloud.client("ec2").reboot_instances(InstanceIds=[new])

    def back() -> bool:
        try:
            return "kept" not in watch.inside(new, "ls", DATA_DIR)  # not mounted: this is another boot
        except (CloudError, APIError):  # it is down, or on its way
            return False

    wait_for(back, 60, lambda: "the gateway did not come back")
    watch.inside(new, *words)
    assert watch.inside(new, "cat", f"{DATA_DIR}/kept") == "kept\n"


def _with_a_secret() -> None:
    import pulumi
    import pulumi_aws as aws

    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = aws.iam.Role("secretive", assume_role_policy=policy)
    aws.lambda_.Function(
        "secretive",
        code=pulumi.AssetArchive({"main.py": pulumi.StringAsset("def f(event, context): return 1")}),
        environment={"variables": {"TOKEN": Output.secret("do-not-tell")}},
        handler="main.f",
        role=role.arn,
        runtime="python3.12",
    )


def test_a_secret_is_in_the_cloud_and_encrypted_in_the_state(
    cloud: client.Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", cloud.environment["PATH"])
    options = automation.LocalWorkspaceOptions(env_vars=dict(cloud.environment))
    secretive = automation.create_or_select_stack("secretive", "secretive", _with_a_secret, opts=options)
    secretive.set_config("aws:region", automation.ConfigValue("us-east-1"))
    try:
        secretive.up()
        secretive.refresh()
        backend = Path(cloud.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
        states = [f.read_text() for f in backend.rglob("secretive*.json")]
        assert states
        assert any('"ciphertext"' in text for text in states)
        assert not any("do-not-tell" in text for text in states)
        functions = cloud.client("lambda").list_functions()["Functions"]
        assert "do-not-tell" in [f["Environment"]["Variables"].get("TOKEN") for f in functions if "Environment" in f]
    finally:
        secretive.destroy(remove=True)


def test_the_steps_of_make_test_aws_pass_here(cloud: client.Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cloud.env().items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    scenario.run(cloud.client("ec2"), said.append)
    assert said[0] == "up"
    assert len([words for words in said if "nothing changed" in words]) == 2
    assert said[-1] == "destroy"
