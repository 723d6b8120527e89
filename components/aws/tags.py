"""The tags on every resource. The deployment id is also in every IAM condition."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from core.contract import tags


@dataclass(frozen=True)
class Identity:
    """Whose resource it is: the stack's name, and the id that the stack drew once."""

    stack: str
    deployment_id: pulumi.Output[str]

    def tags(self, role: str, name: str = "", **more: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
        """Tags of a resource; `role` is host, gateway, control, …; `name` is what consoles show."""
        own: dict[str, pulumi.Input[str]] = {
            "Name": name or f"{self.stack}-{role}",
            tags.TAG_STACK: self.stack,
            tags.TAG_DEPLOYMENT: self.deployment_id,
            tags.TAG_ROLE: role,
        }
        return own | more
