"""Items and conditional writes in DynamoDB's words.

Numbers are written by `repr`, so that a float comes back as the same float; which field is whole is
`core.lease.from_item`'s knowledge. Every attribute gets a placeholder, since `state`, `by` and `unit` are reserved.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from core.lease import After, Clause, Differs, Equals, Missing, NotAfter, Write

Attribute = dict[str, Any]


def encode(value: Any) -> Attribute:
    """One value as an attribute; dataclasses (inhibitors) become maps."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": str(value)}
    if isinstance(value, int | float):
        return {"N": repr(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return encode(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {"M": {k: encode(v) for k, v in value.items()}}
    if isinstance(value, list | tuple):
        return {"L": [encode(v) for v in value]}
    raise TypeError(f"cannot keep {value!r} in a lease item")


def decode(attribute: Attribute) -> Any:
    """One attribute as a plain value; a number is an int where it is whole, else a float."""
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            number = float(value)
            return int(number) if number.is_integer() else number
        case "M":
            return {k: decode(v) for k, v in value.items()}
        case "L":
            return [decode(v) for v in value]
    return value


def encode_item(item: Mapping[str, Any]) -> dict[str, Attribute]:
    """A plain item as attributes."""
    return {k: encode(v) for k, v in item.items()}


def decode_item(item: Mapping[str, Attribute]) -> dict[str, Any]:
    """Attributes as a plain item."""
    return {k: decode(v) for k, v in item.items()}


class Expression:
    """Collects placeholders while clauses and assignments are spelled out."""

    def __init__(self) -> None:
        """Start with no names and no values."""
        self.names: dict[str, str] = {}
        self.values: dict[str, Attribute] = {}

    def name(self, attribute: str) -> str:
        """The placeholder of an attribute."""
        placeholder = f"#{attribute}"
        self.names[placeholder] = attribute
        return placeholder

    def value(self, value: Any) -> str:
        """The placeholder of a value."""
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = encode(value)
        return placeholder

    def clause(self, clause: Clause) -> str:
        """A condition that means what `core.lease.holds_true` says."""
        name = self.name(clause.name)
        match clause:
            case Missing():
                return f"attribute_not_exists({name})"
            case Equals(value=value):
                return f"{name} = {self.value(value)}"
            case Differs(value=value):
                return f"(attribute_exists({name}) AND {name} <> {self.value(value)})"
            case NotAfter(value=value):
                return f"(attribute_not_exists({name}) OR {name} <= {self.value(value)})"
            case After(value=value):
                return f"{name} > {self.value(value)}"

    def update(self, sets: Mapping[str, Any]) -> str:
        """The SET and REMOVE of a write."""
        assigned = [f"{self.name(k)} = {self.value(v)}" for k, v in sets.items() if v is not None]
        removed = [self.name(k) for k, v in sets.items() if v is None]
        return f"SET {', '.join(assigned)}" + (f" REMOVE {', '.join(removed)}" if removed else "")


def update_request(write: Write) -> dict[str, Any]:
    """The parts of an UpdateItem (alone or in a transaction) that say what and when; the caller adds table and key."""
    expression = Expression()
    request = {
        "UpdateExpression": expression.update({**write.sets, "nonce": write.nonce}),
        "ConditionExpression": " AND ".join(expression.clause(c) for c in write.clauses),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    return request | {
        "ExpressionAttributeNames": expression.names,
        "ExpressionAttributeValues": expression.values,
    }
