"""Look-ups: what they answer on moto, and that every answer has the fields of the real SDK's result and no others."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from local.provider.invokes import INVOKES
from tests.local.provider.ground import Ground

GIVEN: dict[str, Callable[[Ground], dict[str, Any]]] = {
    "aws:ec2/getAmi:getAmi": lambda ground: {"filters": [{"name": "image-id", "values": [ground.image]}]},
    "aws:ec2/getInstanceType:getInstanceType": lambda _: {"instanceType": "g6.xlarge"},
    "aws:ec2/getRouteTable:getRouteTable": lambda ground: {"routeTableId": tables(ground)[0]},
    "aws:ec2/getSubnet:getSubnet": lambda ground: {"id": ground.subnet},
    "aws:ec2/getVpc:getVpc": lambda _: {"default": True},
    "aws:kms/getKey:getKey": lambda ground: {"keyId": new_key(ground)},
    "aws:servicequotas/getServiceQuota:getServiceQuota": lambda _: {"serviceCode": "vpc", "quotaCode": "L-F678F1CE"},
    "aws:ssm/getParameter:getParameter": lambda ground: {
        "name": ground.ssm.put_parameter(Name="a", Value="b", Type="String") and "a"
    },
}


def new_key(ground: Ground) -> str:
    return str(ground.kms.create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"])


def ask(ground: Ground, token: str, **args: Any) -> dict[str, Any]:
    return INVOKES[token](ground.aws, args)


def tables(ground: Ground, name: str = "association.main", value: str = "true") -> list[str]:
    filters = [{"name": name, "values": [value]}]
    vpc = ask(ground, "aws:ec2/getVpc:getVpc", default=True)["id"]
    found: list[str] = ask(ground, "aws:ec2/getRouteTables:getRouteTables", vpcId=vpc, filters=filters)["ids"]
    return found


def fields(token: str) -> set[str]:
    """The properties of the SDK's result, as the engine names them."""
    module, name = token.split(":")[1].split("/", maxsplit=1)[0], token.rpartition(":")[2]
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    package = "pulumi_aws" if module == "index" else f"pulumi_aws.{module}"
    result = getattr(importlib.import_module(f"{package}.{snake}"), f"{name[0].upper()}{name[1:]}Result")
    spelled = (parameter.split("_") for parameter in list(inspect.signature(result.__init__).parameters)[1:])
    return {first + "".join(part.title() for part in rest) for first, *rest in spelled}


@pytest.mark.parametrize("token", INVOKES)
def test_an_answer_has_only_fields_that_the_sdk_reads(ground: Ground, token: str) -> None:
    found = ask(ground, token, **GIVEN.get(token, lambda _: {})(ground))
    assert found.keys() <= fields(token)


def test_an_image_s_root_disk_is_spelled_as_the_bridge_spells_it(ground: Ground) -> None:
    filters = [{"name": "image-id", "values": [ground.image]}]
    found = ask(ground, "aws:ec2/getAmi:getAmi", filters=filters)
    disks = {d["deviceName"]: d["ebs"] for d in found["blockDeviceMappings"]}
    assert disks[found["rootDeviceName"]]["volume_size"] == "15"  # moto says so of every image


def test_routes_are_found_by_subnet_or_as_the_vpc_s_main_table(ground: Ground) -> None:
    (main,) = tables(ground)
    assert tables(ground, "association.subnet-id", ground.subnet) == []
    gateway = ground.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    vpc = ground.ec2.describe_subnets(SubnetIds=[ground.subnet])["Subnets"][0]["VpcId"]
    ground.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ground.ec2.create_route(RouteTableId=main, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    routes = ask(ground, "aws:ec2/getRouteTable:getRouteTable", routeTableId=main)["routes"]
    assert [r["gatewayId"] for r in routes if r["cidrBlock"] == "0.0.0.0/0"] == [gateway]
    own = ground.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ground.ec2.associate_route_table(RouteTableId=own, SubnetId=ground.subnet)
    assert tables(ground, "association.subnet-id", ground.subnet) == [own]


def test_a_key_says_its_state(ground: Ground) -> None:
    key = new_key(ground)
    ground.kms.disable_key(KeyId=key)
    found = ask(ground, "aws:kms/getKey:getKey", keyId=key)
    assert (found["keyState"], found["keyUsage"]) == ("Disabled", "ENCRYPT_DECRYPT")
    assert found["customerMasterKeySpec"] == "SYMMETRIC_DEFAULT"
