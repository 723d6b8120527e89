"""`pulumi up`: reads the stack's settings, and makes what `components/deployment.py` describes.

A wrong setting is one message without a traceback; nothing has been made then.
"""

from __future__ import annotations

import os
import sys
from typing import Final

import pulumi
from pulumi.runtime import config

from components import deployment
from core.errors import PilotlightError
from core.settings import load

# Pulumi's Python host reads this exit code as "the message was shown"; any other adds a line about the exit code
MESSAGE_WAS_SHOWN: Final = 32


def main() -> None:
    """The whole program."""
    stack = pulumi.get_stack()
    try:
        settings = load(config.get_config_env(), stack, secret_keys=config.get_config_secret_keys_env())
        deployment.check(settings, os.environ)
        outputs = deployment.build(settings)
    except PilotlightError as error:
        pulumi.log.error(str(error))
        sys.exit(MESSAGE_WAS_SHOWN)
    for name, value in outputs.items():
        pulumi.export(name, value)


main()
