"""One unit's entry in the table: the `settings` item, plain JSON that the reaper reads. Nobody else writes it.

It is there twice: under the unit, where the unit's own machines may read it, and in the directory, where one Query in
pages of 1 MB lists all units of a shared table for the reaper, without walking over leases and histories.

The lease beside it is never Pulumi's: `fab deploy`, the agent or the reaper makes it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from core.contract import table


@dataclass(frozen=True)
class UnitArgs:
    """`settings` is UnitSettings as JSON."""

    table: pulumi.Input[str]
    unit: str
    settings: pulumi.Input[str]


class Unit(pulumi.ComponentResource):
    """`item` is the settings item, `listed` its copy in the directory."""

    item: aws.dynamodb.TableItem
    listed: aws.dynamodb.TableItem

    def __init__(self, name: str, args: UnitArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pilotlight:index:Unit", name, None, opts)
        self.item = self._item(f"{name}-settings", args, args.unit, table.SK_SETTINGS)
        self.listed = self._item(f"{name}-listed", args, table.PK_UNITS, args.unit)
        self.register_outputs({})

    def _item(self, name: str, args: UnitArgs, pk: str, sk: str) -> aws.dynamodb.TableItem:
        return aws.dynamodb.TableItem(
            name,
            table_name=args.table,
            hash_key=table.TABLE_PK,
            range_key=table.TABLE_SK,
            item=pulumi.Output.from_input(args.settings).apply(lambda body: settings_item(pk, sk, body)),
            opts=pulumi.ResourceOptions(parent=self),
        )


def settings_item(pk: str, sk: str, body: str) -> str:
    """The item in DynamoDB's own JSON."""
    item = {table.TABLE_PK: pk, table.TABLE_SK: sk, table.SETTINGS_BODY: body}
    return json.dumps({key: {"S": value} for key, value in item.items()}, sort_keys=True)
