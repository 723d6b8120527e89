"""The table, and the reaper that runs every minute over it.

No retries of old events, in both places where AWS would: a late order is worse than a missed minute. No reserved
concurrency (new accounts refuse it): overlap is made safe by the lease. One alarm watches the watcher: ten minutes
without one pass that succeeded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components.aws import archive, policies, roles
from components.aws.tags import Identity
from core.contract import documents, table

ROLE: Final = "control"
SCHEDULER: Final = "scheduler.amazonaws.com"
TIMEOUT_S: Final = 50  # a pass ends before the next one begins
MEMORY_MIB: Final = 256
OLDEST_EVENT_S: Final = 60
ALARM_PERIOD_S: Final = 300
ALARM_PERIODS: Final = 2


@dataclass(frozen=True)
class ControlArgs:
    """`instance_types` is every type that the reaper may change a host to, `kms_key_arns` every key of their disks."""

    identity: Identity
    topic_arn: pulumi.Input[str]
    instance_types: Sequence[str]
    kms_key_arns: Sequence[str]
    plain_instances: bool
    deletion_protection: bool
    log_retention_days: int


class Control(pulumi.ComponentResource):
    """`table` holds leases, settings and events; `reaper` is the scheduled function."""

    table: aws.dynamodb.Table
    reaper: aws.lambda_.Function

    def __init__(self, name: str, args: ControlArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pilotlight:index:Control", name, None, opts)
        self._name, self._args = name, args
        self._opts = pulumi.ResourceOptions(parent=self)
        self.table = self._table()
        self.reaper = self._reaper()
        self._schedule()
        self._alarm()
        self.register_outputs({"table": self.table.name, "reaperFunction": self.reaper.name})

    def _tags(self) -> dict[str, pulumi.Input[str]]:
        return self._args.identity.tags(ROLE, self._name)

    def _table(self) -> aws.dynamodb.Table:
        return aws.dynamodb.Table(
            f"{self._name}-table",
            billing_mode="PAY_PER_REQUEST",
            hash_key=table.TABLE_PK,
            range_key=table.TABLE_SK,
            attributes=[
                aws.dynamodb.TableAttributeArgs(name=table.TABLE_PK, type="S"),
                aws.dynamodb.TableAttributeArgs(name=table.TABLE_SK, type="S"),
            ],
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
            deletion_protection_enabled=self._args.deletion_protection,
            tags=self._tags(),
            opts=self._opts,
        )

    def _reaper(self) -> aws.lambda_.Function:
        identity, days = self._args.identity, self._args.log_retention_days
        name, log = roles.function(
            self._name, "reaper", identity, log_retention_days=days, tags=self._tags(), opts=self._opts
        )
        role = self._role("reaper", "lambda.amazonaws.com", self._reaper_policy(log.arn))
        reaper = aws.lambda_.Function(
            f"{self._name}-reaper",
            name=name,
            runtime=aws.lambda_.Runtime.PYTHON3D12,
            architectures=["arm64"],
            handler=documents.REAPER_HANDLER,
            code=archive.reaper(),
            role=role.arn,
            timeout=TIMEOUT_S,
            memory_size=MEMORY_MIB,
            environment=aws.lambda_.FunctionEnvironmentArgs(
                variables={
                    documents.REAPER_ENV_TABLE: self.table.name,
                    documents.REAPER_ENV_DEPLOYMENT: self._args.identity.deployment_id,
                    documents.REAPER_ENV_TOPIC: self._args.topic_arn,
                    **({documents.REAPER_ENV_PLAIN: "on"} if self._args.plain_instances else {}),
                }
            ),
            tags=self._tags(),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[log]),
        )
        aws.lambda_.FunctionEventInvokeConfig(
            f"{self._name}-reaper-events",
            function_name=reaper.name,
            maximum_retry_attempts=0,
            maximum_event_age_in_seconds=OLDEST_EVENT_S,
            opts=self._opts,
        )
        return reaper

    def _reaper_policy(self, log_group_arn: pulumi.Output[str]) -> pulumi.Output[str]:
        args = self._args
        known = pulumi.Output.all(args.identity.deployment_id, self.table.arn, args.topic_arn, log_group_arn)
        return known.apply(
            lambda a: json.dumps(
                policies.reaper(
                    control_id=a[0],
                    table_arn=a[1],
                    topic_arn=a[2],
                    log_group_arn=a[3],
                    instance_types=args.instance_types,
                    kms_key_arns=args.kms_key_arns,
                    plain_instances=args.plain_instances,
                )
            )
        )

    def _role(self, of: str, service: str, document: pulumi.Output[str]) -> aws.iam.Role:
        return roles.role(f"{self._name}-{of}", service, document, self._tags(), self._opts)[0]

    def _schedule(self) -> None:
        """Scheduler takes the role for schedules of this account only, though it acts for whoever names one."""
        arn = self.reaper.arn
        role, _ = roles.role(
            f"{self._name}-schedule",
            SCHEDULER,
            arn.apply(lambda a: json.dumps(policies.schedule(reaper_arn=a))),
            self._tags(),
            self._opts,
            trust=arn.apply(lambda a: json.dumps(policies.trust_in_account(SCHEDULER, arn=a))),
        )
        aws.scheduler.Schedule(
            f"{self._name}-schedule",
            description="the reaper, every minute",
            schedule_expression="rate(1 minute)",
            flexible_time_window=aws.scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF"),
            target=aws.scheduler.ScheduleTargetArgs(
                arn=self.reaper.arn,
                role_arn=role.arn,
                input=json.dumps({documents.EVENT_SCHEDULED_AT: "<aws.scheduler.scheduled-time>"}),
                retry_policy=aws.scheduler.ScheduleTargetRetryPolicyArgs(
                    maximum_retry_attempts=0, maximum_event_age_in_seconds=OLDEST_EVENT_S
                ),
            ),
            opts=self._opts,
        )

    def _alarm(self) -> None:
        """Passes that succeeded, in each of two periods. FILL, because Lambda reports no metric where nothing ran.

        A pass that Lambda throttles is in neither metric (it has one of its own, Throttles): no success, as it should
        be. Where there is no data at all, FILL has nothing to fill: the alarm has insufficient data. A new alarm begins
        so, and tells nobody; one that comes to it later tells (`insufficient_data_actions`). Were what is missing
        breaching, as before, the alarm would fire at every first `up`, for the minutes before there was a reaper.
        """
        aws.cloudwatch.MetricAlarm(
            f"{self._name}-silent",
            alarm_description="the reaper has not succeeded for 10 minutes",
            metric_queries=[
                self._metric("invocations", "Invocations"),
                self._metric("errors", "Errors"),
                aws.cloudwatch.MetricAlarmMetricQueryArgs(
                    id="succeeded",
                    expression="FILL(invocations, 0) - FILL(errors, 0)",
                    label="passes that succeeded",
                    return_data=True,
                ),
            ],
            evaluation_periods=ALARM_PERIODS,
            threshold=1,
            comparison_operator="LessThanThreshold",
            treat_missing_data="missing",
            alarm_actions=[self._args.topic_arn],
            insufficient_data_actions=[self._args.topic_arn],
            ok_actions=[self._args.topic_arn],
            tags=self._tags(),
            opts=self._opts,
        )

    def _metric(self, name: str, metric: str) -> aws.cloudwatch.MetricAlarmMetricQueryArgs:
        return aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id=name,
            metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                namespace="AWS/Lambda",
                metric_name=metric,
                dimensions={"FunctionName": self.reaper.name},
                stat="Sum",
                period=ALARM_PERIOD_S,
            ),
        )
