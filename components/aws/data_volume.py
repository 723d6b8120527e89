"""What outlives the gateway, on a volume of its own: API keys, conversations, counts. It goes where the gateway goes.

`fab deploy` mounts it (remote/services/data_volume.py). A gateway that is replaced is stopped, the volume changes over,
and the new one finds everything on it. The stack's `host.protect` keeps `pulumi destroy` from it. Snapshots are made by
Data Lifecycle Manager, which finds the volume by a tag that no other resource has: of several tags one would do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws import policies, roles
from components.aws.roles import Tags
from components.aws.tags import Identity
from core.contract.tags import TAG_SNAPSHOTS

DEVICE = "/dev/sdf"  # Nitro machines show it by its id instead
SNAPSHOT_AT = "03:30"  # UTC; Data Lifecycle Manager begins within the hour after it


@dataclass(frozen=True, kw_only=True)
class DataVolumeArgs:
    """`snapshots` is how many daily ones are kept, 0: none are made. `zone` must be the gateway's."""

    identity: Identity
    instance_id: pulumi.Input[str]
    zone: str
    gib: int
    snapshots: int
    protect: bool


class DataVolume(pulumi.ComponentResource):
    """`volume`, attached to the gateway."""

    volume: aws.ebs.Volume

    def __init__(self, name: str, args: DataVolumeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pilotlight:index:DataVolume", name, None, opts)
        tags = args.identity.tags("gateway", name)
        self.volume = aws.ebs.Volume(
            name,
            availability_zone=args.zone,
            size=args.gib,
            type="gp3",
            encrypted=True,
            tags=tags | {TAG_SNAPSHOTS: args.identity.deployment_id},
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        aws.ec2.VolumeAttachment(
            name,
            device_name=DEVICE,
            volume_id=self.volume.id,
            instance_id=args.instance_id,
            # a disk that is mounted cannot be taken from a machine that runs
            stop_instance_before_detaching=True,
            # a volume is attached to one machine: away from the old one first
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        if args.snapshots:
            self._snapshots(name, args, tags)
        self.register_outputs({"volumeId": self.volume.id})

    def _snapshots(self, name: str, args: DataVolumeArgs, tags: Tags) -> None:
        child = pulumi.ResourceOptions(parent=self)
        own = args.identity.deployment_id
        document = own.apply(lambda deployment_id: json.dumps(policies.snapshots(deployment_id=deployment_id)))
        role, policy = roles.role(f"{name}-snapshots", "dlm.amazonaws.com", document, tags, child)
        aws.dlm.LifecyclePolicy(
            f"{name}-snapshots",
            description=f"Daily snapshots of {name}",
            execution_role_arn=role.arn,
            state="ENABLED",
            policy_details=aws.dlm.LifecyclePolicyPolicyDetailsArgs(
                resource_types=["VOLUME"],
                target_tags={TAG_SNAPSHOTS: own},
                schedules=[
                    aws.dlm.LifecyclePolicyPolicyDetailsScheduleArgs(
                        name="daily",
                        create_rule=aws.dlm.LifecyclePolicyPolicyDetailsScheduleCreateRuleArgs(
                            interval=24, interval_unit="HOURS", times=SNAPSHOT_AT
                        ),
                        retain_rule=aws.dlm.LifecyclePolicyPolicyDetailsScheduleRetainRuleArgs(count=args.snapshots),
                        copy_tags=True,  # what may be deleted is known by the volume's tag
                    )
                ],
            ),
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
