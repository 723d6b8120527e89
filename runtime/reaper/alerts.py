"""Where notices go: a stack's SNS topic, which has queues (webhooks) and mail addresses behind it."""

from __future__ import annotations

import json
import logging
from typing import Final, Protocol

from core.notices import Notice, email, subject

log = logging.getLogger("pilotlight.reaper")
READ_TIMEOUT_S: Final = 3.0
ATTEMPTS: Final = 2  # what fails is sent again by the next pass


class Alerts(Protocol):
    """Where notices go. What cannot be sent is never a reason to stop driving leases."""

    def send(self, topic: str, notice: Notice) -> bool:
        """Send one; False where it could not be sent and should be tried again."""
        ...


class SnsAlerts:
    """Notices to a stack's SNS topic: JSON for queues and programs, readable text for mail."""

    def __init__(self, region: str) -> None:
        self._region = region

    def send(self, topic: str, notice: Notice) -> bool:
        """Publish; a notice of a unit without a topic is in the log only."""
        facts = {"kind": notice.kind.value, "unit": notice.unit, "id": notice.id}
        log.info("notice: %s", notice.summary, extra={"facts": facts})
        if not topic:
            return True
        from botocore.exceptions import BotoCoreError, ClientError

        from runtime import aws

        body = notice.to_json()
        message = json.dumps({"default": body, "sqs": body, "email": email(notice)})
        try:
            sns = aws.client("sns", self._region, read_timeout_s=READ_TIMEOUT_S, attempts=ATTEMPTS)
            sns.publish(TopicArn=topic, Subject=subject(notice), MessageStructure="json", Message=message)
        except (BotoCoreError, ClientError) as error:
            aws.failed(error)
            log.error("could not publish %s to %s: %s", notice.id, topic, error, extra={"facts": facts})
            return False
        return True
