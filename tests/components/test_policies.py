"""Who may do what, as a table of requests."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from components import policies

_spec = importlib.util.spec_from_file_location("evaluator", Path(__file__).with_name("evaluator.py"))
assert _spec is not None
assert _spec.loader is not None
evaluator = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(evaluator)

TABLE = "arn:aws:dynamodb:us-east-1:1:table/t"
OTHER_TABLE = "arn:aws:dynamodb:us-east-1:1:table/u"
TOPIC = "arn:aws:sns:us-east-1:1:alerts"
LOG = "arn:aws:logs:us-east-1:1:log-group:/aws/lambda/r"
REAPER = "arn:aws:lambda:us-east-1:1:function:r"
QUEUE = "arn:aws:sqs:us-east-1:1:hooks-0"
SECOND_QUEUE = "arn:aws:sqs:us-east-1:1:hooks-1"
OTHER_QUEUE = "arn:aws:sqs:us-east-1:1:hooks-2"
DEAD = "arn:aws:sqs:us-east-1:1:dead"
PARAMETER = "arn:aws:ssm:us-east-1:1:parameter/hooks"
NOTIFIER_LOG = "arn:aws:logs:us-east-1:1:log-group:/aws/lambda/n"
KEY = "arn:aws:kms:us-east-1:1:key/k"
HOST = "arn:aws:ec2:us-east-1:1:instance/i-1"
MINE = {"aws:ResourceTag/pilotlight:deployment": "d1", "aws:ResourceTag/pilotlight:role": "host"}
MY_GATEWAY = MINE | {"aws:ResourceTag/pilotlight:role": "gateway"}
THEIRS = MINE | {"aws:ResourceTag/pilotlight:deployment": "d2"}
UNIT = {"dynamodb:LeadingKeys": ["lab/host"]}
OTHER_UNIT = {"dynamodb:LeadingKeys": ["lab2/host"]}
TWO_UNITS = {"dynamodb:LeadingKeys": ["lab/host", "lab2/host"]}
LADDER = ("g6.xlarge", "g5.xlarge")


def kinds(kms: str | None = None) -> dict[str, dict[str, Any]]:
    return {
        "reaper": policies.reaper(
            deployment_id="d1",
            table_arn=TABLE,
            topic_arn=TOPIC,
            log_group_arn=LOG,
            instance_types=LADDER,
            kms_key_arn=kms,
        ),
        "host": policies.host(table_arn=TABLE, unit="lab/host"),
        "relay": policies.relay(
            deployment_id="d1", table_arn=TABLE, unit="lab/host", reaper_arn=REAPER, kms_key_arn=kms
        ),
        "schedule": policies.schedule(reaper_arn=REAPER),
        "notifier": policies.notifier(
            queue_arns=[QUEUE, SECOND_QUEUE], parameter_arn=PARAMETER, log_group_arn=NOTIFIER_LOG
        ),
    }


ROWS = [
    # action, resource, context, who may
    ("ec2:DescribeInstances", "*", {}, {"reaper", "relay"}),
    ("ec2:StartInstances", HOST, MINE, {"reaper", "relay"}),
    ("ec2:StartInstances", HOST, THEIRS, set()),
    ("ec2:StartInstances", HOST, {}, set()),
    ("ec2:StartInstances", HOST, MY_GATEWAY, {"reaper"}),
    ("ec2:StopInstances", HOST, MINE, {"reaper"}),
    ("ec2:StopInstances", HOST, THEIRS, set()),
    ("ec2:StopInstances", HOST, {}, set()),
    ("ec2:ModifyInstanceAttribute", HOST, MINE | {"ec2:Attribute/InstanceType": "g5.xlarge"}, {"reaper"}),
    ("ec2:ModifyInstanceAttribute", HOST, MINE | {"ec2:Attribute/InstanceType": "p5.48xlarge"}, set()),
    ("ec2:ModifyInstanceAttribute", HOST, THEIRS | {"ec2:Attribute/InstanceType": "g5.xlarge"}, set()),
    ("ec2:ModifyInstanceAttribute", HOST, MINE, set()),  # another attribute, user data for one
    ("ec2:TerminateInstances", HOST, MINE, set()),
    ("ec2:CreateTags", HOST, MINE, set()),
    ("dynamodb:GetItem", TABLE, UNIT, {"reaper", "host", "relay"}),
    ("dynamodb:UpdateItem", TABLE, UNIT, {"reaper", "host", "relay"}),
    ("dynamodb:PutItem", TABLE, UNIT, {"reaper", "host", "relay"}),
    ("dynamodb:Query", TABLE, UNIT, {"reaper", "host", "relay"}),
    ("dynamodb:Query", TABLE, {"dynamodb:LeadingKeys": ["units"]}, {"reaper"}),
    ("dynamodb:PutItem", TABLE, {"dynamodb:LeadingKeys": ["units"]}, {"reaper"}),
    ("dynamodb:GetItem", TABLE, OTHER_UNIT, {"reaper"}),
    ("dynamodb:UpdateItem", TABLE, OTHER_UNIT, {"reaper"}),
    ("dynamodb:PutItem", TABLE, TWO_UNITS, {"reaper"}),
    ("dynamodb:GetItem", TABLE, {}, {"reaper"}),
    ("dynamodb:Scan", TABLE, {}, set()),  # the directory is a Query
    ("dynamodb:BatchGetItem", TABLE, TWO_UNITS, {"reaper"}),
    ("dynamodb:DeleteItem", TABLE, UNIT, set()),
    ("dynamodb:DeleteTable", TABLE, {}, set()),
    ("dynamodb:GetItem", OTHER_TABLE, UNIT, set()),
    ("dynamodb:UpdateItem", OTHER_TABLE, UNIT, set()),
    ("lambda:InvokeFunction", REAPER, {}, {"relay", "schedule"}),
    ("lambda:InvokeFunction", REAPER + "2", {}, set()),
    ("lambda:UpdateFunctionCode", REAPER, {}, set()),
    ("sns:Publish", TOPIC, {}, {"reaper"}),
    ("sns:Publish", TOPIC + "2", {}, set()),
    ("logs:PutLogEvents", f"{LOG}:log-stream:x", {}, {"reaper"}),
    ("logs:PutLogEvents", f"{LOG}2:log-stream:x", {}, set()),
    ("logs:PutLogEvents", f"{NOTIFIER_LOG}:log-stream:x", {}, {"notifier"}),
    ("sqs:ReceiveMessage", QUEUE, {}, {"notifier"}),
    ("sqs:ReceiveMessage", SECOND_QUEUE, {}, {"notifier"}),
    ("sqs:DeleteMessage", QUEUE, {}, {"notifier"}),
    ("sqs:ChangeMessageVisibility", QUEUE, {}, {"notifier"}),
    ("sqs:GetQueueAttributes", QUEUE, {}, {"notifier"}),
    ("sqs:SendMessage", QUEUE, {}, set()),
    ("sqs:PurgeQueue", QUEUE, {}, set()),
    ("sqs:ReceiveMessage", OTHER_QUEUE, {}, set()),
    ("sqs:ReceiveMessage", DEAD, {}, set()),  # SQS moves messages there by itself; people read them
    ("ssm:GetParameter", PARAMETER, {}, {"notifier"}),
    ("ssm:GetParameter", PARAMETER + "2", {}, set()),
    ("ssm:PutParameter", PARAMETER, {}, set()),
    ("kms:CreateGrant", KEY, {"kms:GrantIsForAWSResource": "true"}, set()),
    ("iam:PassRole", "*", {}, set()),
]


@pytest.mark.parametrize(("action", "resource", "context", "who"), ROWS)
def test_who_may(action: str, resource: str, context: dict[str, Any], who: set[str]) -> None:
    assert {name for name, p in kinds().items() if evaluator.allows(p, action, resource, context)} == who


@pytest.mark.parametrize(
    ("resource", "context", "who"),
    [
        (KEY, {"kms:GrantIsForAWSResource": "true"}, {"reaper", "relay"}),
        (KEY, {"kms:GrantIsForAWSResource": "false"}, set()),
        (KEY, {}, set()),
        (KEY + "2", {"kms:GrantIsForAWSResource": "true"}, set()),
    ],
)
def test_a_customers_key_is_granted_to_those_who_start(resource: str, context: dict[str, Any], who: set[str]) -> None:
    found = kinds(kms=KEY).items()
    assert {n for n, p in found if evaluator.allows(p, "kms:CreateGrant", resource, context)} == who


@pytest.mark.parametrize("policy", kinds(kms=KEY).values(), ids=kinds())
def test_no_statement_is_wider_than_it_says(policy: dict[str, Any]) -> None:
    for statement in policy["Statement"]:
        assert all("*" not in action for action in statement["Action"])
        if statement["Resource"] == "*":
            assert statement["Action"] == ["ec2:DescribeInstances"]


@pytest.mark.parametrize(
    ("action", "resource", "context", "may"),
    [
        ("sqs:SendMessage", QUEUE, {"aws:SourceArn": TOPIC}, True),
        ("sqs:SendMessage", QUEUE, {"aws:SourceArn": TOPIC + "2"}, False),
        ("sqs:SendMessage", QUEUE, {}, False),
        ("sqs:SendMessage", OTHER_QUEUE, {"aws:SourceArn": TOPIC}, False),
        ("sqs:ReceiveMessage", QUEUE, {"aws:SourceArn": TOPIC}, False),
    ],
)
def test_one_topic_may_send_to_a_webhooks_queue(action: str, resource: str, context: Any, may: bool) -> None:
    policy = policies.queue(queue_arn=QUEUE, topic_arn=TOPIC)
    assert evaluator.allows(policy, action, resource, context) is may
    assert [s["Principal"] for s in policy["Statement"]] == [{"Service": "sns.amazonaws.com"}]


def test_trust_names_one_service() -> None:
    statement = policies.trust("ec2.amazonaws.com")["Statement"][0]
    assert statement["Principal"] == {"Service": "ec2.amazonaws.com"}
    assert statement["Action"] == "sts:AssumeRole"
