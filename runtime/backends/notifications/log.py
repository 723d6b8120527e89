"""Notifications of a machine of one's own: lines in the reaper's journal, and nobody is sent anything."""

from __future__ import annotations

import logging

from core.notifications import Notification

log = logging.getLogger("pilotlight.reaper")


class LogNotifications:
    """What a stack on AWS publishes to a topic is a line of the log here, whole."""

    def send(self, topic: str, notification: Notification) -> bool:  # noqa: ARG002 - there is no topic
        """Write it down, which always succeeds."""
        facts = {"kind": notification.kind.value, "unit": notification.unit, "id": notification.id}
        log.info("notification: %s", notification.summary, extra={"facts": facts})
        return True
