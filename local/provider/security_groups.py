"""Security groups, with inline rules or with a resource for each rule."""

# ruff: noqa: ARG002 (a protocol names the arguments)

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from local.provider.inline_rules import flatten, from_cloud, permission
from local.provider.kind import Kind, Values, changed, given, tag_changes, tag_list, tag_map
from local.provider.properties import Difference

SOURCES = ("cidrIpv4", "cidrIpv6", "referencedSecurityGroupId")


def retag(client: Any, ident: str, old: Values, new: Values, name: str = "tags") -> None:
    """Change the tags of anything in EC2."""
    put, drop = tag_changes(old, new, name)
    if drop:
        client.delete_tags(Resources=[ident], Tags=[{"Key": key} for key in drop])
    if put:
        client.create_tags(Resources=[ident], Tags=tag_list(put))


def specification(kind: str, tags: Mapping[str, str] | None) -> dict[str, Any]:
    """The TagSpecifications argument, or nothing where there are no tags."""
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": tag_list(tags)}]} if tags else {}


class SecurityGroup(Kind):
    """A group; its rules too where the program gives them inline."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    name_property = "name"
    computed = ("arn", "ownerId", "tagsAll")
    gone = ("InvalidGroup.NotFound", "InvalidGroupId.Malformed")

    def create(self, want: Values) -> str:
        """CreateSecurityGroup; AWS's default egress rule is taken away in `finish`, as Terraform does."""
        answer = self.aws.client("ec2").create_security_group(
            GroupName=want["name"],
            Description=want["description"],
            **given(VpcId=want.get("vpcId")),
            **specification("security-group", want.get("tags")),
        )
        return str(answer["GroupId"])

    def finish(self, ident: str, want: Values) -> None:
        """The rules as the program has them."""
        client = self.aws.client("ec2")
        made = client.describe_security_groups(GroupIds=[ident])["SecurityGroups"][0]
        if made["IpPermissionsEgress"]:
            client.revoke_security_group_egress(GroupId=ident, IpPermissions=made["IpPermissionsEgress"])
        for direction in ("ingress", "egress"):
            self._rules(ident, direction, [], want.get(direction) or [])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """DescribeSecurityGroups."""
        seen = self.aws.client("ec2").describe_security_groups(GroupIds=[ident])["SecurityGroups"][0]
        tags = tag_map(seen.get("Tags"))
        return {
            "name": seen["GroupName"],
            "description": seen["Description"],
            "vpcId": seen.get("VpcId"),
            "ingress": from_cloud(seen["IpPermissions"], ident),
            "egress": from_cloud(seen["IpPermissionsEgress"], ident),
            "tags": tags,
            "tagsAll": tags,
            "ownerId": seen["OwnerId"],
            "arn": self.aws.arn("ec2", f"security-group/{ident}"),
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """Tags, and the difference of the inline rules."""
        retag(self.aws.client("ec2"), ident, old, new)
        for direction in changed(changes) & {"ingress", "egress"}:
            self._rules(ident, direction, old.get(direction) or [], new.get(direction) or [])

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteSecurityGroup."""
        client = self.aws.client("ec2")
        if state.get("revokeRulesOnDelete"):
            for direction in ("ingress", "egress"):
                self._rules(ident, direction, state.get(direction) or [], [])
        client.delete_security_group(GroupId=ident)

    def _rules(self, ident: str, direction: str, old: Iterable[Any], new: Iterable[Any]) -> None:
        client = self.aws.client("ec2")
        before, after = set(flatten(old)), set(flatten(new))
        drop = [permission(atom, ident) for atom in sorted(before - after)]
        put = [permission(atom, ident) for atom in sorted(after - before)]
        if drop:
            getattr(client, f"revoke_security_group_{direction}")(GroupId=ident, IpPermissions=drop)
        if put:
            getattr(client, f"authorize_security_group_{direction}")(GroupId=ident, IpPermissions=put)


class _Rule(Kind):
    """One rule of a group as a resource of its own."""

    direction: ClassVar[str]
    computed = ("arn", "securityGroupRuleId", "tagsAll")
    gone = ("InvalidSecurityGroupRuleId.NotFound", "InvalidGroup.NotFound", "InvalidPermission.NotFound")

    @classmethod
    def also_replaces(cls, old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
        """Another kind of source (an address block, a group) is another rule."""
        before = {s for s in SOURCES if old.get(s)}
        after = {s for s in SOURCES if new.get(s)}
        return before ^ after

    def create(self, want: Values) -> str:
        """AuthorizeSecurityGroupIngress or …Egress with one permission."""
        answer = getattr(self.aws.client("ec2"), f"authorize_security_group_{self.direction}")(
            GroupId=want["securityGroupId"],
            IpPermissions=[_permission(want)],
            **specification("security-group-rule", want.get("tags")),
        )
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def finish(self, ident: str, want: Values) -> None:
        """Say the description again: moto's Authorize… forgets it where the source is a group."""
        if want.get("description") and want.get("referencedSecurityGroupId"):
            self._modify(ident, want)

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """DescribeSecurityGroupRules."""
        rules = self.aws.client("ec2").describe_security_group_rules(SecurityGroupRuleIds=[ident])["SecurityGroupRules"]
        if not rules:
            return None
        seen, tags = rules[0], tag_map(rules[0].get("Tags"))
        every = seen["IpProtocol"] == "-1"
        return {
            "securityGroupId": seen["GroupId"],
            "securityGroupRuleId": ident,
            "ipProtocol": seen["IpProtocol"],
            "fromPort": None if every else seen.get("FromPort"),
            "toPort": None if every else seen.get("ToPort"),
            "cidrIpv4": seen.get("CidrIpv4"),
            "cidrIpv6": seen.get("CidrIpv6"),
            "referencedSecurityGroupId": (seen.get("ReferencedGroupInfo") or {}).get("GroupId"),
            "description": seen.get("Description"),
            "tags": tags,
            "tagsAll": tags,
            "arn": self.aws.arn("ec2", f"security-group-rule/{ident}"),
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """ModifySecurityGroupRules."""
        retag(self.aws.client("ec2"), ident, old, new)
        if changed(changes) - {"tags"}:
            self._modify(ident, new)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """RevokeSecurityGroupIngress or …Egress by the rule's id."""
        getattr(self.aws.client("ec2"), f"revoke_security_group_{self.direction}")(
            GroupId=state["securityGroupId"], SecurityGroupRuleIds=[ident]
        )

    def _modify(self, ident: str, want: Values) -> None:
        rule = given(
            IpProtocol=want["ipProtocol"],
            FromPort=want.get("fromPort"),
            ToPort=want.get("toPort"),
            CidrIpv4=want.get("cidrIpv4"),
            CidrIpv6=want.get("cidrIpv6"),
            ReferencedGroupId=want.get("referencedSecurityGroupId"),
        )
        rule["Description"] = want.get("description") or ""
        self.aws.client("ec2").modify_security_group_rules(
            GroupId=want["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": ident, "SecurityGroupRule": rule}],
        )


class IngressRule(_Rule):
    """What may come in."""

    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    direction = "ingress"


class EgressRule(_Rule):
    """What may go out."""

    token = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    direction = "egress"


def _permission(want: Values) -> dict[str, Any]:
    text = given(Description=want.get("description"))
    found = given(IpProtocol=want["ipProtocol"], FromPort=want.get("fromPort"), ToPort=want.get("toPort"))
    listings = {
        "cidrIpv4": ("IpRanges", "CidrIp"),
        "cidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
        "referencedSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    }
    for name, (listing, key) in listings.items():
        if want.get(name):
            found[listing] = [{key: want[name], **text}]
    return found
