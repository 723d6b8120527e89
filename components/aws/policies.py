"""Who may do what, as pure functions from names to IAM policy documents.

The reaper's start, stop and modify are conditioned on the control tag, the relay's start on the deployment tag: two
controls in one account cannot touch each other's machines, nor can two stacks that share one. DescribeInstances takes
no condition (EC2 has none for it). DynamoDB's conditions know the partition
key and not the sort key: a machine is bound to its own unit's items, settings and events among them.
To give a program more: a statement here, and a row that allows and one that refuses in `tests/components/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.contract.tags import (
    TAG_AUTO_STOP,
    TAG_CONTROL,
    TAG_DEPLOYMENT,
    TAG_ROLE,
    TAG_SNAPSHOTS,
    TAG_UNIT,
    guest_topic,
)

Statement = dict[str, Any]
Policy = dict[str, Any]

ROLE_HOST = "host"  # the tag's value on a host
_EVERY_INSTANCE = "arn:aws:ec2:*:*:instance/*"


def policy(*statements: Statement) -> Policy:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def trust(service: str, conditions: Mapping[str, Any] | None = None) -> Policy:
    """Who may take a role: one AWS service, e.g. `lambda.amazonaws.com`."""
    statement: Statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return policy(statement | ({"Condition": dict(conditions)} if conditions else {}))


def trust_in_account(service: str, *, arn: str) -> Policy:
    """The same, where the service acts for the account of `arn` (of any resource in it): no confused deputy."""
    return trust(service, {"StringEquals": {"aws:SourceAccount": arn.split(":")[4]}})


def reaper(
    *,
    control_id: str,
    table_arn: str,
    topic_arn: str,
    log_group_arn: str,
    instance_types: Sequence[str],
    kms_key_arns: Sequence[str],
    plain_instances: bool = False,
) -> Policy:
    """The reaper: its table, the machines that carry its control's id, its stacks' topics, its log."""
    mine = {"StringEquals": {f"aws:ResourceTag/{TAG_CONTROL}": control_id}}
    ladder = {"StringEquals": mine["StringEquals"] | {"ec2:Attribute/InstanceType": list(instance_types)}}
    guests = f"{topic_arn.rpartition(':')[0]}:{guest_topic(control_id)}"
    return policy(
        _allow(["ec2:DescribeInstances"], "*"),
        _allow(["ec2:StartInstances", "ec2:StopInstances"], _EVERY_INSTANCE, mine),
        _allow(["ec2:ModifyInstanceAttribute"], _EVERY_INSTANCE, ladder),
        _allow([f"dynamodb:{verb}" for verb in (*_ITEM_VERBS, "BatchGetItem")], table_arn),
        _allow(["sns:Publish"], topic_arn),
        _allow(["sns:Publish"], guests),
        _allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"{log_group_arn}:*"),
        *_grants(kms_key_arns),
        *(_plain() if plain_instances else ()),
    )


def _plain() -> tuple[Statement, Statement]:
    """Machines that only ask to be stopped: never one of a deployment's, whosever."""
    ours = (TAG_CONTROL, TAG_DEPLOYMENT, TAG_UNIT)
    tags = {f"aws:ResourceTag/{TAG_AUTO_STOP}": "false"} | {f"aws:ResourceTag/{tag}": "true" for tag in ours}
    return (
        _allow(["ec2:StopInstances"], _EVERY_INSTANCE, {"Null": tags}),
        _allow(["cloudwatch:GetMetricData"], "*"),  # takes no resource and no condition
    )


def snapshots(*, deployment_id: str) -> Policy:
    """Data Lifecycle Manager: snapshots of volumes that carry the deployment's tag, which the snapshots carry too.

    What AWSDataLifecycleManagerServiceRole allows, for one deployment. A snapshot that is being made has no tags yet.
    """
    mine = {"StringEquals": {f"aws:ResourceTag/{TAG_SNAPSHOTS}": deployment_id}}
    every = "arn:aws:ec2:*::snapshot/*"
    return policy(
        _allow(["ec2:DescribeVolumes", "ec2:DescribeSnapshots", "ec2:DescribeInstances"], "*"),
        _allow(["ec2:CreateSnapshot"], "arn:aws:ec2:*:*:volume/*", mine),
        _allow(["ec2:CreateSnapshot"], every),
        _allow(["ec2:CreateTags"], every, {"StringEquals": {"ec2:CreateAction": "CreateSnapshot"}}),
        _allow(["ec2:DeleteSnapshot"], every, mine),
    )


def host(*, table_arn: str, unit: str) -> Policy:
    """The agent: its own unit's items and nothing else."""
    return policy(_own_items(table_arn, unit))


def relay(*, deployment_id: str, table_arn: str, unit: str, reaper_arn: str, kms_key_arn: str | None) -> Policy:
    """The relay: its unit's items, a start of the deployment's host, and a call to the reaper."""
    my_host = {f"aws:ResourceTag/{TAG_DEPLOYMENT}": deployment_id, f"aws:ResourceTag/{TAG_ROLE}": ROLE_HOST}
    return policy(
        _own_items(table_arn, unit),
        _allow(["ec2:DescribeInstances"], "*"),
        _allow(["ec2:StartInstances"], _EVERY_INSTANCE, {"StringEquals": my_host}),
        _allow(["lambda:InvokeFunction"], reaper_arn),
        *_grants([kms_key_arn] if kms_key_arn else []),
    )


def schedule(*, reaper_arn: str) -> Policy:
    """EventBridge Scheduler: call the reaper."""
    return policy(_allow(["lambda:InvokeFunction"], reaper_arn))


def notifier(*, queue_arns: Sequence[str], parameter_arn: str, log_group_arn: str) -> Policy:
    """The notifier, and Lambda's poller in its name: its queues, its parameter, its log.

    ChangeMessageVisibility is its back-off. No statement for KMS: the parameter has the account's default key
    (`aws/ssm`), whose own policy lets every principal of the account decrypt by way of SSM (SSM user guide,
    "Restricting access to parameters using IAM policies").
    """
    verbs = ("ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes")
    return policy(
        *(_allow([f"sqs:{verb}" for verb in verbs], arn) for arn in queue_arns),
        _allow(["ssm:GetParameter"], parameter_arn),
        _allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"{log_group_arn}:*"),
    )


def queue(*, queue_arn: str, topic_arn: str) -> Policy:
    """A webhook's queue: SNS may send to it, for this one topic and no other."""
    statement = _allow(["sqs:SendMessage"], queue_arn, {"ArnEquals": {"aws:SourceArn": topic_arn}})
    return policy(statement | {"Principal": {"Service": "sns.amazonaws.com"}})


# GetItem and Query read; a transition is one transaction of UpdateItem (the lease) and PutItem (its event)
_ITEM_VERBS = ("GetItem", "Query", "UpdateItem", "PutItem")


def _own_items(table_arn: str, unit: str) -> Statement:
    condition = {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [unit]},
        "Null": {"dynamodb:LeadingKeys": "false"},  # ForAllValues alone is true of a request without any key
    }
    return _allow([f"dynamodb:{verb}" for verb in _ITEM_VERBS], table_arn, condition)


def _grants(kms_key_arns: Sequence[str]) -> list[Statement]:
    """A start of a machine whose disk has a customer's key needs a grant for EC2, asked for by who starts it."""
    condition = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    return [_allow(["kms:CreateGrant"], arn, condition) for arn in kms_key_arns]


def _allow(actions: Sequence[str], resource: str, condition: Mapping[str, Any] | None = None) -> Statement:
    statement: Statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return statement | ({"Condition": dict(condition)} if condition else {})
