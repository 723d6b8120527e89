"""Power over a fleet: by tag in pages, duplicates along with them, untagged ones by id. On moto, and by its
requests.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from core.contract.tags import TAG_CONTROL, TAG_UNIT
from runtime.backends.power.ec2 import PAGE
from runtime.backends.power.fleet import LARGEST_PAGE, Ec2Fleet
from tests.clients import REGION
from tests.runtime.backends.power.aws_of_moto import IMAGE

MINE = {"Name": f"tag:{TAG_CONTROL}", "Values": ["c1"]}


def run(ec2: Any, count: int = 1, **tags: str) -> list[str]:
    """Ids of new machines with these tags."""
    named = {"unit": TAG_UNIT, "control": TAG_CONTROL, "other": "other"}
    made = ec2.run_instances(
        ImageId=IMAGE,
        MinCount=count,
        MaxCount=count,
        InstanceType="g6.xlarge",
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": named[k], "Value": v} for k, v in tags.items()]}
        ]
        if tags
        else [],
    )
    return [str(i["InstanceId"]) for i in made["Instances"]]


def test_a_unit_is_found_with_its_duplicate_and_without_strangers(ec2: Any) -> None:
    (mine,), (duplicate,) = run(ec2, unit="a/host", control="c1"), run(ec2, unit="a/host", control="c1")
    run(ec2, unit="a/host", control="c2")  # somebody else's stack of the same name
    run(ec2, unit="b/host", control="c1")
    (untagged,) = run(ec2)
    asked = {"a/host": mine, "u/host": untagged, "gone/host": "i-0123456789abcdef0"}
    machines = Ec2Fleet(REGION, "c1").describe_fleet(asked)
    assert set(machines) == {mine, duplicate, untagged, "i-0123456789abcdef0"}
    assert [machines[i].state for i in asked.values()] == ["running", "running", "missing"]


class FakeClient:
    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[dict[str, Any]]()
        self.meta = mock.MagicMock()  # where hooks are registered

    def describe_instances(self, **arguments: Any) -> Any:
        self.asked.append({**arguments})
        return self.answers.pop(0)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`answers(…)`: a client that gives these, in both modules that make one."""

    def given(*pages: Any) -> FakeClient:
        fake = FakeClient(*pages)
        monkeypatch.setattr("runtime.backends.power.ec2.client", lambda *_, **__: fake)
        return fake

    return given


def page(*ids: str, more: str = "") -> dict[str, Any]:
    machines = [{"InstanceId": i, "State": {"Name": "running"}} for i in ids]
    return {"Reservations": [{"Instances": machines}]} | ({"NextToken": more} if more else {})


def test_few_units_are_one_call(answers: Any) -> None:
    client = answers(page("i-0", "i-1", "i-duplicate"))
    machines = Ec2Fleet(REGION, "c1").describe_fleet({"a/host": "i-0", "b/host": "i-1"})
    assert list(machines) == ["i-0", "i-1", "i-duplicate"]
    assert client.asked == [{"Filters": [MINE, {"Name": f"tag:{TAG_UNIT}", "Values": ["a/host", "b/host"]}]}]


@pytest.mark.parametrize(("units", "values"), [(PAGE - 1, PAGE), (PAGE, 1)])
def test_filters_never_have_more_than_200_values(answers: Any, units: int, values: int) -> None:
    asked = {f"{n}/host": f"i-{n}" for n in range(units)}
    client = answers(page(*asked.values()))
    Ec2Fleet(REGION, "c1").describe_fleet(asked)
    assert sum(len(f["Values"]) for f in client.asked[0]["Filters"]) == values


def test_many_machines_are_asked_for_by_pages_and_the_untagged_by_id(answers: Any) -> None:
    client = answers(page("i-0", more="n"), page("i-duplicate", "i-1"), page("i-2"), page())
    asked = {f"{n}/host": f"i-{n}" for n in range(2 * PAGE + 2)}
    machines = Ec2Fleet(REGION, "c1").describe_fleet(asked)
    assert set(machines) == {*asked.values(), "i-duplicate"}
    assert [machines[i].state for i in ("i-0", "i-1", "i-2", "i-3")] == ["running", "running", "running", "missing"]
    tagged, rest = client.asked[:2], client.asked[2:]
    assert [(a["Filters"], a["MaxResults"]) for a in tagged] == [([MINE], LARGEST_PAGE)] * 2
    assert tagged[1]["NextToken"] == "n"
    assert [len(a["Filters"][0]["Values"]) for a in rest] == [PAGE, PAGE]


def test_a_thousand_machines_are_read_as_one_is(ec2: Any) -> None:
    """What is left out of large answers before they are parsed is nothing that a Machine has."""
    ids = run(ec2, PAGE, unit="a/host", control="c1", other="<&>")
    fleet = Ec2Fleet(REGION, "c1")
    fleet.stop(ids[0])
    singly = fleet.describe_many(ids[:2])
    together = fleet.describe_fleet({f"{n}/host": i for n, i in enumerate(ids)})
    assert {i: together[i] for i in ids[:2]} == singly
    assert singly[ids[0]].state_reason
    assert singly[ids[0]].tags["other"] == "<&>"
    assert len(together) == PAGE
