"""Webhooks: topic → one queue each → the notifier (Lambda), which signs and sends. ADR 8 says why by way of queues.

A queue a webhook, so that a receiver that is down delays nobody else: its messages wait, come again later and later
(the notifier lengthens their visibility time-out), and after MAX_RECEIVES go to the stack's one dead-letter queue,
where an alarm sees them. URLs and the signing key are secrets all the way: a Pulumi secret, then a SecureString.

That alarm goes to the same topic, so to the webhook that fails too, and may end in the dead-letter queue itself. It
does not go round: an alarm acts when its state changes, a message more keeps it as it is, and OK is not reported.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components.aws import archive, policies, roles
from components.aws.tags import Identity
from core.contract import documents
from core.settings import Webhook

ROLE: Final = "webhooks"
KEY_BYTES: Final = 32  # as long as HMAC-SHA256's own output (RFC 2104, section 3)
MEMORY_MIB: Final = 128
TIMEOUT_S: Final = 30
# AWS wants at least six times the function's time-out (Lambda guide, "Configuring a queue to use with Lambda")
VISIBILITY_S: Final = 240
RETENTION_S: Final = 4 * 86400
DEAD_RETENTION_S: Final = 14 * 86400  # SQS's longest; counted from the first sending, so it must exceed the queue's
MAX_RECEIVES: Final = 8
BATCH: Final = 1  # one message an invocation: one slow call must not use up the time of the next
CONCURRENCY: Final = 2  # AWS's least. A new account has 10 for all its functions, and the reaper needs one of them
ALARM_PERIOD_S: Final = 300


@dataclass(frozen=True)
class WebhooksArgs:
    """Who is told of what comes to the topic; at least one webhook."""

    identity: Identity
    topic_arn: pulumi.Input[str]
    webhooks: Sequence[Webhook]
    log_retention_days: int


class Webhooks(pulumi.ComponentResource):
    """`key` (secret output, hex) is what every call is signed with; `notifier` is the function."""

    key: pulumi.Output[str]
    notifier: aws.lambda_.Function

    def __init__(self, name: str, args: WebhooksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pilotlight:index:Webhooks", name, None, opts)
        self._name, self._args = name, args
        self._opts = pulumi.ResourceOptions(parent=self)
        # RandomBytes and not RandomId: the latter's id is the number itself, in plain, in the state and on the screen
        self.key = pulumi.Output.secret(random.RandomBytes(f"{name}-key", length=KEY_BYTES, opts=self._opts).hex)
        dead = self._dead_letters()
        queues = [self._queue(f"{name}-{index}", dead) for index in range(len(args.webhooks))]
        self.notifier = self._notifier(self._parameter(queues), queues)
        for index, queue in enumerate(queues):
            self._mapping(f"{name}-{index}", queue)
        self.register_outputs({"notifierFunction": self.notifier.name})

    def _tags(self) -> dict[str, pulumi.Input[str]]:
        return self._args.identity.tags(ROLE, self._name)

    def _dead_letters(self) -> aws.sqs.Queue:
        queue = aws.sqs.Queue(
            f"{self._name}-dead", message_retention_seconds=DEAD_RETENTION_S, tags=self._tags(), opts=self._opts
        )
        aws.cloudwatch.MetricAlarm(
            f"{self._name}-undelivered",
            alarm_description="a webhook did not take a notification: it is in the dead-letter queue",
            namespace="AWS/SQS",
            metric_name="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": queue.name},
            statistic="Maximum",
            period=ALARM_PERIOD_S,
            evaluation_periods=1,
            threshold=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",  # SQS reports nothing of a queue that was empty for six hours
            alarm_actions=[self._args.topic_arn],  # and no ok_actions: see the module's docstring
            tags=self._tags(),
            opts=self._opts,
        )
        return queue

    def _queue(self, name: str, dead: aws.sqs.Queue) -> aws.sqs.Queue:
        queue = aws.sqs.Queue(
            name,
            visibility_timeout_seconds=VISIBILITY_S,
            message_retention_seconds=RETENTION_S,
            redrive_policy=pulumi.Output.json_dumps(
                {"deadLetterTargetArn": dead.arn, "maxReceiveCount": MAX_RECEIVES}, sort_keys=True
            ),
            tags=self._tags(),
            opts=self._opts,
        )
        known = pulumi.Output.all(queue.arn, self._args.topic_arn)
        allowed = aws.sqs.QueuePolicy(
            f"{name}-policy",
            queue_url=queue.url,
            policy=known.apply(lambda a: json.dumps(policies.queue(queue_arn=a[0], topic_arn=a[1]))),
            opts=self._opts,
        )
        aws.sns.TopicSubscription(
            f"{name}-subscription",
            topic=self._args.topic_arn,
            protocol="sqs",
            endpoint=queue.arn,
            raw_message_delivery=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[allowed]),
        )
        return queue

    def _parameter(self, queues: Sequence[aws.sqs.Queue]) -> aws.ssm.Parameter:
        """What `core.contract` describes beside NOTIFIER_ENV_WEBHOOKS."""
        webhooks = self._args.webhooks
        assert all(w.url for w in webhooks), "Pulumi decrypts what it hands to its program"
        arns = pulumi.Output.all(*(queue.arn for queue in queues))
        urls = pulumi.Output.all(*(pulumi.Output.secret(webhook.url) for webhook in webhooks))
        entries = pulumi.Output.all(arns, urls).apply(
            lambda a: {
                arn: {"url": url, "format": webhook.body}
                for arn, url, webhook in zip(a[0], a[1], webhooks, strict=True)
            }
        )
        return aws.ssm.Parameter(
            f"{self._name}-parameter",
            type=aws.ssm.ParameterType.SECURE_STRING,
            value=pulumi.Output.json_dumps({"key": self.key, "webhooks": entries}, sort_keys=True),
            tags=self._tags(),
            opts=self._opts,
        )

    def _notifier(self, parameter: aws.ssm.Parameter, queues: Sequence[aws.sqs.Queue]) -> aws.lambda_.Function:
        identity, days = self._args.identity, self._args.log_retention_days
        name, log = roles.function(
            self._name, "notifier", identity, log_retention_days=days, tags=self._tags(), opts=self._opts
        )
        role, may = self._role(parameter, queues, log)
        return aws.lambda_.Function(
            f"{self._name}-notifier",
            name=name,
            runtime=aws.lambda_.Runtime.PYTHON3D12,
            architectures=["arm64"],
            handler=documents.NOTIFIER_HANDLER,
            code=archive.notifier(),
            role=role.arn,
            timeout=TIMEOUT_S,
            memory_size=MEMORY_MIB,
            environment=aws.lambda_.FunctionEnvironmentArgs(
                variables={documents.NOTIFIER_ENV_WEBHOOKS: parameter.name},
            ),
            tags=self._tags(),
            # a mapping is refused until the function's role may read the queue
            opts=pulumi.ResourceOptions(parent=self, depends_on=[log, may]),
        )

    def _role(
        self, parameter: aws.ssm.Parameter, queues: Sequence[aws.sqs.Queue], log: aws.cloudwatch.LogGroup
    ) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
        known = pulumi.Output.all(parameter.arn, log.arn, *(queue.arn for queue in queues))
        document = known.apply(
            lambda a: json.dumps(policies.notifier(parameter_arn=a[0], log_group_arn=a[1], queue_arns=a[2:]))
        )
        return roles.role(f"{self._name}-notifier", "lambda.amazonaws.com", document, self._tags(), self._opts)

    def _mapping(self, name: str, queue: aws.sqs.Queue) -> None:
        aws.lambda_.EventSourceMapping(
            f"{name}-mapping",
            event_source_arn=queue.arn,
            function_name=self.notifier.name,
            batch_size=BATCH,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(maximum_concurrency=CONCURRENCY),
            tags=self._tags(),
            opts=self._opts,
        )
