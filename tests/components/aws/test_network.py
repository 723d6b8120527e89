"""Which VPC, subnet and image: what is asked, and what is said when there is no answer."""

from __future__ import annotations

from typing import Any

import pytest

from components.aws.network import candidates
from core.errors import SettingsError

OFFERS = {"g6.xlarge": {"us-east-1a", "us-east-1b", "us-east-1c"}, "g5.xlarge": {"us-east-1c", "us-east-1b"}}


def test_a_zone_must_offer_every_type() -> None:
    assert candidates(OFFERS, "auto") == ["us-east-1b", "us-east-1c"]
    assert candidates(OFFERS, "us-east-1c") == ["us-east-1c"]


def test_a_zone_that_does_not_is_refused() -> None:
    with pytest.raises(SettingsError, match=r'"us-east-1a" does not offer g5.xlarge; allowed: us-east-1b, us-east-1c'):
        candidates(OFFERS, "us-east-1a")


def test_no_zone_at_all() -> None:
    with pytest.raises(SettingsError, match=r"\(g6.xlarge: us-east-1a; g5.xlarge: nowhere here\)"):
        candidates({"g6.xlarge": {"us-east-1a"}, "g5.xlarge": set()}, "auto")


def names(cloud: Any, token: str) -> list[dict[str, list[str]]]:
    """Filters of every look-up of a kind: name → values."""
    asked = [c for c in cloud.calls if c.token.endswith(token)]
    return [{f["name"]: f["values"] for f in c.args["filters"]} for c in asked]


def test_images_by_processor(build: Any) -> None:
    cloud, _ = build()
    assert names(cloud, ":getAmi") == [
        {
            "name": ["ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"],
            "architecture": ["x86_64"],
        },
        {
            "name": ["ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-*"],
            "architecture": ["arm64"],
        },
    ]
    assert all(c.args["owners"] == ["099720109477"] for c in cloud.calls if c.token.endswith(":getAmi"))


def test_the_default_vpc_and_the_first_fitting_zone(build: Any) -> None:
    cloud, _ = build()
    assert [c.args for c in cloud.calls if c.token.endswith(":getVpc")] == [{"default": True}]
    assert names(cloud, ":getSubnets") == [
        {"vpc-id": ["vpc-0abc"], "availability-zone": ["us-east-1b"], "default-for-az": ["true"]}
    ]


def test_a_named_subnet_brings_its_vpc(build: Any) -> None:
    cloud, _ = build(host={"subnetId": "subnet-0ccc", "image": "ami-0fed"})
    host = cloud.of("Instance")["qwen7b-host"]
    assert (host["subnetId"], host["ami"]) == ("subnet-0ccc", "ami-0fed")
    assert cloud.of("SecurityGroup")["qwen7b-firewall-host"]["vpcId"] == "vpc-0abc"
    assert cloud.of("Instance")["qwen7b-gateway"]["subnetId"] == "subnet-0ccc"
    assert not names(cloud, ":getSubnets")


def test_the_gateway_may_have_a_subnet_of_its_own(build: Any) -> None:
    cloud, _ = build(host={"subnetId": "subnet-0ccc"}, gateway={"subnetId": "subnet-0eee"})
    hosts = {name: host["subnetId"] for name, host in cloud.of("Instance").items()}
    assert hosts == {"qwen7b-host": "subnet-0ccc", "qwen7b-gateway": "subnet-0eee"}


def test_the_zone_must_offer_the_gateway_s_type_too(build: Any) -> None:
    def offers(args: Any) -> dict[str, Any]:
        assert args["filters"][0]["values"] == ["g6.xlarge", "g5.xlarge", "t4g.small"]
        pairs = [("g6.xlarge", "b"), ("g5.xlarge", "b"), ("g6.xlarge", "c"), ("g5.xlarge", "c"), ("t4g.small", "c")]
        return {"instanceTypes": [t for t, _ in pairs], "locations": [f"us-east-1{z}" for _, z in pairs]}

    token = "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"
    cloud, _ = build(answers={token: offers})
    assert names(cloud, ":getSubnets")[0]["availability-zone"] == ["us-east-1c"]
    with pytest.raises(SettingsError, match=r'"us-east-1b" does not offer t4g.small; allowed: us-east-1c'):
        build(answers={token: offers}, host={"zone": "us-east-1b"})


REFUSAL = (
    "reading EC2 VPCs: operation error EC2: DescribeVpcs, https response error StatusCode: 403, api error "
    "UnauthorizedOperation: You are not authorized to perform this operation."
)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("aws:ec2/getVpc:getVpc", r"refused to tell the default VPC .*ec2:DescribeVpcs\. Set pilotlight:host.subnetId"),
        ("aws:ec2/getSubnets:getSubnets", r"refused to tell the subnets of vpc-0abc.*ec2:DescribeSubnets"),
        ("aws:ec2/getAmi:getAmi", r"refused to tell an image .*ec2:DescribeImages\. Set pilotlight:host.image"),
        (
            "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings",
            "No zone can be chosen.*Set pilotlight:host.zone",
        ),
    ],
)
def test_what_aws_refuses_to_tell_is_not_called_missing(build: Any, token: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        build(answers={token: REFUSAL})
    assert "did not find" not in str(refused.value)


def test_a_vpc_that_is_not_there_has_its_command(build: Any) -> None:
    missing = "no matching EC2 VPC found"
    with pytest.raises(
        SettingsError, match=r"did not find the default VPC .*`aws ec2 create-default-vpc`.*no matching"
    ):
        build(answers={"aws:ec2/getVpc:getVpc": missing})


def test_a_named_zone_needs_no_offers(build: Any) -> None:
    token = "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"
    cloud, _ = build(answers={token: REFUSAL}, host={"zone": "us-east-1d"})
    assert names(cloud, ":getSubnets")[0]["availability-zone"] == ["us-east-1d"]


def test_a_subnet_without_a_table_of_its_own_has_the_vpc_s_main_one(build: Any) -> None:
    def tables(args: Any) -> dict[str, Any]:
        return {"ids": ["rtb-0main"] if args["filters"][0]["name"] == "association.main" else []}

    cloud, _ = build(answers={"aws:ec2/getRouteTables:getRouteTables": tables})
    assert [c.args["routeTableId"] for c in cloud.calls if c.token.endswith(":getRouteTable")] == ["rtb-0main"]
