"""Power on EC2: describe, start, stop. Refusals keep EC2's own code and words.

Orders are sent once. A refused start (EC2 says "no capacity" with a 500, which boto3 would retry in silence) is for the
lease to repeat; a stop that lands late would hit the next boot, so its time-outs add up to 5 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from runtime.aws import client
from runtime.power import Machine, PowerRefused, PowerUnanswered

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html: waiting, or another type, may help.
CAPACITY_CODES: Final = frozenset(
    {"InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientReservedInstanceCapacity"}
)
PAGE: Final = 200  # EC2 takes at most 200 values in one filter
STOP_CONNECT_S: Final = 2.0
STOP_READ_S: Final = 3.0


class Ec2Power:
    """EC2 instances of one region. Methods block; PowerRefused: EC2 said no; PowerUnanswered: it did not answer."""

    def __init__(self, region: str) -> None:
        self._region = region

    def describe(self, instance_id: str) -> Machine:
        """What EC2 says now; state `missing` where it knows no such instance."""
        return self.describe_many([instance_id])[instance_id]

    def describe_many(self, instance_ids: Sequence[str]) -> dict[str, Machine]:
        """What EC2 says of each, in one call for 200. A filter, not ids: one unknown id would fail the whole call."""
        found = {i: Machine(i, "missing") for i in instance_ids}
        for start in range(0, len(instance_ids), PAGE):
            for raw in self._page(instance_ids[start : start + PAGE]):
                found[raw["InstanceId"]] = _machine(raw)
        return found

    def start(self, instance_id: str) -> None:
        """Order a start, once. PowerRefused where EC2 says no."""
        self._call(client("ec2", self._region, attempts=1), "start_instances", InstanceIds=[instance_id])

    def stop(self, instance_id: str) -> None:
        """Order a stop, once, within 5 s. PowerRefused where EC2 says no."""
        once = client("ec2", self._region, connect_timeout_s=STOP_CONNECT_S, read_timeout_s=STOP_READ_S, attempts=1)
        self._call(once, "stop_instances", InstanceIds=[instance_id])

    def _page(self, ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        ask: dict[str, Any] = {"Filters": [{"Name": "instance-id", "Values": list(ids)}]}
        while True:
            answer = self._call(client("ec2", self._region), "describe_instances", **ask)
            for reservation in answer.get("Reservations", ()):
                yield from reservation["Instances"]
            if not answer.get("NextToken"):
                return
            ask["NextToken"] = answer["NextToken"]

    def _call(self, ec2: Any, operation: str, **arguments: Any) -> Mapping[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: Mapping[str, Any] = getattr(ec2, operation)(**arguments)
        except ClientError as error:
            code, words = error.response["Error"]["Code"], error.response["Error"]["Message"]
            raise PowerRefused(code, words, capacity=code in CAPACITY_CODES) from error
        except BotoCoreError as error:
            raise PowerUnanswered(f"{operation}: {error}") from error
        return answer


def _machine(raw: Mapping[str, Any]) -> Machine:
    reason = raw.get("StateReason", {}).get("Message", "") or raw.get("StateTransitionReason", "")
    return Machine(
        raw["InstanceId"],
        raw["State"]["Name"],
        reason,
        raw.get("InstanceType", ""),
        raw.get("Placement", {}).get("AvailabilityZone", ""),
        {t["Key"]: t["Value"] for t in raw.get("Tags", ())},
    )
