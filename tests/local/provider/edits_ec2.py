"""Edits of EC2: machines, security groups and their rules, keys and addresses. `edits.py` lists the cases."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from tests.local.provider.ground import OTHER_KEY, Ground

Inputs = dict[str, Any]
Edit = Callable[[Ground, str, Inputs], Any]
Make = Callable[[Ground], Inputs]

TAGS = {"pilotlight:stack": "demo", "kept": "yes"}


def _attribute(**values: Any) -> Edit:
    return lambda g, i, _: g.ec2.modify_instance_attribute(InstanceId=i, **values)


def _stopped(edit: Edit) -> Edit:
    def run(ground: Ground, ident: str, inputs: Inputs) -> None:
        ground.ec2.stop_instances(InstanceIds=[ident])
        edit(ground, ident, inputs)

    return run


def _volume(**values: Any) -> Edit:
    return lambda g, i, _: g.ec2.modify_volume(VolumeId=_root(g, i), **values)


def _root(ground: Ground, ident: str) -> str:
    machine = ground.ec2.describe_instances(InstanceIds=[ident])["Reservations"][0]["Instances"][0]
    return str(machine["BlockDeviceMappings"][0]["Ebs"]["VolumeId"])


def _metadata(**values: Any) -> Edit:
    return lambda g, i, _: g.ec2.modify_instance_metadata_options(InstanceId=i, **values)


def tag_ec2(ground: Ground, ident: str, inputs: Inputs) -> None:
    ground.ec2.create_tags(Resources=[ident], Tags=[{"Key": "kept", "Value": "no"}])


def _other_profile(ground: Ground, ident: str, inputs: Inputs) -> None:
    found = ground.ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    ground.ec2.replace_iam_instance_profile_association(
        AssociationId=found[0]["AssociationId"], IamInstanceProfile={"Name": ground.profile("other-profile")}
    )


def machine(ground: Ground) -> Inputs:
    return {
        "ami": ground.image,
        "disableApiStop": False,
        "disableApiTermination": False,
        "iamInstanceProfile": ground.profile("host-profile"),
        "instanceInitiatedShutdownBehavior": "stop",
        "instanceType": "g6.xlarge",
        "metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1,
                            "httpProtocolIpv6": "disabled", "instanceMetadataTags": "disabled"},
        "monitoring": False,
        "rootBlockDevice": {"volumeType": "gp3", "volumeSize": 40, "throughput": 500, "iops": 3000, "encrypted": True,
                            "deleteOnTermination": True},
        "subnetId": ground.subnet,
        "tags": TAGS,
        "userData": "#!/bin/sh",
        "volumeTags": TAGS,
        "vpcSecurityGroupIds": [ground.group("group-a"), ground.group("group-b")],
    }  # fmt: skip


INSTANCE: dict[str, Edit] = {
    "disableApiStop": _attribute(DisableApiStop={"Value": True}),
    "disableApiTermination": _attribute(DisableApiTermination={"Value": True}),
    "iamInstanceProfile": _other_profile,
    "instanceInitiatedShutdownBehavior": _attribute(Attribute="instanceInitiatedShutdownBehavior", Value="terminate"),
    "instanceType": _stopped(_attribute(InstanceType={"Value": "g5.xlarge"})),
    "metadataOptions.httpEndpoint": _metadata(HttpEndpoint="disabled"),
    "metadataOptions.httpProtocolIpv6": _metadata(HttpProtocolIpv6="enabled"),
    "metadataOptions.httpPutResponseHopLimit": _metadata(HttpPutResponseHopLimit=2),
    "metadataOptions.httpTokens": _metadata(HttpTokens="optional"),
    "metadataOptions.instanceMetadataTags": _metadata(InstanceMetadataTags="enabled"),
    "rootBlockDevice.deleteOnTermination": _attribute(
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"DeleteOnTermination": False}}]
    ),
    "rootBlockDevice.iops": _volume(Iops=4000),
    "rootBlockDevice.throughput": _volume(Throughput=250),
    "rootBlockDevice.volumeSize": _volume(Size=80),
    "rootBlockDevice.volumeType": _volume(VolumeType="gp2"),
    "sourceDestCheck": _attribute(SourceDestCheck={"Value": False}),
    "tags": tag_ec2,
    "userData": _stopped(_attribute(UserData={"Value": base64.b64encode(b"#!/bin/false")})),
    "volumeTags": lambda g, i, n: tag_ec2(g, _root(g, i), n),
    "vpcSecurityGroupIds": lambda g, i, _: g.ec2.modify_instance_attribute(InstanceId=i, Groups=[g.group("group-c")]),
}


def volume(ground: Ground) -> Inputs:
    return {"availabilityZone": "us-east-1a", "encrypted": True, "size": 10, "type": "gp3", "iops": 3000,
            "throughput": 125, "tags": TAGS}  # fmt: skip


def _modify_volume(**values: Any) -> Edit:
    return lambda g, i, _: g.ec2.modify_volume(VolumeId=i, **values)


VOLUME: dict[str, Edit] = {
    "iops": _modify_volume(Iops=4000),
    "size": _modify_volume(Size=20),
    "tags": tag_ec2,
    "throughput": _modify_volume(Throughput=250),
    "type": _modify_volume(VolumeType="gp2"),
}


def _ssh(source: str) -> Inputs:
    return {"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": [source], "description": "ssh"}


def group_with_rules(ground: Ground) -> Inputs:
    everything = {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}
    return {"description": "callers", "ingress": [_ssh("10.0.0.0/8")], "egress": [everything], "tags": TAGS}


def _permission(port: int) -> Inputs:
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "10.9.0.0/16"}]}


GROUP: dict[str, Edit] = {
    "egress": lambda g, i, _: g.ec2.authorize_security_group_egress(GroupId=i, IpPermissions=[_permission(443)]),
    "ingress": lambda g, i, _: g.ec2.authorize_security_group_ingress(GroupId=i, IpPermissions=[_permission(80)]),
    "tags": tag_ec2,
}


def rule(source: str, value: Callable[[Ground], str] | str) -> Make:
    def make(ground: Ground) -> Inputs:
        to = value if isinstance(value, str) else value(ground)
        wanted = {"ipProtocol": "tcp", "fromPort": 8000, "toPort": 8000, "description": "api", source: to, "tags": TAGS}
        return {"securityGroupId": ground.group("guarded"), **wanted}

    return make


def _modify_rule(**values: Any) -> Edit:
    keys = {"ipProtocol": "IpProtocol", "fromPort": "FromPort", "toPort": "ToPort", "cidrIpv4": "CidrIpv4",
            "cidrIpv6": "CidrIpv6", "description": "Description"}  # fmt: skip

    def run(ground: Ground, ident: str, inputs: Inputs) -> None:
        wanted = {keys[k]: v for k, v in inputs.items() if k in keys} | values
        ground.ec2.modify_security_group_rules(
            GroupId=inputs["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": ident, "SecurityGroupRule": wanted}],
        )

    return run


RULE: dict[str, Edit] = {
    "cidrIpv4": _modify_rule(CidrIpv4="10.99.0.0/16"),
    "description": _modify_rule(Description="somebody was here"),
    "fromPort": _modify_rule(FromPort=7999),
    "ipProtocol": _modify_rule(IpProtocol="udp"),
    "tags": tag_ec2,
    "toPort": _modify_rule(ToPort=8001),
}


def replace_key(ground: Ground, ident: str, inputs: Inputs) -> None:
    ground.ec2.delete_key_pair(KeyName=ident)
    ground.ec2.import_key_pair(KeyName=ident, PublicKeyMaterial=OTHER_KEY.encode())


def tag_key(ground: Ground, ident: str, inputs: Inputs) -> None:
    tag_ec2(ground, ground.ec2.describe_key_pairs(KeyNames=[ident])["KeyPairs"][0]["KeyPairId"], inputs)


def move_address(ground: Ground, ident: str, inputs: Inputs) -> None:
    other = ground.instance("another-machine")
    ground.ec2.associate_address(
        AllocationId=inputs.get("allocationId", ident), InstanceId=other, AllowReassociation=True
    )
