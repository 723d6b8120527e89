"""A real stack and the embedded cloud must not meet by accident."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import SettingsError

ENDPOINT = "AWS_ENDPOINT_URL"  # also AWS_ENDPOINT_URL_EC2 and the like


def check(cloud: str, stack: str, environment: Mapping[str, str]) -> None:
    """SettingsError where the stack's cloud and the environment do not fit.

    Args:
        cloud: `aws` or `embedded`, from `pilotlight:cloud`.
        stack: for the message.
        environment: the process's.
    """
    redirected = sorted(name for name, value in environment.items() if name.startswith(ENDPOINT) and value)
    if cloud == "aws" and redirected:
        raise SettingsError(
            f"Stack `{stack}` is a real one (pilotlight:cloud: aws), but {', '.join(redirected)} sends AWS calls "
            f"elsewhere. Run `unset {' '.join(redirected)}` and try again."
        )
    if cloud == "embedded" and ENDPOINT not in redirected:
        raise SettingsError(
            f"Stack `{stack}` lives in the embedded cloud, and {ENDPOINT} does not name one. "
            f"Run `make demo`, or `fab cloud.up` and then `fab cloud.pulumi --stack {stack} --args up`."
        )
