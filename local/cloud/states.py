"""EC2's instance states as the embedded cloud tells them: codes, reasons and which order is allowed when.

Sources: EC2 API reference (InstanceState, StateReason), EC2 user guide "Instance state change". moto makes every
change at once and allows any; here a state is entered only when the container has followed.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import InstanceState, StateReason

CODES: Final = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
USER: Final = "Client.UserInitiatedShutdown"
INSIDE: Final = "Client.InstanceInitiatedShutdown"
SERVER: Final = "Server.InternalError"
_WORDS: Final = {
    USER: "User initiated shutdown",
    INSIDE: "Instance initiated shutdown",
    SERVER: "Internal error on launch",
}

# order → states in which it does something, states in which it does nothing; anywhere else it is refused
ORDERS: Final = {
    "start": ({"stopped"}, {"pending", "running"}),
    "stop": ({"running"}, {"stopping", "stopped"}),
    "terminate": ({"pending", "running", "stopping", "stopped"}, {"shutting-down", "terminated"}),
    "reboot": ({"running"}, set[str]()),
}
_PARTICIPLE: Final = {"start": "started", "stop": "stopped", "terminate": "terminated", "reboot": "rebooted"}


def enter(instance: Any, name: str, reason: str = "") -> None:
    """Put an instance into a state, with StateReason and StateTransitionReason as EC2 writes them."""
    instance._state = InstanceState(name, CODES[name])
    instance.state_reason = StateReason(f"{reason}: {_WORDS[reason]}", reason) if reason else StateReason()
    stamp = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M:%S GMT")
    instance._reason = f"User initiated ({stamp})" if reason == USER else ""


def acts(instance: Any, order: str) -> bool:
    """Whether the order does something now; EC2's IncorrectInstanceState where it is not allowed."""
    does, idle = ORDERS[order]
    if instance.state in does:
        return True
    if instance.state in idle:
        return False
    raise EC2ClientError(
        "IncorrectInstanceState",
        f"The instance '{instance.id}' is not in a state from which it can be {_PARTICIPLE[order]}.",
    )


def require_stopped(instance: Any) -> None:
    """EC2 changes an instance's type and user data only while it is stopped."""
    if instance.state != "stopped":
        raise EC2ClientError("IncorrectInstanceState", f"The instance '{instance.id}' is not in the 'stopped' state.")
