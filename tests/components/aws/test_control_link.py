"""A stack on another stack's control: what it makes and what not, and every reason why it cannot."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from core.contract.documents import ControlLink, Outputs
from core.errors import SettingsError

OPS = "organization/pilotlight/ops"
LINK = ControlLink(
    schema_version=1,
    stack="ops",
    deployment_id="fedcba9876543210",
    region="us-east-1",
    table="ops-table",
    table_arn="arn:aws:dynamodb:us-east-1:1:table/ops-table",
    reaper="ops-reaper",
    reaper_arn="arn:aws:lambda:us-east-1:1:function:ops-reaper",
    instance_types=("g6.xlarge", "g5.xlarge"),
    kms_key_arns=(),
)
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd"


def outputs(**changes: Any) -> dict[str, Any]:
    """What stack `ops` tells."""
    link = dataclasses.replace(LINK, **changes)
    return {Outputs.DEPLOYMENT_ID: "fedcba9876543210", Outputs.CONTROL: link.to_json()}


@pytest.fixture
def guest(build: Any, stacks: Any) -> Any:
    stacks[OPS] = outputs()
    return build(fresh=True, control={"stack": "ops"})


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is made in spite of a refusal: the first resource of all is the deployment id."""
    calls: list[Any] = []
    monkeypatch.setattr("components.aws.deployment._identity", calls.append)
    return calls


def test_a_guest_makes_no_control_and_tells_that_of_the_other(guest: Any) -> None:
    cloud, told = guest
    kinds = {r.typ for r in cloud.resources}
    for kind in ("Control", "Table", "Function", "Schedule", "MetricAlarm", "LogGroup"):
        assert not any(k.endswith(f":{kind}") for k in kinds), kind
    assert (told[Outputs.TABLE], told[Outputs.REAPER]) == ("ops-table", "ops-reaper")
    assert ControlLink.from_json(told[Outputs.CONTROL]) == LINK
    assert told[Outputs.DEPLOYMENT_ID] == "0123456789abcdef"


def test_a_guests_settings_are_in_the_shared_table(guest: Any) -> None:
    cloud, _ = guest
    items = cloud.of("TableItem")
    assert {name: item["tableName"] for name, item in items.items()} == {
        "qwen7b-unit-settings": "ops-table",
        "qwen7b-unit-listed": "ops-table",
    }


def test_a_guests_host_is_the_other_reapers_and_its_own_relays(guest: Any) -> None:
    cloud, _ = guest
    tags = cloud.of("Instance")["qwen7b-host"]["tags"]
    assert (tags["pilotlight:control"], tags["pilotlight:deployment"]) == ("fedcba9876543210", "0123456789abcdef")
    assert "pilotlight:control" not in cloud.of("Instance")["qwen7b-gateway"]["tags"]
    relay = json.loads(cloud.of("RolePolicy")["qwen7b-gateway-policy"]["policy"])["Statement"]
    resources = {a: s["Resource"] for s in relay for a in s["Action"]}
    assert resources["dynamodb:UpdateItem"] == LINK.table_arn
    assert resources["lambda:InvokeFunction"] == LINK.reaper_arn
    start = next(s for s in relay if s["Action"] == ["ec2:StartInstances"])
    assert start["Condition"]["StringEquals"]["aws:ResourceTag/pilotlight:deployment"] == "0123456789abcdef"
    agent = json.loads(cloud.of("RolePolicy")["qwen7b-host-policy"]["policy"])["Statement"]
    assert [s["Resource"] for s in agent] == [LINK.table_arn]


def test_the_other_reaper_knows_a_guests_topic_by_its_name(guest: Any) -> None:
    cloud, _ = guest
    assert cloud.of("Topic")["qwen7b-alerts-topic"]["name"] == "pilotlight-fedcba9876543210-0123456789abcdef"


def test_an_owners_topic_keeps_the_name_that_was_drawn(build: Any) -> None:
    cloud, _ = build()
    assert "name" not in cloud.of("Topic")["qwen7b-alerts-topic"]


def test_an_owner_drives_its_own_host_and_tells_its_control(build: Any) -> None:
    more = {"instanceTypes": ["g6e.xlarge", "g6.xlarge"], "kmsKeyArns": [KEY]}
    cloud, told = build(control=more)
    assert cloud.of("Instance")["qwen7b-host"]["tags"]["pilotlight:control"] == told[Outputs.DEPLOYMENT_ID]
    link = ControlLink.from_json(told[Outputs.CONTROL])
    assert (link.stack, link.region, link.deployment_id) == ("qwen7b", "us-east-1", told[Outputs.DEPLOYMENT_ID])
    assert (link.table, link.reaper) == (told[Outputs.TABLE], told[Outputs.REAPER])
    assert link.instance_types == ("g6.xlarge", "g5.xlarge", "g6e.xlarge")
    policy = json.loads(cloud.of("RolePolicy")["qwen7b-control-reaper-policy"]["policy"])["Statement"]
    modify = next(s for s in policy if s["Action"] == ["ec2:ModifyInstanceAttribute"])
    assert modify["Condition"]["StringEquals"]["ec2:Attribute/InstanceType"] == list(link.instance_types)
    assert [s["Resource"] for s in policy if s["Action"] == ["kms:CreateGrant"]] == [KEY]


def test_plain_instances_are_looked_after_where_the_control_says_so(build: Any) -> None:
    for wanted in (True, False):
        cloud, _ = build(control={"plainInstances": wanted})
        variables = cloud.of("Function")["qwen7b-control-reaper"]["environment"]["variables"]
        assert variables.get("PLAIN_INSTANCES") == ("on" if wanted else None)
        assert ("cloudwatch:" in cloud.of("RolePolicy")["qwen7b-control-reaper-policy"]["policy"]) is wanted


def test_a_full_name_is_taken_as_it_is(build: Any, stacks: Any) -> None:
    stacks["acme/other/ops"] = outputs()
    _, told = build(fresh=True, control={"stack": "acme/other/ops"})
    assert told[Outputs.TABLE] == "ops-table"


@pytest.mark.parametrize(
    ("told", "changes", "words"),
    [
        ({}, {}, ["`ops` has no output `control`", "pulumi up -s ops"]),
        ({Outputs.CONTROL: '{"schema_version": 2}'}, {}, ["schema_version 2", "pulumi up -s ops"]),
        (outputs(deployment_id="0" * 16, stack="hq"), {}, ["uses that of `hq`", "`stack: hq`"]),
        (outputs(region="eu-west-1"), {}, ["in eu-west-1, this stack in us-east-1"]),
        (
            outputs(instance_types=("g6.xlarge",)),
            {},
            ["g5.xlarge of this stack's ladder", "control.instanceTypes in stacks/Pulumi.ops.yaml", "pulumi up -s ops"],
        ),
        (outputs(), {"host": {"kmsKeyArn": KEY}}, [KEY, "control.kmsKeyArns in stacks/Pulumi.ops.yaml"]),
    ],
)
def test_a_control_that_does_not_fit_is_one_message_and_nothing_is_made(
    request: pytest.FixtureRequest, told: Any, changes: Any, words: list[str]
) -> None:
    build, stacks, made = (request.getfixturevalue(name) for name in ("build", "stacks", "made"))
    stacks[OPS] = told
    with pytest.raises(SettingsError) as caught:
        build(fresh=True, control={"stack": "ops"}, **changes)
    message = str(caught.value)
    assert message.startswith("stacks/Pulumi.qwen7b.yaml: pilotlight:control.stack: ")
    assert all(part in message for part in words), message
    assert made == []


def test_a_stack_that_is_not_there(build: Any, stacks: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        build(fresh=True, control={"stack": "ops"})
    assert 'unknown stack "organization/pilotlight/ops"' in str(caught.value)
    assert "`pulumi up -s ops`" in str(caught.value)
    assert "invocation of" not in str(caught.value)


def test_itself_by_its_full_name(build: Any, stacks: Any) -> None:
    with pytest.raises(SettingsError, match="names this stack itself"):
        build(fresh=True, control={"stack": "organization/pilotlight/qwen7b"})
