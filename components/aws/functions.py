"""What the Lambda functions have in common: a name of ours, with a log that ends."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.aws.roles import Tags
from components.aws.tags import Identity


def named(
    name: str, of: str, identity: Identity, *, log_retention_days: int, tags: Tags, opts: pulumi.ResourceOptions
) -> tuple[pulumi.Output[str], aws.cloudwatch.LogGroup]:
    """A function's name `<stack>-<of>-<deployment id>` and its log group `<name>-log`.

    The function's name is ours, so that its log group, with an end to its log, is there before it.
    """
    own = pulumi.Output.concat(identity.stack, f"-{of}-", identity.deployment_id)
    log = aws.cloudwatch.LogGroup(
        f"{name}-log",
        name=pulumi.Output.concat("/aws/lambda/", own),
        retention_in_days=log_retention_days,
        tags=tags,
        opts=opts,
    )
    return own, log
