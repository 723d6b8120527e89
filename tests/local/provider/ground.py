"""What a resource under test stands on: clients, a network, groups, roles, code."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from local.provider.aws import Aws
from local.provider.structs import ARCHIVE, ASSET, SIGNATURE
from tests.local.provider.driver import Driver, Made

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfOWvrrOHZ9qvXLBDiZy2T0SZwzhpKp9xvYcVPlIMyz one"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGSuAv3ykS2cvHb4JbBZbVuYhEk1sXPfPV4+HUwZvSOC two"


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(action: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}})


def code(text: str) -> dict[str, Any]:
    asset = {SIGNATURE: ASSET, "text": text, "hash": f"hash of {text}"}
    return {SIGNATURE: ARCHIVE, "assets": {"main.py": asset}, "hash": f"hash of {text}"}


def zipped(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("main.py", text)
    return buffer.getvalue()


@dataclass
class Ground:
    """boto3 clients by attribute, and things that exist."""

    driver: Driver
    aws: Aws

    def __getattr__(self, service: str) -> Any:
        return self.aws.client("lambda" if service == "lambda_" else service)

    @cached_property
    def image(self) -> str:
        disk = [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 8}}]
        made = self.ec2.register_image(Name="ubuntu-test", RootDeviceName="/dev/sda1", BlockDeviceMappings=disk)
        return str(made["ImageId"])

    @cached_property
    def volume(self) -> str:
        made = self.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)
        return str(made["VolumeId"])

    @cached_property
    def subnet(self) -> str:
        return str(self.ec2.describe_subnets()["Subnets"][0]["SubnetId"])

    @cached_property
    def role(self) -> Made:
        policy = trust("lambda.amazonaws.com")
        return self.driver.create("aws:iam/role:Role", {"assumeRolePolicy": policy}, name="ground-role")

    def group(self, name: str) -> str:
        token = "aws:ec2/securityGroup:SecurityGroup"
        return self.driver.create(token, {"description": "ground"}, name=name).ident

    def profile(self, name: str) -> str:
        return self.driver.create("aws:iam/instanceProfile:InstanceProfile", {"role": self.role.ident}, name=name).ident

    @cached_property
    def policy(self) -> str:
        return self.driver.create("aws:iam/policy:Policy", {"policy": allow("ec2:*")}, name="ground-policy").ident

    @cached_property
    def table(self) -> Made:
        return self.driver.create("aws:dynamodb/table:Table", table("ground-table"), name="ground-table")

    @cached_property
    def function(self) -> Made:
        inputs = {"code": code("a = 1"), "handler": "main.f", "runtime": "python3.12", "role": self.role.outputs["arn"]}
        return self.driver.create("aws:lambda/function:Function", inputs, name="ground-function")

    @cached_property
    def topic(self) -> str:
        return self.driver.create("aws:sns/topic:Topic", {}, name="ground-topic").ident

    @cached_property
    def queue_url(self) -> str:
        return self.driver.create("aws:sqs/queue:Queue", {}, name="ground-queue").ident

    @cached_property
    def dead_letters(self) -> str:
        return str(self.driver.create("aws:sqs/queue:Queue", {}, name="ground-dead").outputs["arn"])

    def instance(self, name: str = "ground-machine") -> str:
        inputs = {"ami": self.image, "instanceType": "g6.xlarge"}
        return self.driver.create("aws:ec2/instance:Instance", inputs, name=name).ident

    @cached_property
    def address(self) -> str:
        return self.driver.create("aws:ec2/eip:Eip", {"domain": "vpc"}, name="ground-address").ident


def table(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "billingMode": "PAY_PER_REQUEST",
        "hashKey": "pk",
        "rangeKey": "sk",
        "attributes": [{"name": "pk", "type": "S"}, {"name": "sk", "type": "S"}],
        "deletionProtectionEnabled": False,
        "pointInTimeRecovery": {"enabled": True},
        "ttl": {"attributeName": "until", "enabled": True},
        "tags": {"a": "b"},
    }
