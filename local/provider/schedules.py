"""EventBridge Scheduler. The id is `group/name`."""

# ruff: noqa: ARG002 (a protocol names the arguments)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.provider.kind import Kind, Values, given
from local.provider.properties import Difference


class Schedule(Kind):
    """When to call what."""

    token = "aws:scheduler/schedule:Schedule"
    name_property = "name"
    computed = ("arn",)
    gone = ("ResourceNotFoundException",)

    def create(self, want: Values) -> str:
        """CreateSchedule."""
        self.aws.client("scheduler").create_schedule(**_arguments(want))
        return f"{want.get('groupName', 'default')}/{want['name']}"

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """GetSchedule."""
        group, _, name = ident.partition("/")
        seen = self.aws.client("scheduler").get_schedule(GroupName=group, Name=name)
        window, target = seen["FlexibleTimeWindow"], seen["Target"]
        retry = target.get("RetryPolicy") or {}
        letters = target.get("DeadLetterConfig")
        return {
            "arn": seen["Arn"],
            "description": seen.get("Description", ""),
            "endDate": _moment(seen.get("EndDate")),
            "flexibleTimeWindow": given(
                mode=window["Mode"], maximumWindowInMinutes=window.get("MaximumWindowInMinutes")
            ),
            "groupName": seen["GroupName"],
            "name": seen["Name"],
            "scheduleExpression": seen["ScheduleExpression"],
            "scheduleExpressionTimezone": seen.get("ScheduleExpressionTimezone") or "UTC",
            "startDate": _moment(seen.get("StartDate")),
            "state": seen["State"],
            "target": given(
                arn=target["Arn"],
                roleArn=target["RoleArn"],
                input=target.get("Input"),
                deadLetterConfig={"arn": letters["Arn"]} if letters else None,
                retryPolicy=given(
                    maximumEventAgeInSeconds=retry.get("MaximumEventAgeInSeconds", 86400),
                    maximumRetryAttempts=retry.get("MaximumRetryAttempts", 185),
                ),
            ),
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """UpdateSchedule, which takes the whole of it."""
        self.aws.client("scheduler").update_schedule(**_arguments(new))

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteSchedule."""
        group, _, name = ident.partition("/")
        self.aws.client("scheduler").delete_schedule(GroupName=group, Name=name)


def _moment(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value.strftime("%Y-%m-%dT%H:%M:%SZ"))


def _arguments(want: Values) -> Values:
    window, target = want["flexibleTimeWindow"], want["target"]
    retry, letters = target.get("retryPolicy"), target.get("deadLetterConfig")
    policy = retry and given(
        MaximumEventAgeInSeconds=retry.get("maximumEventAgeInSeconds"),
        MaximumRetryAttempts=retry.get("maximumRetryAttempts"),
    )
    return given(
        Name=want["name"],
        GroupName=want.get("groupName", "default"),
        Description=want.get("description"),
        EndDate=want.get("endDate"),
        StartDate=want.get("startDate"),
        FlexibleTimeWindow=given(Mode=window["mode"], MaximumWindowInMinutes=window.get("maximumWindowInMinutes")),
        ScheduleExpression=want["scheduleExpression"],
        ScheduleExpressionTimezone=want["scheduleExpressionTimezone"],
        State=want["state"],
        Target=given(
            Arn=target["arn"],
            RoleArn=target["roleArn"],
            Input=target.get("input"),
            RetryPolicy=policy or None,
            DeadLetterConfig={"Arn": letters["arn"]} if letters else None,
        ),
    )
