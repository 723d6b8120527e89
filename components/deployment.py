"""One stack: settings in, outputs out. The kind of host decides which folder makes it; nothing else here asks for it.

A new kind: a folder beside `aws/` with a `deployment.py` of its own, and a case below.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from core.settings import StackSettings


def check(settings: StackSettings, environment: Mapping[str, str]) -> None:
    """SettingsError where this process's environment leads to another cloud than the stack's, if the stack has one."""
    if settings.host.kind == "ec2":
        from components.aws import guard

        guard.check(settings.cloud, settings.stack, environment)


def build(settings: StackSettings) -> dict[str, Any]:
    """Every resource of a stack; returns its outputs by the names in `core.contract.documents.Outputs`."""
    match settings.host.kind:
        case "ec2":
            from components.aws import deployment  # here, so that a stack needs its own cloud's libraries only

            return deployment.build(settings)
        case "ssh":
            from components.ssh import deployment as own_machine

            return own_machine.build(settings)
        case unknown:
            assert_never(unknown)
