"""What host and gateway have in common: a role, an encrypted disk, a strict metadata service, a fixed address."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws import roles
from components.aws.roles import Tags
from components.aws.tags import Identity

CREATE_TIMEOUT = "10m"  # the provider would retry a capacity error for 52 minutes
# A change of these would replace the machine, or stop, change and *start* it, whatever the lease says
IGNORED = ["ami", "userData", "userDataBase64", "subnetId", "keyName"]


@dataclass(frozen=True, kw_only=True)
class MachineArgs:
    """What each machine of a stack has. `policy` is the role's document (JSON); the disk is in GiB."""

    identity: Identity
    image: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    group_id: pulumi.Input[str]
    key_name: pulumi.Input[str]
    policy: pulumi.Input[str]
    disk_gib: int


def instance(
    name: str,
    args: MachineArgs,
    *,
    instance_type: str,
    disk: aws.ec2.InstanceRootBlockDeviceArgs,
    plain: Tags,
    tags: Tags,
    opts: pulumi.ResourceOptions,
) -> aws.ec2.Instance:
    """The machine and its role: off is `stopped`, whoever turns it off. `plain` are the tags of what belongs to it."""
    profile = instance_profile(name, args.policy, plain, pulumi.ResourceOptions(parent=opts.parent))
    return aws.ec2.Instance(
        name,
        ami=args.image,
        instance_type=instance_type,
        subnet_id=args.subnet_id,
        vpc_security_group_ids=[args.group_id],
        key_name=args.key_name,
        iam_instance_profile=profile.name,
        instance_initiated_shutdown_behavior="stop",
        metadata_options=metadata_options(),
        root_block_device=disk,
        volume_tags=plain,
        tags=tags,
        opts=opts,
    )


def metadata_options() -> aws.ec2.InstanceMetadataOptionsArgs:
    """IMDSv2 only, and no further than the machine itself (a container would be a second hop)."""
    return aws.ec2.InstanceMetadataOptionsArgs(
        http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
    )


def root_disk(
    gib: int, throughput_mibps: int | None = None, kms_key_arn: str | None = None
) -> aws.ec2.InstanceRootBlockDeviceArgs:
    """gp3, encrypted, gone with the machine. Throughput in MiB/s (None: gp3's 125); key None: the account's."""
    return aws.ec2.InstanceRootBlockDeviceArgs(
        volume_type="gp3",
        volume_size=gib,
        throughput=throughput_mibps,
        encrypted=True,
        kms_key_id=kms_key_arn,
        delete_on_termination=True,
    )


def instance_profile(
    name: str, document: pulumi.Input[str], tags: Tags, opts: pulumi.ResourceOptions
) -> aws.iam.InstanceProfile:
    """A role that EC2 may take, with one inline policy (`document`, JSON), in an instance profile."""
    role, _ = roles.role(name, "ec2.amazonaws.com", document, tags, opts)
    return aws.iam.InstanceProfile(f"{name}-profile", role=role.name, tags=tags, opts=opts)


def fixed_address(
    name: str, instance_id: pulumi.Input[str], tags: Tags, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """An Elastic IP that stays with the machine over stop and start; its address."""
    address = aws.ec2.Eip(f"{name}-address", domain="vpc", tags=tags, opts=opts)
    # away from the old machine first: an address that is in use may be refused
    moved = pulumi.ResourceOptions(parent=opts.parent, delete_before_replace=True)
    aws.ec2.EipAssociation(f"{name}-address", instance_id=instance_id, allocation_id=address.allocation_id, opts=moved)
    return address.public_ip
