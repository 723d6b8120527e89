"""Where alerts go: one SNS topic. Subscriptions (mail, webhooks) come with `pilotlight:notify`, a later release.

The topic is not encrypted with the account's SNS key, because CloudWatch alarms may not use that key.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.tags import Identity

ROLE = "alerts"


@dataclass(frozen=True)
class AlertsArgs:
    """Whose topic it is. `name` None: drawn; a topic that another stack's reaper writes to is known by its name."""

    identity: Identity
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
        self.register_outputs({"topicArn": self.topic.arn})
