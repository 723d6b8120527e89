"""One unit's entry in the table: the `settings` item, plain JSON that the reaper reads. Nobody else writes it.

The lease beside it is never Pulumi's: `fab deploy` or the agent makes it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from core import contract


@dataclass(frozen=True)
class UnitArgs:
    """`settings` is UnitSettings as JSON."""

    table: pulumi.Input[str]
    unit: str
    settings: pulumi.Input[str]


class Unit(pulumi.ComponentResource):
    """`item` is the settings item."""

    item: aws.dynamodb.TableItem

    def __init__(self, name: str, args: UnitArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pilotlight:index:Unit", name, None, opts)
        self.item = aws.dynamodb.TableItem(
            f"{name}-settings",
            table_name=args.table,
            hash_key=contract.TABLE_PK,
            range_key=contract.TABLE_SK,
            item=pulumi.Output.from_input(args.settings).apply(lambda body: settings_item(args.unit, body)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def settings_item(unit: str, body: str) -> str:
    """The item in DynamoDB's own JSON."""
    item = {contract.TABLE_PK: unit, contract.TABLE_SK: contract.SK_SETTINGS, contract.SETTINGS_BODY: body}
    return json.dumps({key: {"S": value} for key, value in item.items()}, sort_keys=True)
