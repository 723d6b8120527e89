"""Edits behind Pulumi's back of queues, their policies, event source mappings, parameters and alarms on expressions."""

from __future__ import annotations

import json
from typing import Any

from tests.local.provider.edits_ec2 import TAGS, Edit, Inputs, Make
from tests.local.provider.ground import Ground, allow, code


def _queue(ground: Ground) -> Inputs:
    return {
        "delaySeconds": 5,
        "maxMessageSize": 65536,
        "messageRetentionSeconds": 86400,
        "policy": allow("sqs:SendMessage"),
        "receiveWaitTimeSeconds": 3,
        "redrivePolicy": json.dumps({"deadLetterTargetArn": ground.dead_letters, "maxReceiveCount": 8}),
        "sqsManagedSseEnabled": True,
        "tags": TAGS,
        "visibilityTimeoutSeconds": 240,
    }


def _attribute(name: str, value: str) -> Edit:
    def run(ground: Ground, ident: str, inputs: Inputs) -> None:
        """With the policy that there is: moto drops it in a call that does not name it."""
        now = ground.sqs.get_queue_attributes(QueueUrl=ident, AttributeNames=["All"])["Attributes"]
        ground.sqs.set_queue_attributes(QueueUrl=ident, Attributes={"Policy": now.get("Policy", ""), name: value})

    return run


QUEUE: dict[str, Edit] = {
    "delaySeconds": _attribute("DelaySeconds", "0"),
    "maxMessageSize": _attribute("MaximumMessageSize", "2048"),
    "messageRetentionSeconds": _attribute("MessageRetentionPeriod", "60"),
    "policy": _attribute("Policy", allow("sqs:*")),
    "receiveWaitTimeSeconds": _attribute("ReceiveMessageWaitTimeSeconds", "0"),
    "redrivePolicy": lambda g, i, _: _attribute(
        "RedrivePolicy", json.dumps({"deadLetterTargetArn": g.dead_letters, "maxReceiveCount": 1})
    )(g, i, _),
    "sqsManagedSseEnabled": _attribute("SqsManagedSseEnabled", "false"),
    "tags": lambda g, i, _: g.sqs.untag_queue(QueueUrl=i, TagKeys=["kept"]),
    "visibilityTimeoutSeconds": _attribute("VisibilityTimeout", "1"),
}


def _mapping(ground: Ground) -> Inputs:
    return {
        "batchSize": 1,
        "enabled": True,
        "eventSourceArn": ground.dead_letters,
        "functionName": ground.function.ident,
        "functionResponseTypes": ["ReportBatchItemFailures"],
        "maximumBatchingWindowInSeconds": 5,
        "scalingConfig": {"maximumConcurrency": 2},
        "tags": TAGS,
    }


def _map(**values: Any) -> Edit:
    return lambda g, i, _: g.lambda_.update_event_source_mapping(UUID=i, **values)


def _other_function(ground: Ground, ident: str, inputs: Inputs) -> None:
    role = ground.role.outputs["arn"]
    made = ground.driver.create(
        "aws:lambda/function:Function",
        {"code": code("b = 2"), "handler": "main.f", "runtime": "python3.12", "role": role},
        name="other-function",
    )
    ground.lambda_.update_event_source_mapping(UUID=ident, FunctionName=made.ident)


def _arn(ground: Ground, ident: str) -> str:
    return ground.aws.arn("lambda", f"event-source-mapping:{ident}")


MAPPING: dict[str, Edit] = {
    "batchSize": _map(BatchSize=7),
    "enabled": _map(Enabled=False),
    "functionName": _other_function,
    "functionResponseTypes": _map(FunctionResponseTypes=[]),
    "maximumBatchingWindowInSeconds": _map(MaximumBatchingWindowInSeconds=0),
    "scalingConfig.maximumConcurrency": _map(ScalingConfig={"MaximumConcurrency": 9}),
    "tags": lambda g, i, _: g.lambda_.untag_resource(Resource=_arn(g, i), TagKeys=["kept"]),
}


def _parameter(_: Ground) -> Inputs:
    return {"type": "SecureString", "value": "s3cr3t", "description": "webhooks", "allowedPattern": ".*",
            "keyId": "alias/aws/ssm", "tier": "Advanced", "tags": TAGS}  # fmt: skip


def _put(**values: Any) -> Edit:
    def run(ground: Ground, ident: str, inputs: Inputs) -> None:
        was = {"Value": "s3cr3t", "Type": "SecureString", "Description": "webhooks", "AllowedPattern": ".*",
               "KeyId": "alias/aws/ssm", "Tier": "Advanced"}  # fmt: skip
        wanted = {k: v for k, v in (was | values).items() if v is not None}
        ground.ssm.put_parameter(Name=ident, Overwrite=True, **wanted)

    return run


def _made_anew(ground: Ground, ident: str, inputs: Inputs) -> None:
    """The only way down from the advanced tier."""
    ground.ssm.delete_parameter(Name=ident)
    _put(Tier="Standard")(ground, ident, inputs)


PARAMETER: dict[str, Edit] = {
    "allowedPattern": _put(AllowedPattern=".+"),
    "description": _put(Description="edited"),
    "keyId": _put(KeyId="alias/mine"),
    "tags": lambda g, i, _: g.ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId=i, TagKeys=["kept"]),
    "tier": _made_anew,
    "type": _put(Type="String", KeyId=None),
    "value": _put(Value="edited"),
}


def _alarm(_: Ground) -> Inputs:
    metric = {"namespace": "AWS/Lambda", "metricName": "Errors", "stat": "Sum", "period": 300, "unit": "Count",
              "dimensions": {"FunctionName": "reaper"}}  # fmt: skip
    return {
        "comparisonOperator": "LessThanThreshold",
        "evaluationPeriods": 2,
        "metricQueries": [
            {"id": "errors", "metric": metric, "label": "bad"},
            {"id": "good", "expression": "10 - errors", "returnData": True, "label": "passes", "period": 300},
        ],
        "threshold": 1,
        "treatMissingData": "breaching",
    }


def _query(which: str, *path: str, value: Any) -> Edit:
    """Set one value within the query of this id."""

    def run(ground: Ground, ident: str, inputs: Inputs) -> None:
        now = ground.cloudwatch.describe_alarms(AlarmNames=[ident])["MetricAlarms"][0]
        here = next(q for q in now["Metrics"] if q["Id"] == which)
        for key in path[:-1]:
            here = here[key]
        here[path[-1]] = value
        keys = ("AlarmName", "ComparisonOperator", "EvaluationPeriods", "Metrics", "Threshold", "TreatMissingData")
        ground.cloudwatch.put_metric_alarm(**{key: now[key] for key in keys})

    return run


_OTHER = [{"Name": "FunctionName", "Value": "other"}]
ALARM: dict[str, Edit] = {
    "metricQueries.expression": _query("good", "Expression", value="9 - errors"),
    "metricQueries.id": _query("errors", "Id", value="mistakes"),
    "metricQueries.label": _query("errors", "Label", value="edited"),
    "metricQueries.metric.dimensions": _query("errors", "MetricStat", "Metric", "Dimensions", value=_OTHER),
    "metricQueries.metric.metricName": _query("errors", "MetricStat", "Metric", "MetricName", value="Duration"),
    "metricQueries.metric.namespace": _query("errors", "MetricStat", "Metric", "Namespace", value="AWS/EC2"),
    "metricQueries.metric.period": _query("errors", "MetricStat", "Period", value=60),
    "metricQueries.metric.stat": _query("errors", "MetricStat", "Stat", value="Average"),
    "metricQueries.metric.unit": _query("errors", "MetricStat", "Unit", value="Seconds"),
    "metricQueries.period": _query("good", "Period", value=60),
    "metricQueries.returnData": _query("good", "ReturnData", value=False),
}

CASES: list[tuple[str, Make, dict[str, Edit]]] = [
    ("aws:sqs/queue:Queue", _queue, QUEUE),
    ("aws:sqs/queue:Queue", lambda _: {}, {}),
    (
        "aws:sqs/queuePolicy:QueuePolicy",
        lambda g: {"queueUrl": g.queue_url, "policy": allow("sqs:SendMessage")},
        {"policy": _attribute("Policy", allow("sqs:*"))},
    ),
    ("aws:lambda/eventSourceMapping:EventSourceMapping", _mapping, MAPPING),
    (
        "aws:lambda/eventSourceMapping:EventSourceMapping",
        lambda g: {"eventSourceArn": g.dead_letters, "functionName": g.function.outputs["arn"]},
        {},
    ),
    ("aws:ssm/parameter:Parameter", _parameter, PARAMETER),
    ("aws:ssm/parameter:Parameter", lambda _: {"type": "String", "value": "plain"}, {}),
    ("aws:cloudwatch/metricAlarm:MetricAlarm", _alarm, ALARM),
]
