"""`pulumi up`: reads the stack's settings, and makes what `components/deployment.py` describes.

A wrong setting is one message without a traceback; nothing has been made then.
"""

from __future__ import annotations

import os

import pulumi
from pulumi.runtime import config

from components import deployment, guard
from core.errors import PilotlightError
from core.settings import load


def main() -> None:
    """The whole program; RunError is the engine's way to end with a message and nothing else."""
    stack = pulumi.get_stack()
    try:
        settings = load(config.get_config_env(), stack)
        guard.check(settings.cloud, stack, os.environ)
        outputs = deployment.build(settings)
    except PilotlightError as error:
        raise pulumi.RunError(str(error)) from None
    for name, value in outputs.items():
        pulumi.export(name, value)


main()
