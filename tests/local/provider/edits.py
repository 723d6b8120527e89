"""For each resource kind: how to make one, and how somebody edits each of its properties behind Pulumi's back.

An edit is a function of the ground, the resource's id and its inputs. `MOTO_CANNOT` names what the stand-in for AWS
itself cannot be told or does not remember, so that no test pretends.
"""

from __future__ import annotations

import json
from typing import Any

from tests.local.provider.edits_ec2 import (
    GROUP,
    INSTANCE,
    RULE,
    TAGS,
    VOLUME,
    Edit,
    Inputs,
    Make,
    group_with_rules,
    machine,
    move_address,
    replace_key,
    rule,
    tag_ec2,
    tag_key,
    volume,
)
from tests.local.provider.edits_queues import CASES as QUEUE_CASES
from tests.local.provider.ground import KEY, Ground, allow, code, table, trust, zipped


def _role_inputs(ground: Ground) -> Inputs:
    boundary = "arn:aws:iam::aws:policy/PowerUserAccess"
    return {"assumeRolePolicy": trust("ec2.amazonaws.com"), "description": "agent", "maxSessionDuration": 7200,
            "permissionsBoundary": boundary, "tags": TAGS}  # fmt: skip


ROLE: dict[str, Edit] = {
    "assumeRolePolicy": lambda g, i, _: g.iam.update_assume_role_policy(
        RoleName=i, PolicyDocument=trust("lambda.amazonaws.com")
    ),
    "description": lambda g, i, _: g.iam.update_role(RoleName=i, Description="mine", MaxSessionDuration=7200),
    "maxSessionDuration": lambda g, i, _: g.iam.update_role(RoleName=i, Description="agent", MaxSessionDuration=3600),
    "permissionsBoundary": lambda g, i, _: g.iam.delete_role_permissions_boundary(RoleName=i),
    "tags": lambda g, i, _: g.iam.untag_role(RoleName=i, TagKeys=["kept"]),
}


def _other_role(ground: Ground, ident: str, inputs: Inputs) -> None:
    other = ground.driver.create("aws:iam/role:Role", {"assumeRolePolicy": trust("ec2.amazonaws.com")}, name="other")
    ground.iam.remove_role_from_instance_profile(InstanceProfileName=ident, RoleName=inputs["role"])
    ground.iam.add_role_to_instance_profile(InstanceProfileName=ident, RoleName=other.ident)


def _table(**values: Any) -> Edit:
    return lambda g, i, _: g.dynamodb.update_table(TableName=i, **values)


TABLE: dict[str, Edit] = {
    "billingMode": _table(
        BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 2, "WriteCapacityUnits": 2}
    ),
    "deletionProtectionEnabled": _table(DeletionProtectionEnabled=True),
    "pointInTimeRecovery.enabled": lambda g, i, _: g.dynamodb.update_continuous_backups(
        TableName=i, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    ),
    "tags": lambda g, i, _: g.dynamodb.tag_resource(
        ResourceArn=g.aws.arn("dynamodb", f"table/{i}"), Tags=[{"Key": "a", "Value": "c"}]
    ),
    "ttl.attributeName": lambda g, i, _: _other_ttl(g, i),
    "ttl.enabled": lambda g, i, _: g.dynamodb.update_time_to_live(
        TableName=i, TimeToLiveSpecification={"Enabled": False, "AttributeName": "until"}
    ),
}


def _other_ttl(ground: Ground, ident: str) -> None:
    for name, enabled in (("until", False), ("later", True)):
        ground.dynamodb.update_time_to_live(
            TableName=ident, TimeToLiveSpecification={"Enabled": enabled, "AttributeName": name}
        )


def _provisioned(ground: Ground) -> Inputs:
    rest = {k: v for k, v in table("slow").items() if k not in ("ttl", "billingMode")}
    return rest | {"billingMode": "PROVISIONED", "readCapacity": 1, "writeCapacity": 1}


def _capacity(read: int, write: int) -> Edit:
    return _table(ProvisionedThroughput={"ReadCapacityUnits": read, "WriteCapacityUnits": write})


def _item(ground: Ground) -> Inputs:
    item = json.dumps({"pk": {"S": "demo/host"}, "sk": {"S": "settings"}, "body": {"S": "{}"}})
    return {"tableName": ground.table.ident, "hashKey": "pk", "rangeKey": "sk", "item": item}


def _put_item(ground: Ground, ident: str, inputs: Inputs) -> None:
    item = {"pk": {"S": "demo/host"}, "sk": {"S": "settings"}, "body": {"S": "edited"}}
    ground.dynamodb.put_item(TableName=inputs["tableName"], Item=item)


def _function(ground: Ground) -> Inputs:
    return {
        "architectures": ["arm64"],
        "code": code("a = 1"),
        "description": "reaper",
        "environment": {"variables": {"TABLE": "t"}},
        "handler": "main.handler",
        "memorySize": 256,
        "reservedConcurrentExecutions": 1,
        "role": ground.role.outputs["arn"],
        "runtime": "python3.12",
        "tags": TAGS,
        "timeout": 50,
    }


def _configure(**values: Any) -> Edit:
    return lambda g, i, _: g.lambda_.update_function_configuration(FunctionName=i, **values)


FUNCTION: dict[str, Edit] = {
    "code": lambda g, i, _: g.lambda_.update_function_code(FunctionName=i, ZipFile=zipped("evil = 1")),
    "description": _configure(Description="edited"),
    "environment.variables": _configure(Environment={"Variables": {"TABLE": "other"}}),
    "handler": _configure(Handler="main.other"),
    "memorySize": _configure(MemorySize=512),
    "reservedConcurrentExecutions": lambda g, i, _: g.lambda_.delete_function_concurrency(FunctionName=i),
    "role": lambda g, i, n: _configure(Role=n["role"] + "2")(g, i, n),
    "runtime": _configure(Runtime="python3.11"),
    "tags": lambda g, i, _: g.lambda_.tag_resource(Resource=g.aws.arn("lambda", f"function:{i}"), Tags={"kept": "no"}),
    "timeout": _configure(Timeout=9),
}


def _events(**values: Any) -> Edit:
    def run(ground: Ground, ident: str, inputs: Inputs) -> None:
        ground.lambda_.delete_function_event_invoke_config(FunctionName=ident)  # moto would show the first for ever
        wanted = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60, **values}
        ground.lambda_.put_function_event_invoke_config(FunctionName=ident, **wanted)

    return run


def _schedule_inputs(ground: Ground) -> Inputs:
    target = {"arn": ground.function.outputs["arn"], "roleArn": ground.role.outputs["arn"], "input": "{}",
              "retryPolicy": {"maximumRetryAttempts": 0, "maximumEventAgeInSeconds": 60}}  # fmt: skip
    window = {"mode": "FLEXIBLE", "maximumWindowInMinutes": 5}
    return {"scheduleExpression": "rate(1 minute)", "flexibleTimeWindow": window, "target": target,
            "description": "reaper"}  # fmt: skip


def _schedule(**values: Any) -> Edit:
    def run(ground: Ground, ident: str, inputs: Inputs) -> None:
        group, _, name = ident.partition("/")
        now = ground.scheduler.get_schedule(GroupName=group, Name=name)
        drop = ("Arn", "CreationDate", "GroupName", "LastModificationDate", "Name", "ResponseMetadata")
        wanted = {k: v for k, v in now.items() if k not in drop} | {k: v for k, v in values.items() if k != "Target"}
        wanted["Target"] = {**now["Target"], **values.get("Target", {})}
        ground.scheduler.update_schedule(GroupName=group, Name=name, **wanted)

    return run


def _retry(attempts: int, age: int) -> Inputs:
    return {"RetryPolicy": {"MaximumRetryAttempts": attempts, "MaximumEventAgeInSeconds": age}}


_QUEUE = "arn:aws:sqs:us-east-1:123456789012:dead"
SCHEDULE: dict[str, Edit] = {
    "description": _schedule(Description="edited"),
    "endDate": _schedule(EndDate="2030-01-01T00:00:00Z"),
    "flexibleTimeWindow.maximumWindowInMinutes": _schedule(
        FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 9}
    ),
    "flexibleTimeWindow.mode": _schedule(FlexibleTimeWindow={"Mode": "OFF"}),
    "scheduleExpression": _schedule(ScheduleExpression="rate(5 minutes)"),
    "scheduleExpressionTimezone": _schedule(ScheduleExpressionTimezone="Europe/Berlin"),
    "startDate": _schedule(StartDate="2029-01-01T00:00:00Z"),
    "state": _schedule(State="DISABLED"),
    "target.arn": _schedule(Target={"Arn": "arn:aws:lambda:us-east-1:123456789012:function:other"}),
    "target.deadLetterConfig.arn": _schedule(Target={"DeadLetterConfig": {"Arn": _QUEUE}}),
    "target.input": _schedule(Target={"Input": '{"edited": true}'}),
    "target.retryPolicy.maximumEventAgeInSeconds": _schedule(Target=_retry(0, 600)),
    "target.retryPolicy.maximumRetryAttempts": _schedule(Target=_retry(9, 60)),
    "target.roleArn": _schedule(Target={"RoleArn": "arn:aws:iam::123456789012:role/other"}),
}


def _topic(name: str, value: str) -> Edit:
    return lambda g, i, _: g.sns.set_topic_attributes(TopicArn=i, AttributeName=name, AttributeValue=value)


def _subscription(name: str, value: str) -> Edit:
    return lambda g, i, _: g.sns.set_subscription_attributes(
        SubscriptionArn=i, AttributeName=name, AttributeValue=value
    )


def _subscription_inputs(ground: Ground) -> Inputs:
    return {"topic": ground.topic, "protocol": "email", "endpoint": "ops@example.org",
            "filterPolicy": json.dumps({"stack": ["demo"]})}  # fmt: skip


def _alarm_inputs(ground: Ground) -> Inputs:
    return {
        "alarmActions": [ground.topic],
        "alarmDescription": "silent",
        "comparisonOperator": "LessThanThreshold",
        "datapointsToAlarm": 2,
        "dimensions": {"FunctionName": "reaper"},
        "evaluationPeriods": 2,
        "insufficientDataActions": [ground.topic],
        "metricName": "Invocations",
        "namespace": "AWS/Lambda",
        "okActions": [ground.topic],
        "period": 300,
        "statistic": "Sum",
        "tags": TAGS,
        "threshold": 1,
        "treatMissingData": "breaching",
        "unit": "Count",
    }


def _alarm(drop: str = "", **values: Any) -> Edit:
    def run(ground: Ground, ident: str, inputs: Inputs) -> None:
        now = ground.cloudwatch.describe_alarms(AlarmNames=[ident])["MetricAlarms"][0]
        state = ("AlarmArn", "AlarmConfigurationUpdatedTimestamp", "StateTransitionedTimestamp", drop)
        keep = {k: v for k, v in now.items() if k not in state and not k.startswith("State")}
        ground.cloudwatch.put_metric_alarm(**{**keep, **values})

    return run


_ALARM: dict[str, Edit] = {
    "actionsEnabled": _alarm(ActionsEnabled=False),
    "alarmActions": _alarm(AlarmActions=[]),
    "alarmDescription": _alarm(AlarmDescription="edited"),
    "comparisonOperator": _alarm(ComparisonOperator="GreaterThanThreshold"),
    "datapointsToAlarm": _alarm(DatapointsToAlarm=1),
    "dimensions": _alarm(Dimensions=[{"Name": "FunctionName", "Value": "other"}]),
    "evaluationPeriods": _alarm(EvaluationPeriods=5),
    "extendedStatistic": _alarm(drop="Statistic", ExtendedStatistic="p90"),
    "insufficientDataActions": _alarm(InsufficientDataActions=[]),
    "metricName": _alarm(MetricName="Errors"),
    "namespace": _alarm(Namespace="AWS/EC2"),
    "okActions": _alarm(OKActions=[]),
    "period": _alarm(Period=60),
    "statistic": _alarm(Statistic="Average"),
    "tags": lambda g, i, _: g.cloudwatch.tag_resource(
        ResourceARN=g.aws.arn("cloudwatch", f"alarm:{i}"), Tags=[{"Key": "kept", "Value": "no"}]
    ),
    "threshold": _alarm(Threshold=7),
    "treatMissingData": _alarm(TreatMissingData="ignore"),
    "unit": _alarm(Unit="Seconds"),
}

LOG_GROUP: dict[str, Edit] = {
    "retentionInDays": lambda g, i, _: g.logs.put_retention_policy(logGroupName=i, retentionInDays=30),
    "tags": lambda g, i, _: g.logs.tag_log_group(logGroupName=i, tags={"kept": "no"}),
}

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
# token, how to make one, edits by property
CASES: list[tuple[str, Make, dict[str, Edit]]] = [
    ("aws:ec2/instance:Instance", machine, INSTANCE),
    ("aws:ec2/securityGroup:SecurityGroup", group_with_rules, GROUP),
    (INGRESS, rule("cidrIpv4", "10.0.0.0/8"), RULE),
    (EGRESS, rule("cidrIpv4", "10.0.0.0/8"), RULE),
    (INGRESS, rule("cidrIpv6", "2001:db8::/32"), {}),
    (EGRESS, rule("cidrIpv6", "2001:db8::/32"), {}),
    (INGRESS, rule("referencedSecurityGroupId", lambda g: g.group("source")), {}),
    (EGRESS, rule("referencedSecurityGroupId", lambda g: g.group("source")), {}),
    (
        "aws:ec2/keyPair:KeyPair",
        lambda _: {"publicKey": KEY, "tags": TAGS},
        {"publicKey": replace_key, "tags": tag_key},
    ),
    (
        "aws:ec2/eip:Eip",
        lambda g: {"domain": "vpc", "instance": g.instance(), "tags": TAGS},
        {"instance": move_address, "tags": tag_ec2},
    ),
    (
        "aws:ec2/eipAssociation:EipAssociation",
        lambda g: {"allocationId": g.address, "instanceId": g.instance(), "allowReassociation": True},
        {"instanceId": move_address},
    ),
    ("aws:ebs/volume:Volume", volume, VOLUME),
    (
        "aws:ec2/volumeAttachment:VolumeAttachment",
        lambda g: {"deviceName": "/dev/sdf", "volumeId": g.volume, "instanceId": g.instance(),
                   "stopInstanceBeforeDetaching": True},
        {},
    ),
    ("aws:iam/role:Role", _role_inputs, ROLE),
    (
        "aws:iam/rolePolicy:RolePolicy",
        lambda g: {"role": g.role.ident, "policy": allow("ec2:StartInstances")},
        {
            "policy": lambda g, i, n: g.iam.put_role_policy(
                RoleName=n["role"], PolicyName=n["name"], PolicyDocument=allow("*")
            )
        },
    ),
    (
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        lambda g: {"role": g.role.ident, "policyArn": g.policy},
        {},
    ),
    (
        "aws:iam/policy:Policy",
        lambda _: {"policy": allow("ec2:StartInstances"), "description": "fixed", "tags": TAGS},
        {
            "policy": lambda g, i, _: g.iam.create_policy_version(
                PolicyArn=i, PolicyDocument=allow("*"), SetAsDefault=True
            ),
            "tags": lambda g, i, _: g.iam.untag_policy(PolicyArn=i, TagKeys=["kept"]),
        },
    ),
    (
        "aws:iam/instanceProfile:InstanceProfile",
        lambda g: {"role": g.role.ident, "tags": TAGS},
        {
            "role": _other_role,
            "tags": lambda g, i, _: g.iam.untag_instance_profile(InstanceProfileName=i, TagKeys=["kept"]),
        },
    ),
    ("aws:dynamodb/table:Table", lambda _: table("leases"), TABLE),
    (
        "aws:dynamodb/table:Table",
        _provisioned,
        {
            "readCapacity": _capacity(7, 1),
            "writeCapacity": _capacity(1, 7),
        },
    ),
    ("aws:dynamodb/tableItem:TableItem", _item, {"item": _put_item}),
    ("aws:lambda/function:Function", _function, FUNCTION),
    (
        "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
        lambda g: {
            "functionName": g.function.ident, "maximumRetryAttempts": 0, "maximumEventAgeInSeconds": 60
        },
        {
            "maximumEventAgeInSeconds": _events(MaximumEventAgeInSeconds=600),
            "maximumRetryAttempts": _events(MaximumRetryAttempts=2),
        },
    ),
    ("aws:scheduler/schedule:Schedule", _schedule_inputs, SCHEDULE),
    (
        "aws:sns/topic:Topic",
        lambda _: {"displayName": "alerts", "policy": allow("sns:Publish"), "tags": TAGS},
        {
            "displayName": _topic("DisplayName", "edited"),
            "kmsMasterKeyId": _topic("KmsMasterKeyId", "alias/aws/sns"),
            "policy": _topic("Policy", allow("sns:*")),
            "tags": lambda g, i, _: g.sns.untag_resource(ResourceArn=i, TagKeys=["kept"]),
        },
    ),
    (
        "aws:sns/topicSubscription:TopicSubscription",
        _subscription_inputs,
        {
            "filterPolicy": _subscription("FilterPolicy", json.dumps({"stack": ["other"]})),
            "rawMessageDelivery": _subscription("RawMessageDelivery", "true"),
        },
    ),
    ("aws:cloudwatch/logGroup:LogGroup", lambda _: {"retentionInDays": 1, "tags": TAGS}, LOG_GROUP),
    ("aws:cloudwatch/metricAlarm:MetricAlarm", _alarm_inputs, _ALARM),
    *QUEUE_CASES,
]  # fmt: skip

_RULES = "moto's ModifySecurityGroupRules takes IPv4 sources only"
MOTO_CANNOT: dict[tuple[str, str], str] = {
    ("aws:ec2/instance:Instance", "monitoring"): "moto has no MonitorInstances",
    ("aws:lambda/function:Function", "architectures"): "moto's UpdateFunctionCode forgets the architectures",
    (INGRESS, "cidrIpv6"): _RULES,
    (INGRESS, "referencedSecurityGroupId"): _RULES,
    (EGRESS, "cidrIpv6"): _RULES,
    (EGRESS, "referencedSecurityGroupId"): _RULES,
}
