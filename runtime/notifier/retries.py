"""When a message that was not delivered is tried again: 30 s, 1 min, 2 min, … up to 15 min, with jitter.

SQS counts the tries; the time until the next is the message's visibility. Where it cannot be set the queue's own
applies, so a message comes back either way.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from typing import Any, Final

FIRST_S: Final = 30.0
LONGEST_S: Final = 900.0
JITTER: Final = (0.8, 1.2)  # many messages that failed at one moment do not come back at one moment

log = logging.getLogger("pilotlight.notifier")


def wait_s(receives: int, jitter: float = 1.0) -> int:
    """Seconds until the next try after so many."""
    doubled = FIRST_S * (1 << min(max(0, receives - 1), 10))
    return round(min(LONGEST_S, doubled * jitter))


class Retries:
    """Puts messages off."""

    def __init__(self, region: str) -> None:
        self._region = region

    def put_off(self, record: Mapping[str, Any], why: str) -> None:
        """Make the message visible later; `why` is for the log."""
        from runtime import aws

        tries = _receives(record)
        later = wait_s(tries, random.uniform(*JITTER))
        facts = {"message": record["messageId"], "why": why, "tries": tries, "again_in_s": later}
        log.warning("not delivered", extra={"facts": facts})
        try:
            sqs = aws.client("sqs", self._region)
            sqs.change_message_visibility(
                QueueUrl=queue_url(sqs.meta.endpoint_url, str(record["eventSourceARN"])),
                ReceiptHandle=record["receiptHandle"],
                VisibilityTimeout=later,
            )
        except aws.errors() as error:
            aws.failed(error)
            log.error("not put off, so the queue's own time counts: %s", error, extra={"facts": facts})


def queue_url(endpoint: str, arn: str) -> str:
    """A queue's URL, from its ARN: SQS is asked by URL, and looking it up would take another permission."""
    account, name = arn.split(":")[4:6]
    return f"{endpoint.rstrip('/')}/{account}/{name}"


def _receives(record: Mapping[str, Any]) -> int:
    count = record.get("attributes", {}).get("ApproximateReceiveCount", "1")
    return int(count) if str(count).isdigit() else 1
