"""The small always-on machine that callers talk to: HAProxy and the relay, at an address that stays."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws import machine

ROLE = "gateway"


@dataclass(frozen=True, kw_only=True)
class GatewayHostArgs(machine.MachineArgs):
    """A machine of one type: a gateway has no capacity ladder."""

    instance_type: str


class GatewayHost(pulumi.ComponentResource):
    """`instance` and its Elastic IP, `address`."""

    instance: aws.ec2.Instance
    address: pulumi.Output[str]

    def __init__(self, name: str, args: GatewayHostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pilotlight:index:GatewayHost", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = args.identity.tags(ROLE, name)
        self.instance = machine.instance(
            name,
            args,
            instance_type=args.instance_type,
            disk=machine.root_disk(args.disk_gib),
            plain=tags,
            tags=tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                # the tags of *all* its volumes: the data volume has its own
                ignore_changes=[*machine.IGNORED, "volumeTags"],
                custom_timeouts=pulumi.CustomTimeouts(create=machine.CREATE_TIMEOUT),
            ),
        )
        self.address = machine.fixed_address(name, self.instance.id, tags, child)
        self.register_outputs({"instanceId": self.instance.id, "address": self.address})
