"""What preview finds before anything is made: each fault is one message with what mends it, and nothing was made."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import models
from core.engines.sizing import known, lock
from core.errors import SettingsError

QUOTA = "aws:servicequotas/getServiceQuota:getServiceQuota"
TYPE = "aws:ec2/getInstanceType:getInstanceType"
AMI = "aws:ec2/getAmi:getAmi"
SUBNET = "aws:ec2/getSubnet:getSubnet"
TABLES = "aws:ec2/getRouteTables:getRouteTables"
TABLE = "aws:ec2/getRouteTable:getRouteTable"
KEY = "aws:kms/getKey:getKey"
ARN = "arn:aws:kms:us-east-1:123456789012:key/1234abcd"
REFUSAL = "api error AccessDenied: User: a is not authorized to perform this"


def quotas_of(**values: float) -> Callable[[Any], dict[str, Any]]:
    """Answers by quota code, written with _ for -."""
    return lambda args: {"value": values.get(args["quotaCode"].replace("-", "_"), 64)}


def shapes(**vcpus: int) -> Callable[[Any], dict[str, Any]]:
    return lambda args: {"defaultVcpus": vcpus.get(args["instanceType"].replace(".", "_"), 2)}


def subnet(**facts: Any) -> Callable[[Any], dict[str, Any]]:
    known = {"vpcId": "vpc-0abc", "availabilityZone": "us-east-1b", "mapPublicIpOnLaunch": True}
    return lambda args: {"id": args["id"], "availableIpAddressCount": 100, **known, **facts.get(args["id"][-4:], facts)}


def routes(target: str = "", value: str = "") -> dict[str, Any]:
    default = [{"cidrBlock": "0.0.0.0/0", target: value}] if target else []
    return {"routes": [{"cidrBlock": "10.0.0.0/16", "gatewayId": "local"}, *default]}


def disk(gib: str, architecture: str = "x86_64") -> dict[str, Any]:
    mappings = [{"deviceName": "/dev/sdb", "ebs": {"volume_size": "999"}}]
    root = {"deviceName": "/dev/sda1", "ebs": {"volume_size": gib}}
    found = {"rootDeviceName": "/dev/sda1", "blockDeviceMappings": [*mappings, root]}
    return {"id": "ami-0fed", "architecture": architecture, **found}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "no quota for G": (
        {QUOTA: quotas_of(L_DB2E81BA=0), TYPE: shapes(g6_xlarge=4, g5_xlarge=4)},
        {},
        [
            'quota "Running On-Demand G and VT instances" is 0 vCPUs in us-east-1',
            "request-service-quota-increase --service-code ec2 --quota-code L-DB2E81BA --desired-value 4 "
            "--region us-east-1`",
        ],
    ),
    "enough for the first type, not for the largest": (
        {QUOTA: quotas_of(L_DB2E81BA=8), TYPE: shapes(g6_xlarge=4, g6_12xlarge=48)},
        {"host": {"instanceTypes": ["g6.xlarge", "g6.12xlarge"]}},
        ["g6.12xlarge needs 48", "--desired-value 48"],
    ),
    "P has a quota of its own": (
        {QUOTA: quotas_of(L_417A185B=0), TYPE: shapes(p5_48xlarge=192)},
        {"host": {"instanceTypes": ["p5.48xlarge"]}},
        ['"Running On-Demand P instances" is 0', "--quota-code L-417A185B --desired-value 192"],
    ),
    "host and gateway together": (
        {QUOTA: quotas_of(L_1216C47A=5), TYPE: shapes(t4g_xlarge=4)},
        {"host": {"instanceTypes": ["t4g.xlarge"]}, "engines": {"qwen7b": {"model": "a/b", "device": "cpu"}}},
        ["t4g.xlarge and t4g.small need 6", "--quota-code L-1216C47A --desired-value 6"],
    ),
    "image larger than the disk": (
        {AMI: lambda args: disk("125" if args["filters"][0]["name"] == "image-id" else "8", "")},
        {"host": {"image": "ami-0fed"}},
        ["pilotlight:host.diskGiB is 120, and the root disk of image ami-0fed is 125 GiB", "to 125 or more"],
    ),
    "image of another processor": (
        {AMI: disk("8", "arm64")},
        {"host": {"image": "ami-0fed"}},
        ["Image ami-0fed is for arm64, and g6.xlarge is x86_64"],
    ),
    "no public address": (
        {SUBNET: subnet(mapPublicIpOnLaunch=False)},
        {"host": {"subnetId": "subnet-0ccc"}},
        ["`aws ec2 modify-subnet-attribute --subnet-id subnet-0ccc --map-public-ip-on-launch`"],
    ),
    "no way to the internet": (
        {TABLE: routes()},
        {"host": {"subnetId": "subnet-0ccc"}},
        [
            "subnet-0ccc (pilotlight:host.subnetId) has no route to an internet gateway",
            "`aws ec2 create-route --route-table-id rtb-0abc --destination-cidr-block 0.0.0.0/0 --gateway-id",
            "subnet-0ccc (pilotlight:host.subnetId) has no route to the internet, and the host installs from there",
        ],
    ),
    "a private subnet for both": (
        {TABLE: routes("natGatewayId", "nat-1")},
        {"host": {"subnetId": "subnet-0ccc"}},
        ["callers cannot reach an address there. Name a public subnet in pilotlight:gateway.subnetId"],
    ),
    "a private subnet without a gateway": (
        {TABLE: routes("natGatewayId", "nat-1")},
        {"host": {"subnetId": "subnet-0ccc"}, "gateway": "none"},
        ["callers cannot reach an address there. Name a public subnet in pilotlight:host.subnetId"],
    ),
    "the default VPC lost its route": ({TABLE: routes()}, {}, ["subnet-0aaa (of the default VPC) has no route"]),
    "two VPCs": (
        {SUBNET: subnet(**{"0ccc": {}, "0eee": {"vpcId": "vpc-0def"}})},
        {"host": {"subnetId": "subnet-0ccc"}, "gateway": {"subnetId": "subnet-0eee"}},
        ["is in vpc-0def, the host's subnet-0ccc (pilotlight:host.subnetId) in vpc-0abc"],
    ),
    "a full subnet": (
        {SUBNET: subnet(availableIpAddressCount=1)},
        {"host": {"subnetId": "subnet-0ccc"}},
        ["has 1 free addresses, and 2 are needed"],
    ),
    "a subnet in a zone without a type": (
        {SUBNET: subnet(availabilityZone="us-east-1a")},
        {"host": {"subnetId": "subnet-0ccc"}},
        ["us-east-1a, where subnet subnet-0ccc", "does not offer g5.xlarge; name a subnet in us-east-1b or us-east-1c"],
    ),
    "a subnet in another zone than named": (
        {},
        {"host": {"subnetId": "subnet-0ccc", "zone": "us-east-1c"}},
        ['pilotlight:host.zone is "us-east-1c", but subnet subnet-0ccc'],
    ),
    "a gateway's subnet in a zone without its type": (
        {SUBNET: subnet(availabilityZone="us-east-1a")},
        {"host": {"instanceTypes": ["g6.xlarge"]}, "gateway": {"subnetId": "subnet-0eee"}},
        ["us-east-1a, where subnet subnet-0eee (pilotlight:gateway.subnetId) is, does not offer t4g.small"],
    ),
    "a disabled key": (
        {KEY: {"keyState": "Disabled", "keyUsage": "ENCRYPT_DECRYPT", "customerMasterKeySpec": "SYMMETRIC_DEFAULT"}},
        {"host": {"kmsKeyArn": ARN}},
        [f"`aws kms enable-key --key-id {ARN}`"],
    ),
    "a key for signing": (
        {KEY: {"keyState": "Enabled", "keyUsage": "SIGN_VERIFY", "customerMasterKeySpec": "RSA_2048"}},
        {"host": {"kmsKeyArn": ARN}},
        ["is RSA_2048 for SIGN_VERIFY; disks need a symmetric one"],
    ),
    "a key of another region": (
        {},
        {"host": {"kmsKeyArn": ARN.replace("us-east-1", "eu-west-1")}},
        ["pilotlight:host.kmsKeyArn is a key of eu-west-1, and the stack is in us-east-1"],
    ),
}


@pytest.mark.parametrize(("answers", "changes", "words"), CASES.values(), ids=CASES)
def test_a_fault_is_a_message_with_what_mends_it(
    build: Any, answers: dict[str, Any], changes: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        build(fresh=True, answers=answers, **changes)
    for each in words:
        assert each in str(caught.value)


def test_every_fault_is_said_at_once(build: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        build(answers={QUOTA: quotas_of(L_DB2E81BA=0, L_1216C47A=0), TABLE: routes()})
    assert len(str(caught.value).splitlines()) == 4


@pytest.mark.parametrize(
    ("answers", "changes"),
    [
        (
            {
                SUBNET: subnet(**{"0ccc": {"mapPublicIpOnLaunch": False}, "0eee": {"mapPublicIpOnLaunch": False}}),
                TABLES: lambda args: {"ids": [f"rtb-of-{args['filters'][0]['values'][0]}"]},
                TABLE: lambda args: (
                    routes("natGatewayId", "nat-1")
                    if args["routeTableId"] == "rtb-of-subnet-0ccc"
                    else routes("gatewayId", "igw-1")
                ),
            },
            {"host": {"subnetId": "subnet-0ccc"}, "gateway": {"subnetId": "subnet-0eee"}},
        ),
        ({}, {"host": {"kmsKeyArn": ARN}}),
        ({QUOTA: quotas_of(L_DB2E81BA=4, L_1216C47A=2), TYPE: shapes(g6_xlarge=4, g5_xlarge=4)}, {}),
        ({AMI: disk("120")}, {"host": {"image": "ami-0fed"}, "gateway": {"instanceType": "t3.small", "diskGiB": 120}}),
    ],
    ids=["a private host and a public gateway", "a good key", "just enough quota", "just enough disk"],
)
def test_what_is_right_passes(build: Any, answers: dict[str, Any], changes: dict[str, Any]) -> None:
    cloud, _ = build(answers=answers or {KEY: ANY_KEY}, **changes)
    assert cloud.of("Instance")


ANY_KEY = {"keyState": "Enabled", "keyUsage": "ENCRYPT_DECRYPT", "customerMasterKeySpec": "SYMMETRIC_DEFAULT"}


@pytest.mark.parametrize("token", [QUOTA, TYPE, TABLES, TABLE, KEY])
def test_what_aws_refuses_to_tell_is_a_warning_and_the_stack_is_made(
    build: Any, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda words, **_: said.append(words))
    cloud, _ = build(answers={token: REFUSAL}, host={"kmsKeyArn": ARN})
    assert cloud.of("Instance")
    assert said
    assert all(words.startswith("AWS refused to tell ") and "not checked" in words for words in said)


def test_a_quota_that_nobody_answers_stops_nothing(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda words, **_: said.append(words))
    build(answers={QUOTA: "request send failed: dial tcp: lookup servicequotas: no such host"})
    assert said[0].startswith('AWS did not find the account\'s quota "Running On-Demand G and VT instances"')


@pytest.mark.parametrize(
    ("types", "absent", "is_said"),
    [
        (["g6.xlarge", "g5.xlarge"], ["qwen7b-host"], True),
        (["g6.xlarge", "g5.xlarge"], [], False),  # it is there: starts climb the ladder
        (["g6.xlarge", "g4dn.xlarge"], ["qwen7b-host"], False),  # the other type is never used
        (["g6.xlarge"], ["qwen7b-host"], False),
    ],
)
def test_that_a_first_up_knows_no_ladder_is_said_in_its_preview(
    build: Any, monkeypatch: pytest.MonkeyPatch, types: list[str], absent: list[str], is_said: bool
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "info", lambda words, **_: said.append(words))
    engine = {"model": "Qwen/Qwen2.5-7B-Instruct", "maxModelLen": 8192}  # more than a T4 holds
    build(fresh=True, preview=True, absent=absent, host={"instanceTypes": types}, engines={"qwen7b": engine})
    told = [words for words in said if "first in pilotlight:host.instanceTypes" in words]
    assert bool(told) is is_said


# ---------------------------------------------------------------- do the engines fit
@pytest.mark.parametrize(
    ("engine", "types", "words"),
    [
        (
            {"model": "Qwen/Qwen2.5-7B-Instruct"},
            ["g4dn.xlarge"],
            ["weights take 14.2 GiB", "What would do:", "g6.xlarge"],
        ),
        ({"model": "Qwen/Qwen2.5-7B-Instruct", "maxModelLen": 131072}, ["g6e.xlarge"], ["hf-overrides"]),
        ({"model": "Qwen/Qwen2.5-7B-Instruct", "gpus": 4}, ["g6.xlarge"], ["split over 4 GPUs, and there is 1"]),
        ({"model": "Qwen/Qwen2.5-0.5B-Instruct", "dtype": "bfloat16"}, ["g4dn.xlarge"], ["no bfloat16"]),
        ({"model": "org/model"}, ["g6f.large"], ["GRID driver"]),
    ],
)
def test_an_engine_that_cannot_be_served_stops_preview(
    build: Any, engine: dict[str, Any], types: list[str], words: list[str]
) -> None:
    cloud = None
    with pytest.raises(SettingsError) as refused:
        cloud, _ = build(fresh=True, host={"instanceTypes": types}, engines={"qwen7b": engine})
    assert cloud is None
    assert all(each in str(refused.value) for each in words), refused.value


def test_an_engine_on_the_cpu_needs_no_gpu(build: Any) -> None:
    engine = {"model": "Qwen/Qwen2.5-7B-Instruct", "device": "cpu"}
    cloud, _ = build(fresh=True, host={"instanceTypes": ["g4dn.xlarge"]}, engines={"qwen7b": engine})
    assert cloud.of("Instance")


def test_a_model_that_was_looked_up_is_checked(build: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda words, **_: said.append(words))
    big = dict(known.MODELS["meta-llama/Llama-3.1-70B-Instruct"])
    (tmp_path / lock.NAME).write_text(lock.written("{}", "org/model", big, None))
    engines = {"qwen7b": {"model": "org/model"}}
    build(fresh=True, engines=engines)
    assert ["`fab size org/model --lock` looks it up" in words for words in said] == [True]
    monkeypatch.setattr(models, "locked", partial(models.locked, tmp_path))
    with pytest.raises(SettingsError, match="org/model cannot be served on g6"):
        build(fresh=True, engines=engines)
