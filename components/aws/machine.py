"""What host and gateway have in common: a role, an encrypted disk, a strict metadata service, a fixed address."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.aws import roles
from components.aws.roles import Tags

CREATE_TIMEOUT = "10m"  # the provider would retry a capacity error for 52 minutes
# A change of these would replace the machine, or stop, change and *start* it, whatever the lease says
IGNORED = ["ami", "userData", "userDataBase64", "subnetId", "keyName"]


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
    aws.ec2.EipAssociation(f"{name}-address", instance_id=instance_id, allocation_id=address.allocation_id, opts=opts)
    return address.public_ip
