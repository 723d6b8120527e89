"""One stack: settings in, outputs out. The kind of host decides which folder makes it; nothing else here asks for it.

A new kind: a folder beside `aws/` with a `deployment.py` of its own, and a case below.
"""

from __future__ import annotations

from typing import Any, assert_never

from core.settings import StackSettings


def build(settings: StackSettings) -> dict[str, Any]:
    """Every resource of a stack; returns its outputs by the names in `core.contract.documents.Outputs`."""
    match settings.host.kind:
        case "ec2":
            from components.aws import deployment  # here, so that a stack needs its own cloud's libraries only

            return deployment.build(settings)
        case unknown:
            assert_never(unknown)
