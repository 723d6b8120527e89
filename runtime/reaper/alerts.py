"""Telling people. SNS now; `Alerts` is the protocol, so that webhooks join as another class, not another branch."""

from __future__ import annotations

import json
import logging
from typing import Protocol

log = logging.getLogger("pilotlight.reaper")


class Alerts(Protocol):
    """Where alerts go. A failed alert is logged, never a reason to stop driving leases."""

    def send(self, topic: str, unit: str, alert: str, reason: str) -> bool:
        """Send one; False where it could not be sent and should be tried again."""
        ...


class SnsAlerts:
    """Alerts to a stack's SNS topic, as JSON with the keys unit, alert, reason."""

    def __init__(self, region: str) -> None:
        self._region = region

    def send(self, topic: str, unit: str, alert: str, reason: str) -> bool:
        """Publish; an alert of a unit without a topic is in the log only."""
        log.warning("alert %s for %s: %s", alert, unit, reason)
        if not topic:
            return True
        from botocore.exceptions import BotoCoreError, ClientError

        from runtime.aws import client

        message = json.dumps({"unit": unit, "alert": alert, "reason": reason}, sort_keys=True)
        try:
            client("sns", self._region).publish(
                TopicArn=topic, Subject=f"pilotlight {unit}: {alert}"[:100], Message=message
            )
        except (BotoCoreError, ClientError) as error:
            log.error("could not publish alert %s of %s to %s: %s", alert, unit, topic, error)
            return False
        return True
