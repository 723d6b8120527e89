"""Tags on every AWS resource, and names that policies are conditioned on."""

from __future__ import annotations

from typing import Final

# ---------------------------------------------------------------- tags (keys) on every AWS resource
TAG_STACK: Final = "pilotlight:stack"
TAG_DEPLOYMENT: Final = "pilotlight:deployment"  # the deployment id; the relay's start is conditioned on it
TAG_ROLE: Final = "pilotlight:role"  # host | gateway | control | …
TAG_UNIT: Final = "pilotlight:unit"  # value is the lease's pk
TAG_AUTO_STOP: Final = "pilotlight:auto-stop"  # "30m" | "off"; read live by the reaper
TAG_SCHEDULE: Final = "pilotlight:schedule"
TAG_MAX_LEASE: Final = "pilotlight:max-lease"
TAG_CONTROL: Final = "pilotlight:control"  # whose reaper may start and stop it: the deployment id of a Control's stack

TAG_SNAPSHOTS: Final = "pilotlight:snapshots-of"  # on a data volume, and on its snapshots: the deployment id


def guest_topic(control_id: str, deployment_id: str = "*") -> str:
    """Name of the alerts topic of a stack that shares a control: its reaper may publish to all that begin so.

    By name, since Publish knows no condition on a topic's tags (service authorization reference of Amazon SNS).
    """
    return f"pilotlight-{control_id}-{deployment_id}"
