"""Where alerts go: one SNS topic, and who gets them by mail. Webhooks have queues of their own (`webhooks.py`).

The topic is not encrypted with the account's SNS key, because CloudWatch alarms may not use that key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws.tags import Identity

ROLE = "alerts"


@dataclass(frozen=True)
class AlertsArgs:
    """Whose topic it is. AWS asks each address of `email` to confirm; until then it gets nothing.

    `name` None: drawn; a topic that another stack's reaper writes to is known by its name.
    """

    identity: Identity
    email: Sequence[str] = ()
    name: pulumi.Input[str] | None = None


class Alerts(pulumi.ComponentResource):
    """`topic` takes what the reaper and the alarms say."""

    topic: aws.sns.Topic

    def __init__(self, name: str, args: AlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pilotlight:index:Alerts", name, None, opts)
        self.topic = aws.sns.Topic(
            f"{name}-topic",
            name=args.name,
            tags=args.identity.tags(ROLE, f"{name}-topic"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        for address in args.email:
            # By a digest of the address and not by its place, or who stands behind a removed one had to confirm again
            aws.sns.TopicSubscription(
                f"{name}-email-{hashlib.sha256(address.encode()).hexdigest()[:8]}",
                topic=self.topic.arn,
                protocol="email",
                endpoint=address,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({"topicArn": self.topic.arn})
