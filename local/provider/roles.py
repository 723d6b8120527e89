"""IAM: roles, their policies, and instance profiles."""

# ruff: noqa: ARG002 (a protocol names the arguments)

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from local.provider.kind import Kind, Values, changed, given, tag_changes, tag_list, tag_map
from local.provider.properties import Difference

GONE = ("NoSuchEntity",)


def text(policy: Any) -> str:
    """A policy document as boto3 gives it (parsed, or percent-encoded) as JSON text."""
    return json.dumps(policy) if isinstance(policy, Mapping) else unquote(policy)


class Role(Kind):
    """Who may act."""

    token = "aws:iam/role:Role"
    name_property = "name"
    computed = ("arn", "createDate", "tagsAll", "uniqueId")
    gone = GONE

    def create(self, want: Values) -> str:
        """CreateRole."""
        self.aws.client("iam").create_role(
            RoleName=want["name"],
            AssumeRolePolicyDocument=want["assumeRolePolicy"],
            **given(
                Path=want.get("path"),
                Description=want.get("description"),
                MaxSessionDuration=want.get("maxSessionDuration"),
                PermissionsBoundary=want.get("permissionsBoundary"),
            ),
            Tags=tag_list(want.get("tags")),
        )
        return str(want["name"])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """GetRole."""
        seen = self.aws.client("iam").get_role(RoleName=ident)["Role"]
        tags = tag_map(seen.get("Tags"))
        return {
            "arn": seen["Arn"],
            "assumeRolePolicy": text(seen["AssumeRolePolicyDocument"]),
            "createDate": seen["CreateDate"].isoformat(),
            "description": seen.get("Description", ""),
            "maxSessionDuration": seen.get("MaxSessionDuration"),
            "name": seen["RoleName"],
            "path": seen["Path"],
            "permissionsBoundary": (seen.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
            "tags": tags,
            "tagsAll": tags,
            "uniqueId": seen["RoleId"],
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """One call for each thing that IAM changes by itself."""
        client, names = self.aws.client("iam"), changed(changes)
        if "assumeRolePolicy" in names:
            client.update_assume_role_policy(RoleName=ident, PolicyDocument=new["assumeRolePolicy"])
        if names & {"description", "maxSessionDuration"}:
            client.update_role(
                RoleName=ident, Description=new.get("description", ""), MaxSessionDuration=new["maxSessionDuration"]
            )
        if "permissionsBoundary" in names and new.get("permissionsBoundary"):
            client.put_role_permissions_boundary(RoleName=ident, PermissionsBoundary=new["permissionsBoundary"])
        elif "permissionsBoundary" in names:
            client.delete_role_permissions_boundary(RoleName=ident)
        put, drop = tag_changes(old, new)
        if drop:
            client.untag_role(RoleName=ident, TagKeys=drop)
        if put:
            client.tag_role(RoleName=ident, Tags=tag_list(put))

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteRole; with forceDetachPolicies, its policies first."""
        client = self.aws.client("iam")
        if state.get("forceDetachPolicies"):
            for policy in client.list_attached_role_policies(RoleName=ident)["AttachedPolicies"]:
                client.detach_role_policy(RoleName=ident, PolicyArn=policy["PolicyArn"])
            for name in client.list_role_policies(RoleName=ident)["PolicyNames"]:
                client.delete_role_policy(RoleName=ident, PolicyName=name)
        client.delete_role(RoleName=ident)


class RolePolicy(Kind):
    """A policy inside a role. The id is `role:name`."""

    token = "aws:iam/rolePolicy:RolePolicy"
    name_property = "name"
    gone = GONE

    def create(self, want: Values) -> str:
        """PutRolePolicy."""
        self._put(want["role"], want["name"], want["policy"])
        return f"{want['role']}:{want['name']}"

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """GetRolePolicy."""
        role, _, name = ident.partition(":")
        seen = self.aws.client("iam").get_role_policy(RoleName=role, PolicyName=name)
        return {"name": seen["PolicyName"], "policy": text(seen["PolicyDocument"]), "role": seen["RoleName"]}

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """PutRolePolicy again."""
        role, _, name = ident.partition(":")
        self._put(role, name, new["policy"])

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteRolePolicy."""
        role, _, name = ident.partition(":")
        self.aws.client("iam").delete_role_policy(RoleName=role, PolicyName=name)

    def _put(self, role: str, name: str, document: str) -> None:
        self.aws.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)


class RolePolicyAttachment(Kind):
    """A managed policy on a role. The id is `role/arn`."""

    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    gone = GONE

    def create(self, want: Values) -> str:
        """AttachRolePolicy."""
        self.aws.client("iam").attach_role_policy(RoleName=want["role"], PolicyArn=want["policyArn"])
        return f"{want['role']}/{want['policyArn']}"

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """ListAttachedRolePolicies: whether it is still attached."""
        role, _, arn = ident.partition("/")
        found = self.aws.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return {"policyArn": arn, "role": role} if any(p["PolicyArn"] == arn for p in found) else None

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DetachRolePolicy."""
        role, _, arn = ident.partition("/")
        self.aws.client("iam").detach_role_policy(RoleName=role, PolicyArn=arn)


class Policy(Kind):
    """A managed policy. The id is its ARN."""

    token = "aws:iam/policy:Policy"
    name_property = "name"
    computed = ("arn", "attachmentCount", "policyId", "tagsAll")
    gone = GONE

    def create(self, want: Values) -> str:
        """CreatePolicy."""
        answer = self.aws.client("iam").create_policy(
            PolicyName=want["name"],
            PolicyDocument=want["policy"],
            Path=want["path"],
            **given(Description=want.get("description")),
            Tags=tag_list(want.get("tags")),
        )
        return str(answer["Policy"]["Arn"])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """GetPolicy and its default version."""
        client = self.aws.client("iam")
        seen = client.get_policy(PolicyArn=ident)["Policy"]
        version = client.get_policy_version(PolicyArn=ident, VersionId=seen["DefaultVersionId"])["PolicyVersion"]
        tags = tag_map(seen.get("Tags"))
        return {
            "arn": seen["Arn"],
            "attachmentCount": seen["AttachmentCount"],
            "description": seen.get("Description", ""),
            "name": seen["PolicyName"],
            "path": seen["Path"],
            "policy": text(version["Document"]),
            "policyId": seen["PolicyId"],
            "tags": tags,
            "tagsAll": tags,
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """A new default version; the oldest goes where there are five, IAM's limit."""
        client = self.aws.client("iam")
        if "policy" in changed(changes):
            versions = client.list_policy_versions(PolicyArn=ident)["Versions"]
            spare = [v["VersionId"] for v in versions if not v["IsDefaultVersion"]]
            if len(versions) >= 5:
                client.delete_policy_version(PolicyArn=ident, VersionId=spare[0])
            client.create_policy_version(PolicyArn=ident, PolicyDocument=new["policy"], SetAsDefault=True)
        put, drop = tag_changes(old, new)
        if drop:
            client.untag_policy(PolicyArn=ident, TagKeys=drop)
        if put:
            client.tag_policy(PolicyArn=ident, Tags=tag_list(put))

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeletePolicy, older versions first."""
        client = self.aws.client("iam")
        for version in client.list_policy_versions(PolicyArn=ident)["Versions"]:
            if not version["IsDefaultVersion"]:
                client.delete_policy_version(PolicyArn=ident, VersionId=version["VersionId"])
        client.delete_policy(PolicyArn=ident)


class InstanceProfile(Kind):
    """What hands a role to a machine."""

    token = "aws:iam/instanceProfile:InstanceProfile"
    name_property = "name"
    computed = ("arn", "createDate", "tagsAll", "uniqueId")
    gone = GONE

    def create(self, want: Values) -> str:
        """CreateInstanceProfile."""
        self.aws.client("iam").create_instance_profile(
            InstanceProfileName=want["name"], Path=want["path"], Tags=tag_list(want.get("tags"))
        )
        return str(want["name"])

    def finish(self, ident: str, want: Values) -> None:
        """Put the role in."""
        self._role(ident, None, want.get("role"))

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """GetInstanceProfile."""
        seen = self.aws.client("iam").get_instance_profile(InstanceProfileName=ident)["InstanceProfile"]
        tags = tag_map(seen.get("Tags"))
        return {
            "arn": seen["Arn"],
            "createDate": seen["CreateDate"].isoformat(),
            "name": seen["InstanceProfileName"],
            "path": seen["Path"],
            "role": seen["Roles"][0]["RoleName"] if seen["Roles"] else None,
            "tags": tags,
            "tagsAll": tags,
            "uniqueId": seen["InstanceProfileId"],
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """The role, and tags."""
        client = self.aws.client("iam")
        if "role" in changed(changes):
            self._role(ident, old.get("role"), new.get("role"))
        put, drop = tag_changes(old, new)
        if drop:
            client.untag_instance_profile(InstanceProfileName=ident, TagKeys=drop)
        if put:
            client.tag_instance_profile(InstanceProfileName=ident, Tags=tag_list(put))

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """Empty it, and DeleteInstanceProfile."""
        seen = self.look(ident, state) or {}
        self._role(ident, seen.get("role"), None)
        self.aws.client("iam").delete_instance_profile(InstanceProfileName=ident)

    def _role(self, ident: str, old: str | None, new: str | None) -> None:
        client = self.aws.client("iam")
        if old:
            client.remove_role_from_instance_profile(InstanceProfileName=ident, RoleName=old)
        if new:
            client.add_role_to_instance_profile(InstanceProfileName=ident, RoleName=new)
