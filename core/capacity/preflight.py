"""What is wrong with a place, an image or a key before anything is made there. Pure: facts in, sentences out.

Each sentence names the fact, what would do, and the command or the setting that mends it. The facts are asked for in
`components/`; quotas have a file of their own (`quotas.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ANYWHERE: Final = "0.0.0.0/0"


class Way(StrEnum):
    """How a subnet's machines reach the internet."""

    PUBLIC = "public"  # an internet gateway: machines with a public address, both ways
    PRIVATE = "private"  # NAT or another network: out only
    NONE = "none"
    UNKNOWN = "unknown"  # AWS refused to tell


@dataclass(frozen=True)
class Subnet:
    """What is known of a subnet. `named_by` is the setting that names it, "" for one of the default VPC."""

    id: str
    vpc_id: str
    zone: str
    gives_public_address: bool
    free_addresses: int
    way: Way
    route_table: str = ""
    named_by: str = ""

    def __str__(self) -> str:
        return f"{self.id} ({self.named_by or 'of the default VPC'})"


@dataclass(frozen=True)
class Image:
    """What is known of an image. `root_gib` None: AWS did not say."""

    id: str
    architecture: str
    root_gib: int | None


@dataclass(frozen=True)
class Key:
    """What is known of a KMS key."""

    arn: str
    state: str
    usage: str
    spec: str


def way(default_targets: Mapping[str, str]) -> Way:
    """How the default route leads out; the target's kind → its id, as a route table gives them ("" where unused)."""
    if default_targets.get("gateway_id", "").startswith("igw-"):
        return Way.PUBLIC
    return Way.PRIVATE if any(default_targets.values()) else Way.NONE


def front_subnet(subnet: Subnet, setting: str) -> Iterator[str]:
    """What is wrong with the subnet of the machine that callers reach by an Elastic IP; `setting` may name another."""
    if subnet.way in {Way.PUBLIC, Way.UNKNOWN}:
        return
    table = subnet.route_table or "ROUTE_TABLE"
    yield (
        f"Subnet {subnet} has no route to an internet gateway, so callers cannot reach an address there. Name a public "
        f"subnet in {setting}, or make this one public: `aws ec2 create-route "
        f"--route-table-id {table} --destination-cidr-block {ANYWHERE} --gateway-id INTERNET_GATEWAY`"
    )


def host_subnet(subnet: Subnet) -> Iterator[str]:
    """What is wrong with the subnet of a host behind a gateway: it needs a way out, to install engines and models."""
    if subnet.way is Way.NONE:
        yield (
            f"Subnet {subnet} has no route to the internet, and the host installs from there. Name another one in "
            f"pilotlight:host.subnetId, or add a route to a NAT or internet gateway: `aws ec2 create-route "
            f"--route-table-id {subnet.route_table or 'ROUTE_TABLE'} --destination-cidr-block {ANYWHERE} …`"
        )
    if subnet.way is Way.PUBLIC and not subnet.gives_public_address:
        yield (
            f"Subnet {subnet} gives its machines no public address, and its only way out needs one. Run `aws ec2 "
            f"modify-subnet-attribute --subnet-id {subnet.id} --map-public-ip-on-launch`, or name another one in "
            "pilotlight:host.subnetId"
        )


def subnet_pair(host: Subnet, gateway: Subnet) -> Iterator[str]:
    """What is wrong between the two machines' subnets; both may be the same."""
    if host.vpc_id != gateway.vpc_id:
        yield (
            f"The gateway's subnet {gateway} is in {gateway.vpc_id}, the host's {host} in {host.vpc_id}; the gateway "
            "reaches the host only within one VPC. Name two subnets of one VPC"
        )
    for subnet, needed in ((host, 2),) if host.id == gateway.id else ((host, 1), (gateway, 1)):
        if subnet.free_addresses < needed:
            yield (
                f"Subnet {subnet} has {subnet.free_addresses} free addresses, and {needed} are needed. Free some, or "
                "name another subnet"
            )


def zone(subnet: Subnet, wanted: str, offered: Mapping[str, set[str]]) -> Iterator[str]:
    """What is wrong with the zone of a named subnet: the file names another one, or it lacks a type.

    `offered` is type → zones; a type without an entry was not told, and passes.
    """
    if wanted not in {"auto", subnet.zone}:
        yield f'pilotlight:host.zone is "{wanted}", but subnet {subnet} is in {subnet.zone}. Leave one of the two out'
    lacking = sorted(name for name, zones in offered.items() if subnet.zone not in zones)
    if lacking:
        common = sorted(set.intersection(*offered.values()))
        where = f"name a subnet in {' or '.join(common)}" if common else "no zone of this region has them all"
        yield f"{subnet.zone}, where subnet {subnet} is, does not offer {', '.join(lacking)}; {where}"


def image(found: Image, setting: str, disk_gib: int, architecture: str, instance_type: str) -> Iterator[str]:
    """What is wrong between an image and the machine's disk and processor. `setting` is the machine's section."""
    if found.root_gib is not None and found.root_gib > disk_gib:
        yield (
            f"{setting}.diskGiB is {disk_gib}, and the root disk of image {found.id} is {found.root_gib} GiB: a disk "
            f"can be larger than its image, not smaller. Set {setting}.diskGiB to {found.root_gib} or more"
        )
    if found.architecture and found.architecture != architecture:
        yield (
            f"Image {found.id} is for {found.architecture}, and {instance_type} is {architecture}. Name an image for "
            f"{architecture} in {setting}.image, or types of its processor in {setting}.instanceTypes"
        )


_KEY_FIXES: Final = {
    "Disabled": "Run `aws kms enable-key --key-id {arn}`",
    "PendingDeletion": "Run `aws kms cancel-key-deletion --key-id {arn}` and then `aws kms enable-key --key-id {arn}`",
}


def key_region(arn: str, region: str) -> Iterator[str]:
    """A key encrypts disks of its own region only."""
    theirs = arn.split(":")[3]
    if theirs != region:
        yield f"pilotlight:host.kmsKeyArn is a key of {theirs}, and the stack is in {region}. Name a key of {region}"


def key(found: Key) -> Iterator[str]:
    """What is wrong with the key for the disk."""
    if found.state != "Enabled":
        fix = _KEY_FIXES.get(found.state, "Name another key in pilotlight:host.kmsKeyArn").format(arn=found.arn)
        yield f"The KMS key {found.arn} (pilotlight:host.kmsKeyArn) is {found.state}, not Enabled. {fix}"
    if (found.usage, found.spec) != ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT"):
        yield (
            f"The KMS key {found.arn} (pilotlight:host.kmsKeyArn) is {found.spec} for {found.usage}; disks need a "
            "symmetric one for ENCRYPT_DECRYPT. Make one with `aws kms create-key`"
        )
