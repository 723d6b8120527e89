"""What Lambda makes of messages, and of a function's answer about them. Pure.

Sources: Lambda developer guide, "Using Lambda with Amazon SQS" (the event), "Handling errors for an SQS event source"
(success and failure conditions of a partial batch response).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from local.cloud.runtime_api import Invoked

REPORTS: Final = "ReportBatchItemFailures"


def event(messages: Iterable[Mapping[str, Any]], queue_arn: str) -> bytes:
    """The event for messages as ReceiveMessage gives them."""
    return json.dumps({"Records": [_record(message, queue_arn) for message in messages]}).encode()


def _record(message: Mapping[str, Any], queue_arn: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes") or {}),
        "messageAttributes": {n: _attribute(a) for n, a in (message.get("MessageAttributes") or {}).items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"dataType": value["DataType"], "stringListValues": [], "binaryListValues": []}
    if "StringValue" in value:
        found["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        found["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return found


def left(result: Invoked, ids: Sequence[str], *, reports: bool) -> frozenset[str]:
    """Which messages stay in the queue, of those with these ids.

    All of them where the function failed. Otherwise none, unless the mapping `reports`: then those that the answer
    names, and all of them where it cannot be read or names an item wrongly. No list, and an empty one, are success.
    """
    everything = frozenset(ids)
    if result.error:
        return everything
    if not reports:
        return frozenset()
    try:
        answer = json.loads(result.payload or b"null")
        items = (answer or {}).get("batchItemFailures") or []
        named = frozenset(item["itemIdentifier"] for item in items)
    except (ValueError, TypeError, KeyError, AttributeError):
        return everything
    return named if named <= everything else everything
