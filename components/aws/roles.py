"""A role for one AWS service, with one inline policy: what machines and Lambda functions act as."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.aws import policies

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
