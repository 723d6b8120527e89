"""What a function gets of messages, and what its answer means: AWS's success and failure conditions as a table."""

from __future__ import annotations

import json

import pytest

from local.cloud import batch
from local.cloud.runtime_api import Invoked

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:hooks"
ALL = frozenset({"a", "b"})


def test_an_event_is_what_lambda_makes_of_messages() -> None:
    message = {
        "MessageId": "a",
        "ReceiptHandle": "handle",
        "Body": "words",
        "MD5OfBody": "md5",
        "Attributes": {"ApproximateReceiveCount": "3"},
        "MessageAttributes": {
            "kind": {"DataType": "String", "StringValue": "stopped"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        },
    }
    plain = {"MessageId": "b", "ReceiptHandle": "h", "Body": "", "MD5OfBody": "m"}
    first, second = json.loads(batch.event([message, plain], QUEUE))["Records"]
    assert first == {
        "messageId": "a",
        "receiptHandle": "handle",
        "body": "words",
        "md5OfBody": "md5",
        "attributes": {"ApproximateReceiveCount": "3"},
        "messageAttributes": {
            "kind": {"dataType": "String", "stringValue": "stopped", "stringListValues": [], "binaryListValues": []},
            "raw": {"dataType": "Binary", "binaryValue": "AAE=", "stringListValues": [], "binaryListValues": []},
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE,
        "awsRegion": "eu-central-1",
    }
    assert (second["attributes"], second["messageAttributes"]) == ({}, {})


@pytest.mark.parametrize(
    ("payload", "left"),
    [
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}]}', {"a"}),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "b"}]}', ALL),
        (b'{"batchItemFailures": []}', set()),
        (b'{"batchItemFailures": null}', set()),
        (b"{}", set()),
        (b"null", set()),
        (b"", set()),
        (b"not JSON", ALL),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', ALL),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', ALL),
        (b'{"batchItemFailures": [{"messageId": "a"}]}', ALL),
        (b'{"batchItemFailures": [{"itemIdentifier": "somebody else"}]}', ALL),
        (b'{"batchItemFailures": [{"itemIdentifier": ["a"]}]}', ALL),
        (b'{"batchItemFailures": ["a"]}', ALL),
        (b'{"batchItemFailures": 7}', ALL),
        (b'["a"]', ALL),
    ],
)
def test_what_stays_in_the_queue(payload: bytes, left: set[str]) -> None:
    assert batch.left(Invoked(payload), ["a", "b"], reports=True) == left
    assert batch.left(Invoked(payload), ["a", "b"], reports=False) == frozenset()
    assert batch.left(Invoked(payload, "Unhandled"), ["a", "b"], reports=True) == ALL
    assert batch.left(Invoked(payload, "Unhandled"), ["a", "b"], reports=False) == ALL
