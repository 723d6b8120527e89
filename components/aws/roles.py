"""What machines and Lambda functions run as: a role with one inline policy, and a function's name with its log."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.aws import policies
from components.aws.tags import Identity

Tags = Mapping[str, pulumi.Input[str]]


def role(
    name: str,
    service: str,
    document: pulumi.Input[str],
    tags: Tags,
    opts: pulumi.ResourceOptions,
    *,
    trust: pulumi.Input[str] | None = None,
) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
    """A role `<name>-role` that `service` (e.g. `lambda.amazonaws.com`) may take, and its policy (`document`, JSON).

    `trust` (JSON) instead of `service` alone: where the service must also act for this account.
    """
    made = aws.iam.Role(
        f"{name}-role", assume_role_policy=trust or json.dumps(policies.trust(service)), tags=tags, opts=opts
    )
    return made, aws.iam.RolePolicy(f"{name}-policy", role=made.id, policy=document, opts=opts)


def function(
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
