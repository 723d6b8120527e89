"""DynamoDB tables and single items."""

# ruff: noqa: ARG002 (a protocol names the arguments)

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from local.provider.kind import Kind, Values, changed, tag_changes, tag_list, tag_map
from local.provider.properties import Difference

SCHEMA = {"HASH": "hashKey", "RANGE": "rangeKey"}


class Table(Kind):
    """A table, without indexes: nothing of ours has one."""

    token = "aws:dynamodb/table:Table"
    name_property = "name"
    computed = ("arn", "streamArn", "streamLabel", "tagsAll")
    gone = ("ResourceNotFoundException",)

    def create(self, want: Values) -> str:
        """CreateTable."""
        keys = [{"AttributeName": want[name], "KeyType": role} for role, name in SCHEMA.items() if want.get(name)]
        self.aws.client("dynamodb").create_table(
            TableName=want["name"],
            KeySchema=keys,
            AttributeDefinitions=[{"AttributeName": a["name"], "AttributeType": a["type"]} for a in want["attributes"]],
            DeletionProtectionEnabled=bool(want.get("deletionProtectionEnabled")),
            Tags=tag_list(want.get("tags")),
            **_billing(want),
        )
        return str(want["name"])

    def finish(self, ident: str, want: Values) -> None:
        """Wait until it is there; then backups and the time to live."""
        client = self.aws.client("dynamodb")
        client.get_waiter("table_exists").wait(TableName=ident, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        if want.get("pointInTimeRecovery"):
            self._backups(ident, want)
        if (want.get("ttl") or {}).get("enabled"):
            self._ttl(ident, want["ttl"]["attributeName"], True)

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """DescribeTable and what it leaves out."""
        client = self.aws.client("dynamodb")
        seen = client.describe_table(TableName=ident)["Table"]
        backups = client.describe_continuous_backups(TableName=ident)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription") or {}
        ttl = client.describe_time_to_live(TableName=ident)["TimeToLiveDescription"]
        tags = tag_map(client.list_tags_of_resource(ResourceArn=seen["TableArn"])["Tags"])
        capacity = seen.get("ProvisionedThroughput") or {}
        return {
            **{SCHEMA[key["KeyType"]]: key["AttributeName"] for key in seen["KeySchema"]},
            "arn": seen["TableArn"],
            "attributes": [
                {"name": a["AttributeName"], "type": a["AttributeType"]} for a in seen["AttributeDefinitions"]
            ],
            "billingMode": (seen.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED"),
            "deletionProtectionEnabled": bool(seen.get("DeletionProtectionEnabled")),
            "name": seen["TableName"],
            "pointInTimeRecovery": {"enabled": recovery.get("PointInTimeRecoveryStatus") == "ENABLED"},
            "readCapacity": capacity.get("ReadCapacityUnits", 0),
            "streamArn": seen.get("LatestStreamArn", ""),
            "streamLabel": seen.get("LatestStreamLabel", ""),
            "tags": tags,
            "tagsAll": tags,
            "ttl": {
                "attributeName": ttl.get("AttributeName", ""),
                "enabled": ttl.get("TimeToLiveStatus") == "ENABLED",
            },
            "writeCapacity": capacity.get("WriteCapacityUnits", 0),
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """UpdateTable takes one kind of change a call."""
        client, names = self.aws.client("dynamodb"), changed(changes)
        if names & {"billingMode", "readCapacity", "writeCapacity"}:
            client.update_table(TableName=ident, **_billing(new))
        if "deletionProtectionEnabled" in names:
            wanted = bool(new.get("deletionProtectionEnabled"))
            client.update_table(TableName=ident, DeletionProtectionEnabled=wanted)
        if "pointInTimeRecovery" in names:
            self._backups(ident, new)
        if "ttl" in names:
            self._change_ttl(ident, old.get("ttl") or {}, new["ttl"])
        self._retag(ident, old, new)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteTable; deletion protection refuses, as on AWS."""
        client = self.aws.client("dynamodb")
        client.delete_table(TableName=ident)
        client.get_waiter("table_not_exists").wait(TableName=ident, WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    def _backups(self, ident: str, want: Values) -> None:
        wanted = {"PointInTimeRecoveryEnabled": bool(want["pointInTimeRecovery"].get("enabled"))}
        self.aws.client("dynamodb").update_continuous_backups(TableName=ident, PointInTimeRecoverySpecification=wanted)

    def _ttl(self, ident: str, attribute: str, enabled: bool) -> None:
        wanted = {"AttributeName": attribute, "Enabled": enabled}
        self.aws.client("dynamodb").update_time_to_live(TableName=ident, TimeToLiveSpecification=wanted)

    def _change_ttl(self, ident: str, old: Values, new: Values) -> None:
        if old.get("enabled"):
            self._ttl(ident, old["attributeName"], False)
        if new.get("enabled"):
            self._ttl(ident, new["attributeName"], True)

    def _retag(self, ident: str, old: Values, new: Values) -> None:
        client, (put, drop) = self.aws.client("dynamodb"), tag_changes(old, new)
        arn = self.aws.arn("dynamodb", f"table/{ident}")
        if drop:
            client.untag_resource(ResourceArn=arn, TagKeys=drop)
        if put:
            client.tag_resource(ResourceArn=arn, Tags=tag_list(put))


def _billing(want: Values) -> Values:
    if want.get("billingMode") == "PAY_PER_REQUEST":
        return {"BillingMode": "PAY_PER_REQUEST"}
    units = {"ReadCapacityUnits": want.get("readCapacity", 1), "WriteCapacityUnits": want.get("writeCapacity", 1)}
    return {"BillingMode": "PROVISIONED", "ProvisionedThroughput": units}


class TableItem(Kind):
    """One item, whole. The id is `table|hash key|value[|range key|value]`."""

    token = "aws:dynamodb/tableItem:TableItem"
    gone = ("ResourceNotFoundException",)

    def create(self, want: Values) -> str:
        """PutItem, refused where the key is taken, as the real provider does."""
        item = _item(want)
        self.aws.client("dynamodb").put_item(
            TableName=want["tableName"],
            Item=item,
            ConditionExpression="attribute_not_exists(#key)",
            ExpressionAttributeNames={"#key": want["hashKey"]},
        )
        keys = [want["hashKey"], *([want["rangeKey"]] if want.get("rangeKey") else [])]
        return "|".join([want["tableName"], *(f"{key}|{_only(item[key])}" for key in keys)])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """GetItem, consistent."""
        key = _key(hint, _item(hint))
        answer = self.aws.client("dynamodb").get_item(TableName=hint["tableName"], Key=key, ConsistentRead=True)
        if "Item" not in answer:
            return None
        item = json.dumps(answer["Item"], sort_keys=True, default=_base64)
        names = {name: hint[name] for name in SCHEMA.values() if hint.get(name)}
        return {**names, "item": item, "tableName": hint["tableName"]}

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """PutItem; an item whose key changed leaves its old place."""
        client = self.aws.client("dynamodb")
        client.put_item(TableName=new["tableName"], Item=_item(new))
        if (before := _key(new, _item(old))) != _key(new, _item(new)):
            client.delete_item(TableName=new["tableName"], Key=before)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteItem."""
        self.aws.client("dynamodb").delete_item(TableName=state["tableName"], Key=_key(state, _item(state)))


def _item(values: Mapping[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(values["item"])
    return {k: {"B": base64.b64decode(v["B"])} if "B" in v else v for k, v in item.items()}


def _key(names: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    return {names[n]: item[names[n]] for n in SCHEMA.values() if names.get(n)}


def _only(value: Mapping[str, Any]) -> str:
    return str(next(iter(value.values())))


def _base64(value: Any) -> str:
    return base64.b64encode(value).decode()
