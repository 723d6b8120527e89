"""EBS volumes of their own, and what they are attached to."""

# ruff: noqa: ARG002 (a protocol names the arguments)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local.provider.kind import Kind, Values, changed, given, tag_map
from local.provider.properties import Difference
from local.provider.security_groups import retag, specification

SIZES: Final = {"size": "Size", "type": "VolumeType", "iops": "Iops", "throughput": "Throughput"}


class Volume(Kind):
    """A disk that belongs to no machine."""

    token = "aws:ebs/volume:Volume"
    computed = ("arn", "createTime", "tagsAll")
    gone = ("InvalidVolume.NotFound",)

    def create(self, want: Values) -> str:
        """CreateVolume."""
        answer = self.aws.client("ec2").create_volume(
            AvailabilityZone=want["availabilityZone"],
            **given(
                Encrypted=want.get("encrypted"),
                KmsKeyId=want.get("kmsKeyId"),
                SnapshotId=want.get("snapshotId"),
                **{key: want.get(name) for name, key in SIZES.items()},
            ),
            **specification("volume", want.get("tags")),
        )
        return str(answer["VolumeId"])

    def finish(self, ident: str, want: Values) -> None:
        """It may be attached after this."""
        self.aws.client("ec2").get_waiter("volume_available").wait(
            VolumeIds=[ident], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """DescribeVolumes."""
        seen = self.aws.client("ec2").describe_volumes(VolumeIds=[ident])["Volumes"][0]
        tags = tag_map(seen.get("Tags"))
        return {
            **{name: seen.get(key) for name, key in SIZES.items()},
            "arn": self.aws.arn("ec2", f"volume/{ident}"),
            "availabilityZone": seen["AvailabilityZone"],
            "createTime": str(seen.get("CreateTime", "")),
            "encrypted": bool(seen.get("Encrypted")),
            "kmsKeyId": seen.get("KmsKeyId", ""),
            "snapshotId": seen.get("SnapshotId") or "",
            "tags": tags,
            "tagsAll": tags,
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """ModifyVolume, and tags."""
        client = self.aws.client("ec2")
        if names := changed(changes) & set(SIZES):
            client.modify_volume(VolumeId=ident, **given(**{SIZES[name]: new.get(name) for name in names}))
        retag(client, ident, old, new)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteVolume."""
        self.aws.client("ec2").delete_volume(VolumeId=ident)


class VolumeAttachment(Kind):
    """Which machine has a volume. The id is the real provider's own invention too."""

    token = "aws:ec2/volumeAttachment:VolumeAttachment"
    gone = ("InvalidVolume.NotFound", "InvalidInstanceID.NotFound", "InvalidAttachment.NotFound", "IncorrectState",
            "IncorrectInstanceState")  # fmt: skip

    def create(self, want: Values) -> str:
        """AttachVolume, to a machine that is not in between two states."""
        client = self.aws.client("ec2")
        device, volume, machine = want["deviceName"], want["volumeId"], want["instanceId"]
        client.get_waiter("instance_running").wait(InstanceIds=[machine], WaiterConfig={"Delay": 1, "MaxAttempts": 120})
        client.attach_volume(Device=device, VolumeId=volume, InstanceId=machine)
        return f"vai-{volume}-{machine}"

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """DescribeVolumes."""
        seen = self.aws.client("ec2").describe_volumes(VolumeIds=[hint["volumeId"]])["Volumes"][0]
        found = [a for a in seen.get("Attachments") or [] if a["InstanceId"] == hint["instanceId"]]
        if not found:
            return None
        return {"deviceName": found[0]["Device"], "instanceId": found[0]["InstanceId"], "volumeId": hint["volumeId"]}

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DetachVolume; with `stopInstanceBeforeDetaching` from a machine that was stopped for it."""
        client = self.aws.client("ec2")
        if state.get("stopInstanceBeforeDetaching"):
            client.stop_instances(InstanceIds=[state["instanceId"]])
            client.get_waiter("instance_stopped").wait(
                InstanceIds=[state["instanceId"]], WaiterConfig={"Delay": 1, "MaxAttempts": 120}
            )
        client.detach_volume(VolumeId=state["volumeId"], InstanceId=state["instanceId"])
