"""Where notifications go. `Notifications` is the protocol; one file a way (`sns.py`)."""

from __future__ import annotations

from typing import Protocol

from core.notifications import Notification


class Notifications(Protocol):
    """A way to people and programs. What cannot be sent is never a reason to stop driving leases."""

    def send(self, topic: str, notification: Notification) -> bool:
        """Send one to a unit's topic; False where it could not be sent and should be tried again."""
        ...
