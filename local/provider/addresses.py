"""Elastic IPs, their associations, and SSH key pairs."""

# ruff: noqa: ARG002 (a protocol names the arguments)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.provider.kind import Kind, Values, changed, given, tag_map
from local.provider.properties import Difference
from local.provider.security_groups import retag, specification


class Eip(Kind):
    """A public address that stays."""

    token = "aws:ec2/eip:Eip"
    computed = (
        "allocationId", "arn", "associationId", "privateDns", "privateIp", "publicDns", "publicIp", "tagsAll",
    )  # fmt: skip
    gone = ("InvalidAllocationID.NotFound", "InvalidAddress.NotFound")

    def create(self, want: Values) -> str:
        """AllocateAddress."""
        tags = specification("elastic-ip", want.get("tags"))
        answer = self.aws.client("ec2").allocate_address(Domain=want.get("domain", "vpc"), **tags)
        return str(answer["AllocationId"])

    def finish(self, ident: str, want: Values) -> None:
        """Associate it, where the program names an instance here."""
        if want.get("instance"):
            self.aws.client("ec2").associate_address(AllocationId=ident, InstanceId=want["instance"])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """DescribeAddresses."""
        seen = self.aws.client("ec2").describe_addresses(AllocationIds=[ident])["Addresses"][0]
        tags = tag_map(seen.get("Tags"))
        return {
            "allocationId": ident,
            "arn": self.aws.arn("ec2", f"elastic-ip/{ident}"),
            "associationId": seen.get("AssociationId", ""),
            "domain": seen["Domain"],
            "instance": seen.get("InstanceId", ""),
            "privateDns": "",
            "privateIp": seen.get("PrivateIpAddress", ""),
            "publicDns": "",
            "publicIp": seen["PublicIp"],
            "tags": tags,
            "tagsAll": tags,
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """Tags, and the instance."""
        client = self.aws.client("ec2")
        retag(client, ident, old, new)
        if "instance" in changed(changes):
            client.associate_address(AllocationId=ident, InstanceId=new["instance"], AllowReassociation=True)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """Disassociate if need be, and ReleaseAddress."""
        client = self.aws.client("ec2")
        seen = client.describe_addresses(AllocationIds=[ident])["Addresses"][0]
        if seen.get("AssociationId"):
            client.disassociate_address(AssociationId=seen["AssociationId"])
        client.release_address(AllocationId=ident)


class EipAssociation(Kind):
    """Which machine has a public address."""

    token = "aws:ec2/eipAssociation:EipAssociation"
    computed = ("networkInterfaceId", "privateIpAddress")
    gone = ("InvalidAssociationID.NotFound", "InvalidAllocationID.NotFound")

    def create(self, want: Values) -> str:
        """AssociateAddress."""
        answer = self.aws.client("ec2").associate_address(
            **given(
                AllocationId=want.get("allocationId"),
                InstanceId=want.get("instanceId"),
                PublicIp=want.get("publicIp"),
                AllowReassociation=want.get("allowReassociation"),
            )
        )
        return str(answer["AssociationId"])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """DescribeAddresses by association."""
        only = [{"Name": "association-id", "Values": [ident]}]
        found = self.aws.client("ec2").describe_addresses(Filters=only)["Addresses"]
        if not found:
            return None
        return {
            "allocationId": found[0]["AllocationId"],
            "instanceId": found[0].get("InstanceId", ""),
            "networkInterfaceId": found[0].get("NetworkInterfaceId", ""),
            "privateIpAddress": found[0].get("PrivateIpAddress", ""),
            "publicIp": found[0]["PublicIp"],
        }

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DisassociateAddress."""
        self.aws.client("ec2").disassociate_address(AssociationId=ident)


class KeyPair(Kind):
    """An SSH public key."""

    token = "aws:ec2/keyPair:KeyPair"
    name_property = "keyName"
    computed = ("arn", "fingerprint", "keyPairId", "keyType", "tagsAll")
    gone = ("InvalidKeyPair.NotFound",)

    def create(self, want: Values) -> str:
        """ImportKeyPair."""
        self.aws.client("ec2").import_key_pair(
            KeyName=want["keyName"],
            PublicKeyMaterial=want["publicKey"].encode(),
            **specification("key-pair", want.get("tags")),
        )
        return str(want["keyName"])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """DescribeKeyPairs, with the key itself."""
        found = self.aws.client("ec2").describe_key_pairs(KeyNames=[ident], IncludePublicKey=True)["KeyPairs"]
        seen, tags = found[0], tag_map(found[0].get("Tags"))
        return {
            "arn": self.aws.arn("ec2", f"key-pair/{ident}"),
            "fingerprint": seen["KeyFingerprint"],
            "keyName": seen["KeyName"],
            "keyPairId": seen["KeyPairId"],
            "keyType": seen.get("KeyType", ""),
            "publicKey": seen.get("PublicKey"),
            "tags": tags,
            "tagsAll": tags,
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """Tags, by the pair's id."""
        client = self.aws.client("ec2")
        pair = client.describe_key_pairs(KeyNames=[ident])["KeyPairs"][0]["KeyPairId"]
        retag(client, pair, old, new)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteKeyPair."""
        self.aws.client("ec2").delete_key_pair(KeyName=ident)
