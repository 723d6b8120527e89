"""Plain instances on EC2 and CloudWatch: which there are and what they did. What that means is `core/plain.py`'s.

GetMetricData is billed by the metric, 0.01 USD a thousand: who asks, asks seldom and only for machines that may stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from core.contract.tags import TAG_AUTO_STOP
from core.plain import PERIOD_S, PlainMachine, Usage, is_plain
from runtime.backends.power.ec2 import Ec2Power

QUERIES: Final = 500  # a GetMetricData takes
POINTS: Final = 100_000  # and gives, a little less than its limit of 100,800
METRICS: Final = {"cpu": ("CPUUtilization", "Maximum"), "net": ("NetworkIn", "Sum")}
ATTEMPTS: Final = 2  # so that the client is an own one: the fleet's reads of large answers only what a Machine needs


class PlainPower(Ec2Power):
    """The plain instances of one region. Methods block; PowerRefused: AWS said no; PowerUnanswered: no answer."""

    def machines(self) -> list[PlainMachine]:
        """Every running machine with the tag pilotlight:auto-stop that belongs to no deployment."""
        filters = [
            {"Name": "instance-state-name", "Values": ["running"]},
            {"Name": "tag-key", "Values": [TAG_AUTO_STOP]},
        ]
        found = [_machine(raw) for raw in self._all("ec2", "describe_instances", _instances, Filters=filters)]
        return [machine for machine in found if is_plain(machine.tags)]

    def usage(self, starts: Mapping[str, float], end: float) -> dict[str, Usage]:
        """The figures of machines (id → since when, s) until `end`, as far as CloudWatch has them."""
        found: dict[str, Usage] = {}
        for some in _batches(starts, end):
            found |= self._usage(some, min(starts[i] for i in some), end)
        return found

    def _usage(self, ids: list[str], start: float, end: float) -> dict[str, Usage]:
        figures: dict[str, dict[float, float]] = {}
        results = self._all(
            "cloudwatch",
            "get_metric_data",
            lambda answer: answer["MetricDataResults"],
            MetricDataQueries=[_query(n, i, metric) for n, i in enumerate(ids) for metric in METRICS],
            StartTime=datetime.fromtimestamp(start, UTC),
            EndTime=datetime.fromtimestamp(end, UTC),
        )
        for result in results:
            pairs = zip(result["Timestamps"], result["Values"], strict=True)
            figures.setdefault(result["Id"], {}).update({at.timestamp(): float(value) for at, value in pairs})
        return {i: Usage(*(figures.get(f"{metric}{n}", {}) for metric in METRICS)) for n, i in enumerate(ids)}

    def _all(
        self, service: str, operation: str, parts: Callable[[Mapping[str, Any]], Iterable[Any]], **ask: Any
    ) -> Iterator[Any]:
        """The parts of every page."""
        asked = dict(ask)
        while True:
            answer = self._call(operation, service=service, options={"attempts": ATTEMPTS}, **asked)
            yield from parts(answer)
            if not answer.get("NextToken"):
                return
            asked["NextToken"] = answer["NextToken"]


def _batches(starts: Mapping[str, float], end: float) -> Iterator[list[str]]:
    """Machines in groups that one call may ask for; those with the longest times first, by themselves."""
    some: list[str] = []
    for i in sorted(starts, key=lambda i: starts[i]):
        first = min(starts[i], starts[some[0]]) if some else starts[i]
        points = (end - first) / PERIOD_S
        if some and len(METRICS) * (len(some) + 1) > min(QUERIES, POINTS / points):
            yield some
            some = []
        some.append(i)
    if some:
        yield some


def _query(n: int, instance_id: str, metric: str) -> dict[str, Any]:
    name, stat = METRICS[metric]
    dimensions = [{"Name": "InstanceId", "Value": instance_id}]
    of = {"Namespace": "AWS/EC2", "MetricName": name, "Dimensions": dimensions}
    return {"Id": f"{metric}{n}", "MetricStat": {"Metric": of, "Period": int(PERIOD_S), "Stat": stat}}


def _instances(answer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for reservation in answer.get("Reservations", ()):
        yield from reservation["Instances"]


def _machine(raw: Mapping[str, Any]) -> PlainMachine:
    cores = raw.get("CpuOptions", {})
    return PlainMachine(
        raw["InstanceId"],
        {t["Key"]: t["Value"] for t in raw.get("Tags", ())},
        raw["LaunchTime"].timestamp(),
        cores.get("CoreCount", 0) * cores.get("ThreadsPerCore", 0),
        raw.get("InstanceLifecycle", ""),
    )
