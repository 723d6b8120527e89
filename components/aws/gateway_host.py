"""The small always-on machine that callers talk to: HAProxy and the relay, at an address that stays."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws import machine
from components.aws.tags import Identity

ROLE = "gateway"


@dataclass(frozen=True)
class GatewayHostArgs:
    """`policy` is the role's document (JSON); the disk is in GiB."""

    identity: Identity
    instance_type: str
    image: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    group_id: pulumi.Input[str]
    key_name: pulumi.Input[str]
    policy: pulumi.Input[str]
    disk_gib: int


class GatewayHost(pulumi.ComponentResource):
    """`instance` and its Elastic IP, `address`."""

    instance: aws.ec2.Instance
    address: pulumi.Output[str]

    def __init__(self, name: str, args: GatewayHostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pilotlight:index:GatewayHost", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.identity.tags(ROLE, name)
        profile = machine.instance_profile(name, args.policy, tags, child)
        self.instance = aws.ec2.Instance(
            name,
            ami=args.image,
            instance_type=args.instance_type,
            subnet_id=args.subnet_id,
            vpc_security_group_ids=[args.group_id],
            key_name=args.key_name,
            iam_instance_profile=profile.name,
            instance_initiated_shutdown_behavior="stop",
            metadata_options=machine.metadata_options(),
            root_block_device=machine.root_disk(args.disk_gib),
            volume_tags=tags,
            tags=tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                ignore_changes=machine.IGNORED,
                custom_timeouts=pulumi.CustomTimeouts(create=machine.CREATE_TIMEOUT),
            ),
        )
        self.address = machine.fixed_address(name, self.instance.id, tags, child)
        self.register_outputs({"instanceId": self.instance.id, "address": self.address})
