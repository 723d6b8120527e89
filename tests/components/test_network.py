"""Which VPC, subnet and image: what is asked, and what is said when there is no answer."""

from __future__ import annotations

from typing import Any

import pytest

from components import network
from components.network import candidates
from core.errors import SettingsError

OFFERS = {"g6.xlarge": {"us-east-1a", "us-east-1b", "us-east-1c"}, "g5.xlarge": {"us-east-1c", "us-east-1b"}}


def test_a_zone_must_offer_every_type() -> None:
    assert candidates(OFFERS, "auto") == ["us-east-1b", "us-east-1c"]
    assert candidates(OFFERS, "us-east-1c") == ["us-east-1c"]


def test_a_zone_that_does_not_is_refused() -> None:
    with pytest.raises(SettingsError, match='"us-east-1a" does not offer every type; allowed: us-east-1b, us-east-1c'):
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
    assert cloud.of("SecurityGroup")["qwen7b-firewall-host"]["vpcId"] == "vpc-0def"
    assert not names(cloud, ":getSubnets")


def test_an_answer_that_does_not_come_is_one_message() -> None:
    def refused() -> None:
        raise RuntimeError("no matching VPC found")

    with pytest.raises(SettingsError, match="AWS did not find the default VPC: no matching VPC found"):
        network._ask(refused, "the default VPC")
