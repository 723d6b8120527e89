"""The plug-in's answers to the engine: checks, previews, replacements, partial failures, refusals."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import any_pb2
from pulumi.runtime.proto import provider_pb2, status_pb2
from pulumi.runtime.rpc import UNKNOWN

from core.errors import CloudError
from local.provider.aws import embedded_endpoint
from local.provider.behaviour import TABLE
from local.provider.properties import Change
from local.provider.structs import to_plain, to_struct
from tests.local.provider.driver import Driver, Made, Refused
from tests.local.provider.ground import Ground, allow, code, trust

INSTANCE = "aws:ec2/instance:Instance"
ROLE = "aws:iam/role:Role"
GROUP = "aws:ec2/securityGroup:SecurityGroup"


@pytest.mark.parametrize(
    "url",
    ["", "https://ec2.us-east-1.amazonaws.com", "https://10.77.0.1", "http://192.0.2.1:5566", "http://example.org",
     "http://11.0.0.1", "http://10.0.0.1.example.org"],
)  # fmt: skip
def test_it_refuses_to_talk_to_anything_but_an_embedded_cloud(url: str) -> None:
    with pytest.raises(CloudError, match="AWS_ENDPOINT_URL"):
        embedded_endpoint({"AWS_ENDPOINT_URL": url})


@pytest.mark.parametrize("url", ["http://10.77.0.1:5566", "http://127.0.0.1:5601", "http://localhost:1"])
def test_it_talks_to_an_embedded_cloud(url: str) -> None:
    assert embedded_endpoint({"AWS_ENDPOINT_URL": url}).url == url


def test_a_name_is_drawn_and_stays(driver: Driver) -> None:
    inputs = driver.check(ROLE, {"assumeRolePolicy": trust("ec2.amazonaws.com")}, name="box")
    assert inputs["name"].startswith("box-")
    assert len(inputs["name"]) == len("box-1234567")
    again = driver.check(ROLE, {"assumeRolePolicy": trust("ec2.amazonaws.com")}, olds=inputs, name="other-seed")
    assert again["name"] == inputs["name"]


def test_a_name_of_ones_own_is_left_alone_and_goes_first_when_replaced(driver: Driver) -> None:
    inputs = {"assumeRolePolicy": trust("ec2.amazonaws.com"), "name": "mine"}
    made = driver.create(ROLE, inputs)
    moved = driver.check(ROLE, {**inputs, "path": "/team/"}, olds=made.inputs)
    answer = driver.diff(made, moved)
    assert list(answer.replaces) == ["path"]
    assert answer.deleteBeforeReplace


def test_a_drawn_name_is_made_before_the_old_one_goes(driver: Driver) -> None:
    made = driver.create(ROLE, {"assumeRolePolicy": trust("ec2.amazonaws.com")})
    moved = driver.check(ROLE, {"assumeRolePolicy": trust("ec2.amazonaws.com"), "path": "/team/"}, olds=made.inputs)
    assert not driver.diff(made, moved).deleteBeforeReplace


@pytest.mark.parametrize(
    ("token", "inputs", "message"),
    [
        (INSTANCE, {"hibernation": True}, "hibernation.*local/provider/behaviour.py"),
        (INSTANCE, {"rootBlockDevice": {"volumeSiz": 1}}, "rootBlockDevice.volumeSiz"),
        (ROLE, {}, "needs 'assumeRolePolicy'"),
        ("aws:s3/bucket:Bucket", {}, "has no aws:s3/bucket:Bucket.*local/provider/"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(
    driver: Driver, token: str, inputs: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refused, match=message):
        driver.check(token, inputs)


def test_an_unknown_function_is_refused_by_name(driver: Driver) -> None:
    answer = driver.provider.Invoke(provider_pb2.InvokeRequest(tok="aws:s3/getBucket:getBucket"), driver.context)
    assert "aws:s3/getBucket:getBucket" in answer.failures[0].reason


def test_a_preview_makes_nothing_and_leaves_open_what_the_cloud_will_choose(driver: Driver, ground: Ground) -> None:
    seen = driver.preview(INSTANCE, {"ami": UNKNOWN, "instanceType": "g6.xlarge"})
    assert (seen["instanceType"], seen["privateIp"], seen["arn"], seen["ami"]) == ("g6.xlarge", *[UNKNOWN] * 3)
    assert ground.ec2.describe_instances()["Reservations"] == []


def test_what_is_not_known_yet_differs_and_may_replace(driver: Driver, ground: Ground) -> None:
    made = driver.create(INSTANCE, {"ami": ground.image, "instanceType": "g6.xlarge"})
    answer = driver.diff(made, {**made.inputs, "ami": UNKNOWN})
    assert list(answer.replaces) == ["ami"]


@pytest.mark.parametrize(
    ("token", "name"), [(t, n) for t, props in TABLE.items() for n, p in props.items() if p.change is Change.REPLACE]
)
def test_what_the_table_says_replaces_replaces(driver: Driver, token: str, name: str) -> None:
    made = Made(token, "id", {name: "old"}, {name: "old"})
    answer = driver.diff(made, {name: "new"})
    assert list(answer.replaces) == [name]
    assert answer.detailedDiff[name].kind == provider_pb2.PropertyDiff.UPDATE_REPLACE
    assert not driver.diff(made, {name: "new"}, ignore=(name,)).diffs


def test_another_kind_of_source_is_another_rule(driver: Driver, ground: Ground) -> None:
    rule = {"securityGroupId": ground.group("a"), "ipProtocol": "tcp", "fromPort": 1, "toPort": 1}
    made = driver.create(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", {**rule, "cidrIpv4": "10.0.0.0/8"}
    )
    to_group = driver.check(made.token, {**rule, "referencedSecurityGroupId": ground.group("b")}, olds=made.inputs)
    assert list(driver.diff(made, to_group).replaces) == ["cidrIpv4", "referencedSecurityGroupId"]
    narrower = driver.check(made.token, {**rule, "cidrIpv4": "10.1.0.0/16"}, olds=made.inputs)
    assert not driver.diff(made, narrower).replaces


def test_another_type_stops_changes_and_starts_the_machine_even_if_it_was_off(driver: Driver, ground: Ground) -> None:
    made = driver.create(INSTANCE, {"ami": ground.image, "instanceType": "g6.xlarge"})
    ground.ec2.stop_instances(InstanceIds=[made.ident])
    after = driver.update(made, {**made.inputs, "instanceType": "g5.xlarge"})
    assert (after.outputs["instanceType"], after.outputs["instanceState"]) == ("g5.xlarge", "running")


def test_other_tags_leave_a_machine_that_is_off_off(driver: Driver, ground: Ground) -> None:
    made = driver.create(INSTANCE, {"ami": ground.image, "instanceType": "g6.xlarge"})
    ground.ec2.stop_instances(InstanceIds=[made.ident])
    after = driver.update(made, {**made.inputs, "tags": {"a": "b"}})
    assert (after.outputs["tagsAll"], after.outputs["instanceState"]) == ({"a": "b"}, "stopped")


def test_a_machine_that_is_off_is_no_drift(driver: Driver, ground: Ground) -> None:
    made = driver.create(INSTANCE, {"ami": ground.image, "instanceType": "g6.xlarge", "subnetId": ground.subnet})
    ground.ec2.stop_instances(InstanceIds=[made.ident])
    seen = driver.refresh(made)
    assert seen is not None
    assert seen.inputs == made.inputs
    assert seen.outputs["publicIp"] == ""


def test_a_public_address_that_was_asked_for_reads_back_as_none_on_a_machine_that_is_off(
    driver: Driver, ground: Ground
) -> None:
    """As with the real provider (terraform-provider-aws 33775): why our machines never ask for one."""
    inputs = {"ami": ground.image, "subnetId": ground.subnet, "associatePublicIpAddress": True}
    made = driver.create(INSTANCE, inputs)
    ground.ec2.stop_instances(InstanceIds=[made.ident])
    seen = driver.refresh(made)
    assert seen is not None
    assert list(driver.diff(seen, made.inputs).replaces) == ["associatePublicIpAddress"]


def test_what_fails_half_way_keeps_its_id(driver: Driver) -> None:
    inputs = driver.check("aws:iam/instanceProfile:InstanceProfile", {"role": "nobody"})
    request = provider_pb2.CreateRequest(
        urn="urn:pulumi:dev::lab::aws:iam/instanceProfile:InstanceProfile::thing", properties=to_struct(inputs)
    )
    with pytest.raises(Refused, match="nobody"):
        driver.provider.Create(request, driver.context)
    status = status_pb2.Status.FromString(dict(driver.context.metadata)["grpc-status-details-bin"])
    detail: any_pb2.Any = status.details[0]
    failure = provider_pb2.ErrorResourceInitFailed()
    assert detail.Unpack(failure)
    assert failure.id == inputs["name"]
    assert to_plain(failure.inputs)["role"] == "nobody"


def test_a_change_that_the_cloud_forgets_is_an_error(driver: Driver, ground: Ground) -> None:
    rule = {"securityGroupId": ground.group("a"), "ipProtocol": "tcp", "fromPort": 1, "toPort": 1}
    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    made = driver.create(token, {**rule, "cidrIpv6": "2001:db8::/32"})
    with pytest.raises(Refused, match="does not show it"):
        driver.update(made, {**made.inputs, "cidrIpv6": "2001:db8:1::/48"})


def test_default_tags_are_on_everything(driver: Driver) -> None:
    driver.provider.Configure(
        provider_pb2.ConfigureRequest(args=to_struct({"defaultTags": {"tags": {"team": "a"}}})), driver.context
    )
    made = driver.create(GROUP, {"tags": {"own": "b"}})
    assert made.outputs["tagsAll"] == {"team": "a", "own": "b"}


def test_code_that_is_the_same_is_not_sent_again(driver: Driver, ground: Ground) -> None:
    token = "aws:lambda/function:Function"
    made = ground.function
    same = driver.check(token, {**made.inputs, "code": code("a = 1")}, olds=made.inputs)
    other = driver.check(token, {**made.inputs, "code": code("a = 2")}, olds=made.inputs)
    assert not driver.diff(made, same).diffs
    assert list(driver.diff(made, other).diffs) == ["code"]


def test_a_random_id_has_its_spellings(driver: Driver) -> None:
    made = driver.create("random:index/randomId:RandomId", {"byteLength": 8})
    assert len(bytes.fromhex(made.outputs["hex"])) == 8
    assert int(made.outputs["dec"]) == int(made.outputs["hex"], 16)
    assert made.outputs["b64Url"] == made.ident


def test_random_bytes_say_nothing_by_their_id_and_stay(driver: Driver) -> None:
    made = driver.create("random:index/randomBytes:RandomBytes", {"length": 32})
    other = driver.create("random:index/randomBytes:RandomBytes", {"length": 32})
    assert made.ident == other.ident == "none"
    assert len(bytes.fromhex(made.outputs["hex"])) == 32
    assert made.outputs["hex"] != other.outputs["hex"]
    seen = driver.refresh(made)
    assert seen is not None
    assert seen.outputs == made.outputs


def test_a_parameter_comes_down_from_the_advanced_tier_by_a_new_one(driver: Driver) -> None:
    wanted = {"type": "String", "value": "a"}
    made = driver.create("aws:ssm/parameter:Parameter", {**wanted, "tier": "Advanced"})
    assert list(driver.diff(made, {**made.inputs, "tier": "Standard"}).replaces) == ["tier"]
    made = driver.create("aws:ssm/parameter:Parameter", {**wanted, "tier": "Standard"}, name="other")
    assert not driver.diff(made, {**made.inputs, "tier": "Advanced"}).replaces


def test_a_queue_without_a_policy_has_lost_its_policy(driver: Driver, ground: Ground) -> None:
    token = "aws:sqs/queuePolicy:QueuePolicy"
    made = driver.create(token, {"queueUrl": ground.queue_url, "policy": allow("sqs:SendMessage")})
    ground.sqs.set_queue_attributes(QueueUrl=ground.queue_url, Attributes={"Policy": ""})
    assert driver.refresh(made) is None


def test_a_changed_queue_keeps_the_policy_that_another_resource_gave_it(driver: Driver, ground: Ground) -> None:
    queue = driver.create("aws:sqs/queue:Queue", {}, name="kept")
    policy = driver.create("aws:sqs/queuePolicy:QueuePolicy", {"queueUrl": queue.ident, "policy": allow("sqs:A")})
    driver.update(queue, {**queue.inputs, "visibilityTimeoutSeconds": 99})
    seen = driver.refresh(policy)
    assert seen is not None
    assert seen.inputs == policy.inputs
