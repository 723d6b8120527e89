"""Plain instances against moto: which are found, and the figures that somebody put into CloudWatch."""

from __future__ import annotations

import datetime
from typing import Any
from unittest import mock

import pytest

from core.contract.tags import TAG_AUTO_STOP, TAG_DEPLOYMENT
from core.plain import PERIOD_S, PlainMachine
from runtime.backends.power import PowerRefused
from runtime.backends.power.plain import METRICS, POINTS, QUERIES, PlainPower
from tests.clients import REGION, client
from tests.runtime.backends.power.aws_of_moto import IMAGE

NOW = 1_800_000_000.0


def run(ec2: Any, **tags: str) -> str:
    named = {"stop": TAG_AUTO_STOP, "deployment": TAG_DEPLOYMENT, "name": "Name"}
    made = ec2.run_instances(
        ImageId=IMAGE,
        MinCount=1,
        MaxCount=1,
        InstanceType="g6.xlarge",
        CpuOptions={"CoreCount": 2, "ThreadsPerCore": 2},
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": named[k], "Value": v} for k, v in tags.items()]}
        ],
    )
    return str(made["Instances"][0]["InstanceId"])


def test_running_tagged_and_nobodys(ec2: Any) -> None:
    mine = run(ec2, stop="30m")
    run(ec2, stop="30m", deployment="d1")
    run(ec2, name="other")
    off = run(ec2, stop="30m")
    power = PlainPower(REGION)
    power.stop(off)
    (found,) = power.machines()
    assert (found.instance_id, found.tags, found.lifecycle) == (mine, {TAG_AUTO_STOP: "30m"}, "")
    now = datetime.datetime.now(datetime.UTC).timestamp()
    assert abs(found.launched_at - now) < 3600


def test_what_a_decision_needs_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = {
        "InstanceId": "i-1",
        "LaunchTime": datetime.datetime.fromtimestamp(NOW, datetime.UTC),
        "CpuOptions": {"CoreCount": 48, "ThreadsPerCore": 2},
        "InstanceLifecycle": "spot",
        "Tags": [{"Key": TAG_AUTO_STOP, "Value": "30m"}],
    }
    client = mock.MagicMock()
    client.describe_instances.return_value = {"Reservations": [{"Instances": [raw]}]}
    monkeypatch.setattr("runtime.backends.power.ec2.client", lambda *_, **__: client)
    assert PlainPower(REGION).machines() == [PlainMachine("i-1", {TAG_AUTO_STOP: "30m"}, NOW, 96, "spot")]


def put(machine: str, name: str, at: float, *values: float) -> None:
    when = datetime.datetime.fromtimestamp(at, datetime.UTC)
    dimensions = [{"Name": "InstanceId", "Value": machine}]
    data = [{"MetricName": name, "Dimensions": dimensions, "Timestamp": when, "Value": v} for v in values]
    client("cloudwatch").put_metric_data(Namespace="AWS/EC2", MetricData=data)


def test_figures_are_the_highest_cpu_and_all_bytes_of_five_minutes(ec2: Any) -> None:
    first = NOW - 3 * PERIOD_S
    put("i-1", "CPUUtilization", first + 10, 2.0, 7.0, 1.0)
    put("i-1", "NetworkIn", first + 10, 100.0, 50.0)
    put("i-1", "CPUUtilization", first + PERIOD_S, 3.0)
    put("i-2", "NetworkIn", first, 9.0)
    usage = PlainPower(REGION).usage({"i-1": first, "i-2": first, "i-3": first}, NOW)
    assert usage["i-1"].cpu_percent == {first: 7.0, first + PERIOD_S: 3.0}
    assert usage["i-1"].bytes_in == {first: 150.0}
    assert (usage["i-2"].cpu_percent, usage["i-2"].bytes_in) == ({}, {first: 9.0})
    assert (usage["i-3"].cpu_percent, usage["i-3"].bytes_in) == ({}, {})


class Fake:
    """CloudWatch that answers with the number of the page; refuses what AWS would refuse."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def get_metric_data(self, **ask: Any) -> dict[str, Any]:
        self.asked.append(ask)
        assert len(ask["MetricDataQueries"]) <= QUERIES
        length = (ask["EndTime"] - ask["StartTime"]).total_seconds()
        assert len(ask["MetricDataQueries"]) * length / PERIOD_S <= 100_800
        at = ask["StartTime"] + datetime.timedelta(seconds=PERIOD_S if "NextToken" in ask else 0)
        results = [{"Id": q["Id"], "Timestamps": [at], "Values": [1.0]} for q in ask["MetricDataQueries"]]
        return {"MetricDataResults": results} | ({} if "NextToken" in ask else {"NextToken": "more"})


@pytest.mark.parametrize(("machines", "periods"), [(1, 3), (QUERIES // 2, 12), (QUERIES // 2 + 1, 12), (300, 2016)])
def test_many_are_asked_for_within_cloudwatchs_limits(
    monkeypatch: pytest.MonkeyPatch, machines: int, periods: int
) -> None:
    fake = Fake()
    monkeypatch.setattr("runtime.backends.power.ec2.client", lambda *_, **__: fake)
    start = NOW - periods * PERIOD_S
    usage = PlainPower(REGION).usage({f"i-{n}": start for n in range(machines)}, NOW)
    assert len(usage) == machines
    assert all(u.cpu_percent == u.bytes_in == {start: 1.0, start + PERIOD_S: 1.0} for u in usage.values())
    a_call = min(QUERIES, POINTS // periods) // len(METRICS)
    assert len(fake.asked) == 2 * -(-machines // a_call)


def test_a_refusal_keeps_awss_words(ec2: Any) -> None:
    with pytest.raises(PowerRefused, match="StartTime"):
        PlainPower(REGION).usage({"i-1": NOW}, NOW)
