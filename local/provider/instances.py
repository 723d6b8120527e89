"""EC2 instances: made, changed, and stopped and started for what cannot change while running."""

# ruff: noqa: ARG002, ARG003 (a protocol names the arguments)

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Any

from core.errors import CloudError
from local.provider.kind import Kind, Values, changed, given, tag_changes, tag_list, tag_map
from local.provider.properties import Difference
from local.provider.security_groups import retag

POLL_S = 0.1  # the embedded cloud's machines change state in a fraction of a second
WAIT_S = 600.0
METADATA = {
    "httpEndpoint": "HttpEndpoint",
    "httpTokens": "HttpTokens",
    "httpPutResponseHopLimit": "HttpPutResponseHopLimit",
    "httpProtocolIpv6": "HttpProtocolIpv6",
    "instanceMetadataTags": "InstanceMetadataTags",
}
VOLUME = {"volumeSize": "Size", "volumeType": "VolumeType", "iops": "Iops", "throughput": "Throughput"}
SWITCHES = {
    "disableApiStop": "DisableApiStop",
    "disableApiTermination": "DisableApiTermination",
    "sourceDestCheck": "SourceDestCheck",
}
SHUTDOWN = "instanceInitiatedShutdownBehavior"


class Instance(Kind):
    """A machine."""

    token = "aws:ec2/instance:Instance"
    gone = ("InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed")
    computed = (
        "arn", "instanceState", "primaryNetworkInterfaceId", "privateDns", "publicDns", "publicIp", "tagsAll",
    )  # fmt: skip

    @classmethod
    def also_replaces(cls, old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
        """User data replaces where the program says so."""
        return {"userData"} if new.get("userDataReplaceOnChange") else set()

    def create(self, want: Values) -> str:
        """RunInstances; the wait for `running` is in `finish`, so that a machine that never starts is kept in state."""
        network = want.get("associatePublicIpAddress")
        groups, subnet = want.get("vpcSecurityGroupIds"), want.get("subnetId")
        placed = given(SubnetId=subnet, SecurityGroupIds=groups, PrivateIpAddress=want.get("privateIp"))
        if network is not None:
            card = given(SubnetId=subnet, Groups=groups, PrivateIpAddress=want.get("privateIp"))
            placed = {"NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": network, **card}]}
        answer = self.aws.client("ec2").run_instances(
            MinCount=1,
            MaxCount=1,
            **given(
                ImageId=want.get("ami"),
                InstanceType=want.get("instanceType"),
                KeyName=want.get("keyName"),
                UserData=want.get("userData"),
                EbsOptimized=want.get("ebsOptimized"),
                InstanceInitiatedShutdownBehavior=want.get("instanceInitiatedShutdownBehavior"),
            ),
            **placed,
            **self._run_options(want),
        )
        return str(answer["Instances"][0]["InstanceId"])

    def _run_options(self, want: Values) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if want.get("iamInstanceProfile"):
            options["IamInstanceProfile"] = {"Name": want["iamInstanceProfile"]}
        if want.get("availabilityZone"):
            options["Placement"] = {"AvailabilityZone": want["availabilityZone"]}
        if want.get("monitoring") is not None:
            options["Monitoring"] = {"Enabled": want["monitoring"]}
        if want.get("metadataOptions"):
            options["MetadataOptions"] = {METADATA[k]: v for k, v in want["metadataOptions"].items()}
        if want.get("rootBlockDevice"):
            options["BlockDeviceMappings"] = [self._root_mapping(want)]
        pairs = (("instance", want.get("tags")), ("volume", want.get("volumeTags")))
        tagged = [{"ResourceType": kind, "Tags": tag_list(tags)} for kind, tags in pairs if tags]
        return options | ({"TagSpecifications": tagged} if tagged else {})

    def _root_mapping(self, want: Values) -> dict[str, Any]:
        root = want["rootBlockDevice"]
        image = self.aws.client("ec2").describe_images(ImageIds=[want["ami"]])["Images"][0]
        ebs = given(
            VolumeSize=root.get("volumeSize"),
            VolumeType=root.get("volumeType"),
            Iops=root.get("iops"),
            Throughput=root.get("throughput"),
            Encrypted=root.get("encrypted"),
            KmsKeyId=root.get("kmsKeyId"),
        )
        ebs["DeleteOnTermination"] = root.get("deleteOnTermination", True)
        return {"DeviceName": image.get("RootDeviceName", "/dev/sda1"), "Ebs": ebs}

    def finish(self, ident: str, want: Values) -> None:
        """Wait until it runs; then what RunInstances does not take."""
        self._wait(ident, "running", ends=("stopped", "terminated", "shutting-down"))
        for name in SWITCHES:
            if want.get(name) is not None:
                self._switch(ident, name, want[name])
        root = want.get("rootBlockDevice") or {}
        if root.get("throughput"):  # moto's RunInstances forgets the throughput
            self._change_volume(ident, {}, {"rootBlockDevice": root}, {"throughput"})

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """DescribeInstances, DescribeVolumes and DescribeInstanceAttribute; a terminated machine has vanished."""
        seen = self._describe(ident)
        if seen["State"]["Name"] in ("terminated", "shutting-down"):
            return None
        tags = tag_map(seen.get("Tags"))
        cards = seen.get("NetworkInterfaces") or []
        data = self._attribute(ident, "userData")
        return {
            "ami": seen["ImageId"],
            # what AWS reports for a stopped machine, whatever was asked for (terraform-provider-aws #33775)
            "associatePublicIpAddress": bool(seen.get("PublicIpAddress")),
            "availabilityZone": seen["Placement"]["AvailabilityZone"],
            "ebsOptimized": bool(seen.get("EbsOptimized")),
            "iamInstanceProfile": self._associations(ident).get("name", ""),
            "instanceType": seen["InstanceType"],
            "keyName": seen.get("KeyName"),
            "metadataOptions": _metadata(seen.get("MetadataOptions") or {}),
            "monitoring": seen["Monitoring"]["State"] == "enabled",
            "privateIp": seen.get("PrivateIpAddress"),
            "subnetId": seen.get("SubnetId"),
            "tags": tags,
            "userData": base64.b64decode(data).decode("utf-8", "replace") if data else None,
            "vpcSecurityGroupIds": [g["GroupId"] for g in seen["SecurityGroups"]],
            **{name: self._attribute(ident, name) for name in (*SWITCHES, SHUTDOWN)},
            **self._volume(seen),
            "arn": self.aws.arn("ec2", f"instance/{ident}"),
            "instanceState": seen["State"]["Name"],
            "primaryNetworkInterfaceId": cards[0]["NetworkInterfaceId"] if cards else "",
            "privateDns": seen.get("PrivateDnsName", ""),
            "publicDns": seen.get("PublicDnsName", ""),
            "publicIp": seen.get("PublicIpAddress", ""),
            "tagsAll": tags,
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """In place what can be; type and user data by stop, change, start."""
        client, names = self.aws.client("ec2"), changed(changes)
        retag(client, ident, old, new)
        for name in sorted(names & set(SWITCHES)):
            self._switch(ident, name, new.get(name, name == "sourceDestCheck"))
        if SHUTDOWN in names:  # in this form: moto takes the other one for an empty list of security groups
            client.modify_instance_attribute(InstanceId=ident, Attribute=SHUTDOWN, Value=new[SHUTDOWN])
        if "vpcSecurityGroupIds" in names:
            client.modify_instance_attribute(InstanceId=ident, Groups=new["vpcSecurityGroupIds"])
        if "monitoring" in names:
            (client.monitor_instances if new["monitoring"] else client.unmonitor_instances)(InstanceIds=[ident])
        if "metadataOptions" in names:
            options = {METADATA[k]: v for k, v in new["metadataOptions"].items()}
            client.modify_instance_metadata_options(InstanceId=ident, **options)
        if "iamInstanceProfile" in names:
            self._profile(ident, new.get("iamInstanceProfile"))
        if names & {"rootBlockDevice", "volumeTags"}:
            self._change_volume(ident, old, new, {c.path[-1] for c in changes if c.path[0] == "rootBlockDevice"})
        if names & {"instanceType", "userData"}:
            self._restart_with(ident, new, names)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """TerminateInstances, and wait."""
        self.aws.client("ec2").terminate_instances(InstanceIds=[ident])
        self._wait(ident, "terminated")

    def _describe(self, ident: str) -> dict[str, Any]:
        found = self.aws.client("ec2").describe_instances(InstanceIds=[ident])
        instance: dict[str, Any] = found["Reservations"][0]["Instances"][0]
        return instance

    def _attribute(self, ident: str, name: str) -> Any:
        answer = self.aws.client("ec2").describe_instance_attribute(InstanceId=ident, Attribute=name)
        return (answer.get(name[0].upper() + name[1:]) or {}).get("Value")

    def _switch(self, ident: str, name: str, value: Any) -> None:
        self.aws.client("ec2").modify_instance_attribute(InstanceId=ident, **{SWITCHES[name]: {"Value": value}})

    def _wait(self, ident: str, wanted: str, ends: tuple[str, ...] = ()) -> None:
        end = time.monotonic() + WAIT_S
        while (seen := self._describe(ident))["State"]["Name"] != wanted:
            state = seen["State"]["Name"]
            if state in ends or time.monotonic() > end:
                why = (seen.get("StateReason") or {}).get("Message", "no reason given")
                raise CloudError(f"Instance {ident} is {state}, not {wanted}: {why}. See `fab cloud.status`.")
            time.sleep(POLL_S)

    def _restart_with(self, ident: str, new: Values, names: set[str]) -> None:
        client = self.aws.client("ec2")
        if self._describe(ident)["State"]["Name"] != "stopped":
            client.stop_instances(InstanceIds=[ident])
            self._wait(ident, "stopped")
        if "instanceType" in names:
            client.modify_instance_attribute(InstanceId=ident, InstanceType={"Value": new["instanceType"]})
        if "userData" in names:
            text = base64.b64encode((new.get("userData") or "").encode())  # moto decodes it once more than AWS does
            client.modify_instance_attribute(InstanceId=ident, UserData={"Value": text})
        client.start_instances(InstanceIds=[ident])
        self._wait(ident, "running", ends=("stopped", "terminated"))

    def _profile(self, ident: str, name: str | None) -> None:
        client, have = self.aws.client("ec2"), self._associations(ident).get("id")
        if name and have:
            client.replace_iam_instance_profile_association(AssociationId=have, IamInstanceProfile={"Name": name})
        elif name:
            client.associate_iam_instance_profile(InstanceId=ident, IamInstanceProfile={"Name": name})
        elif have:
            client.disassociate_iam_instance_profile(AssociationId=have)

    def _associations(self, ident: str) -> dict[str, str]:
        """The profile's association; DescribeInstances, in moto, keeps the profile that the machine began with."""
        only = [{"Name": "instance-id", "Values": [ident]}]
        pairs = self.aws.client("ec2").describe_iam_instance_profile_associations(Filters=only)
        for pair in pairs["IamInstanceProfileAssociations"]:
            return {"id": pair["AssociationId"], "name": pair["IamInstanceProfile"]["Arn"].rpartition("/")[2]}
        return {}

    def _root(self, seen: Mapping[str, Any]) -> dict[str, Any]:
        device = seen.get("RootDeviceName")
        mappings = seen.get("BlockDeviceMappings") or []
        roots = [m for m in mappings if m["DeviceName"] == device] or mappings
        return {"DeviceName": roots[0]["DeviceName"], **roots[0]["Ebs"]} if roots else {}

    def _volume(self, seen: Mapping[str, Any]) -> Values:
        root = self._root(seen)
        if not root:
            return {}
        volume = self.aws.client("ec2").describe_volumes(VolumeIds=[root["VolumeId"]])["Volumes"][0]
        tags = tag_map(volume.get("Tags"))
        device = {name: volume.get(key) for name, key in VOLUME.items()} | {
            "deleteOnTermination": root["DeleteOnTermination"],
            "deviceName": root["DeviceName"],
            "encrypted": volume["Encrypted"],
            "kmsKeyId": volume.get("KmsKeyId"),
            "volumeId": root["VolumeId"],
        }
        return {"rootBlockDevice": device, "volumeTags": tags}

    def _change_volume(self, ident: str, old: Values, new: Values, names: set[str]) -> None:
        client, root = self.aws.client("ec2"), self._root(self._describe(ident))
        after = new.get("rootBlockDevice") or {}
        if names & set(VOLUME):
            wanted = given(**{key: after.get(name) for name, key in VOLUME.items()})
            client.modify_volume(VolumeId=root["VolumeId"], **wanted)
        if "deleteOnTermination" in names:
            ebs = {"DeleteOnTermination": after["deleteOnTermination"]}
            client.modify_instance_attribute(
                InstanceId=ident, BlockDeviceMappings=[{"DeviceName": root["DeviceName"], "Ebs": ebs}]
            )
        if tag_changes(old, new, "volumeTags") != ({}, []):
            retag(client, root["VolumeId"], old, new, "volumeTags")


def _metadata(seen: Mapping[str, Any]) -> Values:
    return {name: seen.get(key) for name, key in METADATA.items() if seen.get(key) is not None}
