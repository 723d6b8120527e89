"""What the Lambda functions have in common: a name of ours with a log that ends, and a role for one service."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws

from components import policies
from components.machine import Tags
from components.tags import Identity


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


def role(
    name: str, service: str, document: pulumi.Input[Any], tags: Tags, opts: pulumi.ResourceOptions
) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
    """A role `<name>-role` that one AWS service may take, and its one inline policy (`document`, JSON)."""
    trust = json.dumps(policies.trust(service))
    made = aws.iam.Role(f"{name}-role", assume_role_policy=trust, tags=tags, opts=opts)
    return made, aws.iam.RolePolicy(f"{name}-policy", role=made.id, policy=document, opts=opts)
