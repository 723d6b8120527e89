"""A small judge of IAM policies: default deny, explicit statements, the condition operators that ours use.

moto has no policy simulator with conditions. The rules are those of "IAM JSON policy evaluation logic": an action
is allowed by a statement whose action, resource and every condition match; a key that a request does not have fails
`StringEquals`, `ArnEquals` and `Bool`, and passes `ForAllValues`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

Context = Mapping[str, str | Sequence[str]]


def allows(policy: Mapping[str, Any], action: str, resource: str, context: Context | None = None) -> bool:
    """Whether the policy allows the request."""
    return any(_matches(s, action, resource, context or {}) for s in policy["Statement"])


def _matches(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    assert statement["Effect"] == "Allow"
    return (
        any(fnmatchcase(action, pattern) for pattern in statement["Action"])
        and fnmatchcase(resource, statement["Resource"])
        and all(
            _condition(operator, key, wanted, context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _condition(operator: str, key: str, wanted: str | Sequence[str], context: Context) -> bool:
    allowed = [wanted] if isinstance(wanted, str) else wanted
    have = context.get(key)
    values = [have] if isinstance(have, str) else have
    match operator:
        case "StringEquals" | "Bool":
            return values is not None and len(values) == 1 and values[0] in allowed
        case "ArnEquals":
            return values is not None and len(values) == 1 and any(fnmatchcase(values[0], a) for a in allowed)
        case "ForAllValues:StringEquals":
            return values is None or all(v in allowed for v in values)
        case "Null":
            return (values is None) == (allowed == ["true"])
    raise AssertionError(f"the evaluator does not know {operator}")
