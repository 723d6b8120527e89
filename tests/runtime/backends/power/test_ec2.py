"""Power on EC2, against moto in this process."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from runtime.backends.power import PowerRefused, PowerUnanswered
from runtime.backends.power.ec2 import PAGE, Ec2Power
from tests.clients import REGION
from tests.runtime.backends.power.aws_of_moto import IMAGE


@pytest.fixture
def instance(ec2: Any) -> str:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "pilotlight:auto-stop", "Value": "30m"}]}]
    made = ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1, InstanceType="g6.xlarge", TagSpecifications=tags)
    return str(made["Instances"][0]["InstanceId"])


def test_a_machine_as_ec2_describes_it(instance: str) -> None:
    machine = Ec2Power(REGION).describe(instance)
    assert (machine.state, machine.instance_type, machine.zone) == ("running", "g6.xlarge", "us-east-1a")
    assert machine.tags == {"pilotlight:auto-stop": "30m"}


def test_stop_and_start(instance: str) -> None:
    power = Ec2Power(REGION)
    power.stop(instance)
    stopped = power.describe(instance)
    assert stopped.state == "stopped"
    assert "initiated" in stopped.state_reason
    power.start(instance)
    power.start(instance)  # a running machine does not mind
    assert power.describe(instance).state == "running"


def test_the_type_of_a_stopped_machine_changes_and_it_starts_as_that(ec2: Any, instance: str) -> None:
    power = Ec2Power(REGION)
    power.stop(instance)
    power.set_type(instance, "g5.xlarge")
    power.start(instance)
    assert (power.describe(instance).instance_type, power.describe(instance).state) == ("g5.xlarge", "running")


def test_an_unknown_machine_is_missing_and_the_others_are_not(instance: str) -> None:
    machines = Ec2Power(REGION).describe_many([instance, "i-0123456789abcdef0"])
    assert [m.state for m in machines.values()] == ["running", "missing"]


def test_a_refusal_keeps_ec2s_code_and_words(ec2: Any) -> None:
    with pytest.raises(PowerRefused, match="i-0123456789abcdef0") as refused:
        Ec2Power(REGION).start("i-0123456789abcdef0")
    assert (refused.value.code, refused.value.capacity) == ("InvalidInstanceID.NotFound", False)


class FakeClient:
    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[dict[str, Any]]()
        self.meta = mock.MagicMock()  # where hooks are registered

    def _answer(self, **arguments: Any) -> Any:
        self.asked.append(arguments)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    start_instances = stop_instances = describe_instances = modify_instance_attribute = _answer


def given(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> tuple[FakeClient, list[dict[str, Any]]]:
    made: list[dict[str, Any]] = []
    client = FakeClient(*answers)
    monkeypatch.setattr("runtime.backends.power.ec2.client", lambda *_, **options: made.append(options) or client)
    return client, made


@pytest.mark.parametrize(
    ("code", "capacity"),
    [
        ("InsufficientInstanceCapacity", True),
        ("InsufficientHostCapacity", True),
        ("Unsupported", False),
        ("VcpuLimitExceeded", False),
    ],
)
def test_only_capacity_is_capacity(monkeypatch: pytest.MonkeyPatch, code: str, capacity: bool) -> None:
    given(monkeypatch, ClientError({"Error": {"Code": code, "Message": "words"}}, "StartInstances"))
    with pytest.raises(PowerRefused) as refused:
        Ec2Power(REGION).start("i-1")
    assert refused.value.capacity is capacity


def test_no_answer_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, EndpointConnectionError(endpoint_url="http://x"))
    with pytest.raises(PowerUnanswered):
        Ec2Power(REGION).start("i-1")


def test_a_stop_is_sent_once_and_within_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    _, made = given(monkeypatch, {})
    Ec2Power(REGION).stop("i-1")
    assert made[0]["attempts"] == 1
    assert made[0]["connect_timeout_s"] + made[0]["read_timeout_s"] <= 5.0


def test_a_type_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    client, made = given(monkeypatch, {})
    Ec2Power(REGION).set_type("i-1", "g5.xlarge")
    assert made[0]["attempts"] == 1
    assert client.asked == [{"InstanceId": "i-1", "InstanceType": {"Value": "g5.xlarge"}}]


def test_a_refusal_that_needs_a_person_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, ClientError({"Error": {"Code": "VcpuLimitExceeded", "Message": "words"}}, "StartInstances"))
    with pytest.raises(PowerRefused, match=r"^VcpuLimitExceeded: words\. .*Service Quotas"):
        Ec2Power(REGION).start("i-1")


def test_two_hundred_machines_are_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"Reservations": [{"Instances": [{"InstanceId": "i-1", "State": {"Name": "running"}}]}]}
    client, _ = given(monkeypatch, one, {})
    asked = [f"i-{n}" for n in range(PAGE + 1)]
    machines = Ec2Power(REGION).describe_many(asked)
    assert list(machines) == asked
    assert [machines[i].state for i in ("i-1", "i-2")] == ["running", "missing"]
    assert [len(a["Filters"][0]["Values"]) for a in client.asked] == [PAGE, 1]
