"""SSM parameters. A SecureString's value is read back decrypted; that it is a secret is the engine's to keep."""

# ruff: noqa: ARG002 (a protocol names the arguments)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.provider.kind import Kind, Values, changed, given, tag_changes, tag_list, tag_map
from local.provider.properties import Difference


class Parameter(Kind):
    """A parameter. The id is its name."""

    token = "aws:ssm/parameter:Parameter"
    name_property = "name"
    computed = ("arn", "insecureValue", "tagsAll", "version")
    gone = ("ParameterNotFound",)

    @classmethod
    def also_replaces(cls, old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
        """A parameter cannot come down from the advanced tier."""
        return {"tier"} if (old.get("tier"), new.get("tier")) == ("Advanced", "Standard") else set()

    def create(self, want: Values) -> str:
        """PutParameter."""
        self._put(want, Overwrite=False, Tags=tag_list(want.get("tags")))
        return str(want["name"])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """GetParameter for the value, DescribeParameters for the rest."""
        client = self.aws.client("ssm")
        seen = client.get_parameter(Name=ident, WithDecryption=True)["Parameter"]
        only = [{"Key": "Name", "Option": "Equals", "Values": [ident]}]
        about = client.describe_parameters(ParameterFilters=only)["Parameters"][0]
        tags = tag_map(client.list_tags_for_resource(ResourceType="Parameter", ResourceId=ident)["TagList"])
        return {
            "allowedPattern": about.get("AllowedPattern"),
            "arn": seen["ARN"],
            "dataType": seen.get("DataType"),
            "description": about.get("Description"),
            "keyId": about.get("KeyId"),
            "name": seen["Name"],
            "tags": tags,
            "tagsAll": tags,
            "tier": about.get("Tier"),
            "type": seen["Type"],
            "value": seen["Value"],
            "version": seen["Version"],
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """PutParameter over the old one; tags apart, as AWS wants it."""
        client = self.aws.client("ssm")
        if changed(changes) - {"tags"}:
            self._put(new, Overwrite=True)
        put, drop = tag_changes(old, new)
        if drop:
            client.remove_tags_from_resource(ResourceType="Parameter", ResourceId=ident, TagKeys=drop)
        if put:
            client.add_tags_to_resource(ResourceType="Parameter", ResourceId=ident, Tags=tag_list(put))

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteParameter."""
        self.aws.client("ssm").delete_parameter(Name=ident)

    def _put(self, want: Values, **more: Any) -> None:
        self.aws.client("ssm").put_parameter(
            Name=want["name"],
            Value=want["value"],
            Type=want["type"],
            AllowedPattern=want.get("allowedPattern") or "",
            Description=want.get("description") or "",
            **given(DataType=want.get("dataType"), KeyId=want.get("keyId"), Tier=want.get("tier")),
            **more,
        )
