"""Which VPC, subnet and image a stack uses: the default VPC and Ubuntu 24.04, unless the stack file says otherwise.

These look-ups ask AWS while the program runs. What they choose is recorded by the machines (they ignore later
changes of it), so a new image or a new zone never replaces a machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pulumi_aws as aws

from core import instance_types
from core.errors import SettingsError
from core.settings import StackSettings
from core.versions import UBUNTU

CANONICAL: Final = "099720109477"  # Canonical's AWS account, from Ubuntu's own documentation
_UBUNTU_ARCH: Final = {instance_types.X86: "amd64", instance_types.ARM: "arm64"}
_CODE_NAME: Final = {"24.04": "noble"}


@dataclass(frozen=True)
class Network:
    """Where the machines stand, and what they boot first. `gateway_image` is "" where there is no gateway."""

    vpc_id: str
    subnet_id: str
    host_image: str
    gateway_image: str


def find(settings: StackSettings) -> Network:
    """Every look-up of a stack; to be done before the first resource, so that a failure leaves nothing half-made."""
    vpc_id, subnet_id = _place(settings)
    host, gateway = settings.host, settings.gateway
    return Network(
        vpc_id,
        subnet_id,
        host_image=host.image or image(host.instance_types[0]),
        gateway_image=image(gateway.instance_type) if gateway else "",
    )


def _place(settings: StackSettings) -> tuple[str, str]:
    """VPC and subnet: the one that is named, or one of the default VPC in a zone that offers every type."""
    if (named := settings.host.subnet_id) is not None:
        subnet = _ask(lambda: aws.ec2.get_subnet(id=named), f"subnet {named} (pilotlight:host.subnetId)")
        return subnet.vpc_id, named
    vpc = _ask(
        lambda: aws.ec2.get_vpc(default=True),
        "the default VPC; make one with `aws ec2 create-default-vpc`, or set pilotlight:host.subnetId",
    )
    return vpc.id, _default_subnet(vpc.id, settings)


def _default_subnet(vpc_id: str, settings: StackSettings) -> str:
    zones = candidates(_zones_by_type(settings), settings.host.zone)
    for zone in zones:
        # a zone's default subnet has a way to the internet; one that somebody added may have none
        filters = [_filter("vpc-id", vpc_id), _filter("availability-zone", zone), _filter("default-for-az", "true")]
        found = _ask(partial(aws.ec2.get_subnets, filters=filters), f"the subnets of {vpc_id}").ids
        if found:
            return str(min(found))
    raise SettingsError(
        f"VPC {vpc_id} has no default subnet in {', '.join(zones)}, where {', '.join(settings.host.instance_types)} "
        "are offered. Set pilotlight:host.subnetId, or make one with `aws ec2 create-default-subnet`."
    )


def _zones_by_type(settings: StackSettings) -> dict[str, set[str]]:
    wanted = [_offer_filter("instance-type", *settings.host.instance_types)]
    offers = _ask(
        lambda: aws.ec2.get_instance_type_offerings(filters=wanted, location_type="availability-zone"),
        "which zones offer the host's types",
    )
    zones: dict[str, set[str]] = {kind: set() for kind in settings.host.instance_types}
    for kind, zone in zip(offers.instance_types, offers.locations, strict=True):
        zones.setdefault(kind, set()).add(zone)
    return zones


def candidates(zones_by_type: dict[str, set[str]], zone: str) -> Sequence[str]:
    """Zones that offer every type, sorted; only `zone` where it is not `auto`. SettingsError where there is none."""
    every = sorted(set.intersection(*zones_by_type.values()))
    if not every:
        offers = "; ".join(f"{kind}: {', '.join(sorted(z)) or 'nowhere here'}" for kind, z in zones_by_type.items())
        raise SettingsError(f"No zone offers every type of pilotlight:host.instanceTypes ({offers}).")
    if zone == "auto":
        return every
    if zone not in every:
        raise SettingsError(f'pilotlight:host.zone: "{zone}" does not offer every type; allowed: {", ".join(every)}')
    return [zone]


def image(instance_type: str) -> str:
    """The latest Ubuntu image for a type's processor."""
    architecture = instance_types.architecture(instance_type)
    pattern = f"ubuntu/images/hvm-ssd-gp3/ubuntu-{_CODE_NAME[UBUNTU]}-{UBUNTU}-{_UBUNTU_ARCH[architecture]}-server-*"
    filters = [_ami_filter("name", pattern), _ami_filter("architecture", architecture)]
    found = _ask(
        lambda: aws.ec2.get_ami(owners=[CANONICAL], most_recent=True, filters=filters), f"an image named {pattern}"
    )
    return str(found.id)


def _ask(question: Callable[[], Any], what: str) -> Any:
    """The answer, or one message with what was looked for and AWS's own words."""
    try:
        return question()
    except Exception as error:  # the SDK raises bare Exception for whatever the provider answers
        raise SettingsError(f"AWS did not find {what}: {error}") from error


def _filter(name: str, *values: str) -> aws.ec2.GetSubnetsFilterArgs:
    return aws.ec2.GetSubnetsFilterArgs(name=name, values=list(values))


def _offer_filter(name: str, *values: str) -> aws.ec2.GetInstanceTypeOfferingsFilterArgs:
    return aws.ec2.GetInstanceTypeOfferingsFilterArgs(name=name, values=list(values))


def _ami_filter(name: str, *values: str) -> aws.ec2.GetAmiFilterArgs:
    return aws.ec2.GetAmiFilterArgs(name=name, values=list(values))
