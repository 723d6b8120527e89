"""CloudWatch: log groups and metric alarms."""

# ruff: noqa: ARG002 (a protocol names the arguments)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.provider.kind import Kind, Values, changed, given, tag_changes, tag_list, tag_map
from local.provider.properties import Difference

ALARM = {
    "actionsEnabled": "ActionsEnabled",
    "alarmActions": "AlarmActions",
    "alarmDescription": "AlarmDescription",
    "comparisonOperator": "ComparisonOperator",
    "datapointsToAlarm": "DatapointsToAlarm",
    "evaluationPeriods": "EvaluationPeriods",
    "extendedStatistic": "ExtendedStatistic",
    "insufficientDataActions": "InsufficientDataActions",
    "metricName": "MetricName",
    "name": "AlarmName",
    "namespace": "Namespace",
    "okActions": "OKActions",
    "period": "Period",
    "statistic": "Statistic",
    "threshold": "Threshold",
    "treatMissingData": "TreatMissingData",
    "unit": "Unit",
}


class LogGroup(Kind):
    """A log group. The id is its name."""

    token = "aws:cloudwatch/logGroup:LogGroup"
    name_property = "name"
    computed = ("arn", "tagsAll")
    gone = ("ResourceNotFoundException",)

    def create(self, want: Values) -> str:
        """CreateLogGroup."""
        tags = {"tags": want["tags"]} if want.get("tags") else {}
        self.aws.client("logs").create_log_group(logGroupName=want["name"], **tags)
        return str(want["name"])

    def finish(self, ident: str, want: Values) -> None:
        """How long it keeps."""
        if want["retentionInDays"]:
            self.aws.client("logs").put_retention_policy(logGroupName=ident, retentionInDays=want["retentionInDays"])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """DescribeLogGroups by the whole name."""
        client = self.aws.client("logs")
        found = client.describe_log_groups(logGroupNamePrefix=ident)["logGroups"]
        seen = next((g for g in found if g["logGroupName"] == ident), None)
        if seen is None:
            return None
        arn = seen["arn"].removesuffix(":*")
        tags = client.list_tags_log_group(logGroupName=ident).get("tags") or {}
        return {
            "arn": arn,
            "name": seen["logGroupName"],
            "retentionInDays": seen.get("retentionInDays", 0),
            "tags": tags,
            "tagsAll": tags,
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """Retention and tags."""
        client, names = self.aws.client("logs"), changed(changes)
        if "retentionInDays" in names and new["retentionInDays"]:
            client.put_retention_policy(logGroupName=ident, retentionInDays=new["retentionInDays"])
        elif "retentionInDays" in names:
            client.delete_retention_policy(logGroupName=ident)
        put, drop = tag_changes(old, new)
        if drop:
            client.untag_log_group(logGroupName=ident, tags=drop)
        if put:
            client.tag_log_group(logGroupName=ident, tags=put)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteLogGroup."""
        if not state.get("skipDestroy"):
            self.aws.client("logs").delete_log_group(logGroupName=ident)


class MetricAlarm(Kind):
    """An alarm on one metric, or on an expression over several. The id is its name."""

    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    name_property = "name"
    computed = ("arn", "tagsAll")
    gone = ("ResourceNotFound", "ResourceNotFoundException")

    def create(self, want: Values) -> str:
        """PutMetricAlarm."""
        self._put(want, {"Tags": tag_list(want.get("tags"))} if want.get("tags") else {})
        return str(want["name"])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """DescribeAlarms."""
        client = self.aws.client("cloudwatch")
        found = client.describe_alarms(AlarmNames=[ident], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
        if not found:
            return None
        seen = found[0]
        tags = tag_map(client.list_tags_for_resource(ResourceARN=seen["AlarmArn"])["Tags"])
        dimensions = {d["Name"]: d["Value"] for d in seen.get("Dimensions") or ()}
        values = {name: seen.get(key) for name, key in ALARM.items()}
        queries = [_query_seen(query) for query in seen.get("Metrics") or ()]
        more = {"arn": seen["AlarmArn"], "dimensions": dimensions, "metricQueries": queries}
        return values | more | {"tags": tags, "tagsAll": tags}

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """PutMetricAlarm replaces the whole alarm but its tags."""
        client = self.aws.client("cloudwatch")
        if changed(changes) - {"tags"}:
            self._put(new, {})
        arn, (put, drop) = self.aws.arn("cloudwatch", f"alarm:{ident}"), tag_changes(old, new)
        if drop:
            client.untag_resource(ResourceARN=arn, TagKeys=drop)
        if put:
            client.tag_resource(ResourceARN=arn, Tags=tag_list(put))

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteAlarms."""
        self.aws.client("cloudwatch").delete_alarms(AlarmNames=[ident])

    def _put(self, want: Values, extra: Values) -> None:
        values = {key: want[name] for name, key in ALARM.items() if want.get(name) is not None}
        if queries := want.get("metricQueries"):
            values["Metrics"] = [_query(query) for query in queries]
        else:
            values["Dimensions"] = tag_list(want.get("dimensions"), "Name")
        self.aws.client("cloudwatch").put_metric_alarm(**values, **extra)


def _query(want: Values) -> Values:
    """A `metricQueries` entry as PutMetricAlarm takes it: an expression, or a metric with its statistic."""
    metric = want.get("metric")
    return given(
        Id=want["id"],
        Expression=want.get("expression"),
        Label=want.get("label"),
        Period=want.get("period"),
        ReturnData=bool(want.get("returnData")),
        MetricStat=_stat(metric) if metric else None,
    )


def _stat(metric: Values) -> Values:
    dimensions = tag_list(metric.get("dimensions"), "Name")
    about = given(MetricName=metric["metricName"], Namespace=metric.get("namespace"), Dimensions=dimensions)
    return given(Metric=about, Period=metric["period"], Stat=metric["stat"], Unit=metric.get("unit"))


def _query_seen(seen: Values) -> Values:
    """The same, the other way round."""
    found = {
        "expression": seen.get("Expression"),
        "id": seen["Id"],
        "label": seen.get("Label"),
        "period": seen.get("Period"),
        "returnData": bool(seen.get("ReturnData")),
    }
    if stat := seen.get("MetricStat"):
        about = stat["Metric"]
        found["metric"] = {
            "dimensions": {d["Name"]: d["Value"] for d in about.get("Dimensions") or ()},
            "metricName": about["MetricName"],
            "namespace": about.get("Namespace"),
            "period": stat["Period"],
            "stat": stat["Stat"],
            "unit": stat.get("Unit"),
        }
    return found
