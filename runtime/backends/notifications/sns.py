"""Notifications by a stack's SNS topic, which has queues (webhooks) and mail addresses behind it."""

from __future__ import annotations

import json
import logging
from typing import Final

from core.notifications import Notification, email, subject

log = logging.getLogger("pilotlight.reaper")
READ_TIMEOUT_S: Final = 3.0
ATTEMPTS: Final = 2  # what fails is sent again by the next pass


class SnsNotifications:
    """Notifications to a stack's SNS topic: JSON for queues and programs, readable text for mail."""

    def __init__(self, region: str) -> None:
        self._region = region

    def send(self, topic: str, notification: Notification) -> bool:
        """Publish; a notification of a unit without a topic is in the log only."""
        facts = {"kind": notification.kind.value, "unit": notification.unit, "id": notification.id}
        log.info("notification: %s", notification.summary, extra={"facts": facts})
        if not topic:
            return True
        from runtime import aws

        body = notification.to_json()
        message = json.dumps({"default": body, "sqs": body, "email": email(notification)})
        try:
            sns = aws.client("sns", self._region, read_timeout_s=READ_TIMEOUT_S, attempts=ATTEMPTS)
            sns.publish(TopicArn=topic, Subject=subject(notification), MessageStructure="json", Message=message)
        except aws.errors() as error:
            aws.failed(error)
            log.error("could not publish %s to %s: %s", notification.id, topic, error, extra={"facts": facts})
            return False
        return True
