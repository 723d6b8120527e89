"""Which VPC, subnets and images a stack uses: the default VPC and Ubuntu 24.04, unless the stack file says otherwise.

These look-ups ask AWS while the program runs. What they choose is recorded by the machines (they ignore later
changes of it), so a new image or a new zone never replaces a machine. What is wrong with it says `preflight.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pulumi_aws as aws

from components.aws.lookups import if_allowed, required
from core.capacity import instance_types
from core.capacity.preflight import ANYWHERE, Image, Subnet, Way, way
from core.errors import SettingsError
from core.settings import StackSettings
from core.versions import UBUNTU

CANONICAL: Final = "099720109477"  # Canonical's AWS account, from Ubuntu's own documentation
HOST_SUBNET: Final = "pilotlight:host.subnetId"
GATEWAY_SUBNET: Final = "pilotlight:gateway.subnetId"
_UBUNTU_ARCH: Final = {instance_types.X86: "amd64", instance_types.ARM: "arm64"}
_CODE_NAME: Final = {"24.04": "noble"}
# The kinds of targets that a default route can have (GetRouteTableRouteResult)
_TARGETS: Final = (
    "gateway_id",
    "nat_gateway_id",
    "transit_gateway_id",
    "network_interface_id",
    "instance_id",
    "vpc_endpoint_id",
    "local_gateway_id",
    "core_network_arn",
)
Offers = Mapping[str, set[str]]  # type → zones that offer it


@dataclass(frozen=True)
class Network:
    """Where the machines stand, and what they boot first. Without a gateway its fields are the host's."""

    host_subnet: Subnet
    gateway_subnet: Subnet
    host_image: Image
    gateway_image: Image
    offers: Offers  # empty where AWS refused to tell

    @property
    def vpc_id(self) -> str:
        """The VPC of both."""
        return self.host_subnet.vpc_id


def find(settings: StackSettings) -> Network:
    """Every look-up of a stack; to be done before the first resource, so that a failure leaves nothing half-made."""
    host, gateway = settings.ec2, settings.gateway
    offers = _offers(settings)
    host_subnet = named_subnet(host.subnet_id, HOST_SUBNET) if host.subnet_id else _default_subnet(settings, offers)
    own = gateway.subnet_id if gateway else None
    host_image = _named_image(host.image) if host.image else image(host.instance_types[0])
    return Network(
        host_subnet,
        named_subnet(own, GATEWAY_SUBNET) if own else host_subnet,
        host_image,
        image(gateway.instance_type) if gateway else host_image,
        offers or {},
    )


def _default_subnet(settings: StackSettings, offers: Offers | None) -> Subnet:
    """One of the default VPC, in a zone that offers every type that will stand there."""
    otherwise = f"Set {HOST_SUBNET}."
    vpc = required(
        lambda: aws.ec2.get_vpc(default=True),
        f"the default VPC (make one with `aws ec2 create-default-vpc`, or set {HOST_SUBNET})",
        "ec2:DescribeVpcs",
        otherwise,
    )
    zones = _zones(settings, offers)
    for zone in zones:
        # a zone's default subnet has a way to the internet; one that somebody added may have none
        filters = [_filter("vpc-id", vpc.id), _filter("availability-zone", zone), _filter("default-for-az", "true")]
        question = partial(aws.ec2.get_subnets, filters=filters)
        found = required(question, f"the subnets of {vpc.id}", "ec2:DescribeSubnets", otherwise).ids
        if found:
            return named_subnet(str(min(found)), "")
    raise SettingsError(
        f"VPC {vpc.id} has no default subnet in {', '.join(zones)}, where {', '.join(_types_together(settings))} "
        f"are offered. Set {HOST_SUBNET}, or make one with `aws ec2 create-default-subnet --availability-zone "
        f"{zones[0]}`."
    )


def named_subnet(subnet_id: str, setting: str) -> Subnet:
    """What is known of a subnet; `setting` is what names it, "" for one of the default VPC."""
    what = f"subnet {subnet_id}{f' ({setting})' if setting else ''}"
    found = required(lambda: aws.ec2.get_subnet(id=subnet_id), what, "ec2:DescribeSubnets")
    leads, table = _way_out(found.vpc_id, subnet_id)
    return Subnet(
        subnet_id,
        found.vpc_id,
        found.availability_zone,
        bool(found.map_public_ip_on_launch),
        int(found.available_ip_address_count),
        leads,
        table,
        setting,
    )


def _way_out(vpc_id: str, subnet_id: str) -> tuple[Way, str]:
    """How the subnet's machines reach the internet, and by which route table: its own, or else the VPC's main one."""
    ids = _route_tables(vpc_id, "association.subnet-id", subnet_id)
    if ids is not None and not ids:
        ids = _route_tables(vpc_id, "association.main", "true")
    if not ids:
        return Way.UNKNOWN, ""
    found = _if_routes_are_told(lambda: aws.ec2.get_route_table(route_table_id=ids[0]), subnet_id)
    if found is None:
        return Way.UNKNOWN, ids[0]
    out = next((route for route in found.routes if route.cidr_block == ANYWHERE), None)
    targets = {target: getattr(out, target, None) or "" for target in _TARGETS} if out else {}
    return way(targets), ids[0]


def _route_tables(vpc_id: str, name: str, value: str) -> list[str] | None:
    filters = [aws.ec2.GetRouteTablesFilterArgs(name=name, values=[value])]
    found = _if_routes_are_told(lambda: aws.ec2.get_route_tables(vpc_id=vpc_id, filters=filters), value)
    return None if found is None else [str(table) for table in found.ids]


def _if_routes_are_told(question: Any, of: str) -> Any | None:
    consequence = "Whether its machines reach the internet is not checked."
    return if_allowed(question, f"the routes of {of}", "ec2:DescribeRouteTables", consequence)


def _types_together(settings: StackSettings) -> tuple[str, ...]:
    """The types that one zone must offer: the host's, and the gateway's unless it has a subnet of its own."""
    gateway = settings.gateway
    beside = (gateway.instance_type,) if gateway and not gateway.subnet_id else ()
    return tuple(dict.fromkeys((*settings.ec2.instance_types, *beside)))


def _offers(settings: StackSettings) -> Offers | None:
    """Which zones offer the stack's types; None where AWS refuses to tell."""
    gateway = (settings.gateway.instance_type,) if settings.gateway else ()
    types = tuple(dict.fromkeys((*settings.ec2.instance_types, *gateway)))
    wanted = [_offer_filter("instance-type", *types)]
    offers = if_allowed(
        lambda: aws.ec2.get_instance_type_offerings(filters=wanted, location_type="availability-zone"),
        "which zones offer the stack's types",
        "ec2:DescribeInstanceTypeOfferings",
        "Whether the zone has them is not checked.",
    )
    if offers is None:
        return None
    zones: dict[str, set[str]] = {kind: set() for kind in types}
    for kind, zone in zip(offers.instance_types, offers.locations, strict=True):
        zones.setdefault(kind, set()).add(zone)
    return zones


def _zones(settings: StackSettings, offers: Offers | None) -> Sequence[str]:
    if offers is not None:
        return candidates({kind: set(offers[kind]) for kind in _types_together(settings)}, settings.ec2.zone)
    if settings.ec2.zone == "auto":
        raise SettingsError(
            "No zone can be chosen, because AWS refused to tell which ones offer the stack's types. Set "
            f"pilotlight:host.zone or {HOST_SUBNET}, or ask for the permission ec2:DescribeInstanceTypeOfferings."
        )
    return [settings.ec2.zone]


def candidates(zones_by_type: dict[str, set[str]], zone: str) -> Sequence[str]:
    """Zones that offer every type, sorted; only `zone` where it is not `auto`. SettingsError where there is none."""
    every = sorted(set.intersection(*zones_by_type.values()))
    if not every:
        offers = "; ".join(f"{kind}: {', '.join(sorted(z)) or 'nowhere here'}" for kind, z in zones_by_type.items())
        raise SettingsError(
            "No zone offers every type of pilotlight:host.instanceTypes and pilotlight:gateway.instanceType "
            f"({offers}). Name types that one zone has."
        )
    if zone == "auto":
        return every
    if zone not in every:
        lacking = ", ".join(kind for kind, zones in zones_by_type.items() if zone not in zones)
        raise SettingsError(f'pilotlight:host.zone: "{zone}" does not offer {lacking}; allowed: {", ".join(every)}')
    return [zone]


def image(instance_type: str) -> Image:
    """The latest Ubuntu image for a type's processor."""
    architecture = instance_types.architecture(instance_type)
    pattern = f"ubuntu/images/hvm-ssd-gp3/ubuntu-{_CODE_NAME[UBUNTU]}-{UBUNTU}-{_UBUNTU_ARCH[architecture]}-server-*"
    filters = [_ami_filter("name", pattern), _ami_filter("architecture", architecture)]
    question = partial(aws.ec2.get_ami, owners=[CANONICAL], most_recent=True, filters=filters)
    otherwise = "Set pilotlight:host.image."
    return _image(required(question, f"an image named {pattern}", "ec2:DescribeImages", otherwise))


def _named_image(image_id: str) -> Image:
    filters = [_ami_filter("image-id", image_id)]
    found = if_allowed(
        lambda: aws.ec2.get_ami(filters=filters, include_deprecated=True),
        f"image {image_id} (pilotlight:host.image)",
        "ec2:DescribeImages",
        "Whether it fits the disk and the processor is not checked.",
    )
    return Image(image_id, "", None) if found is None else _image(found)


def _image(found: aws.ec2.GetAmiResult) -> Image:
    sizes = [d.ebs.get("volume_size") for d in found.block_device_mappings if d.device_name == found.root_device_name]
    return Image(found.id, found.architecture, int(sizes[0]) if sizes and sizes[0] else None)


def _filter(name: str, *values: str) -> aws.ec2.GetSubnetsFilterArgs:
    return aws.ec2.GetSubnetsFilterArgs(name=name, values=list(values))


def _offer_filter(name: str, *values: str) -> aws.ec2.GetInstanceTypeOfferingsFilterArgs:
    return aws.ec2.GetInstanceTypeOfferingsFilterArgs(name=name, values=list(values))


def _ami_filter(name: str, *values: str) -> aws.ec2.GetAmiFilterArgs:
    return aws.ec2.GetAmiFilterArgs(name=name, values=list(values))
