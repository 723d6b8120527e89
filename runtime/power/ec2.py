"""Power on EC2: describe, start, stop. Refusals keep EC2's own code and words.

Orders are sent once. A refused start (EC2 says "no capacity" with a 500, which boto3 would retry in silence) is for the
lease to repeat; a stop that lands late would hit the next boot, so its time-outs add up to 5 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from runtime.aws import client
from runtime.power import Machine, PowerUnanswered, refusal

PAGE: Final = 200  # EC2 takes at most 200 values in one filter
STOP_CONNECT_S: Final = 2.0
STOP_READ_S: Final = 3.0


class Ec2Power:
    """EC2 instances of one region. Methods block; PowerRefused: EC2 said no; PowerUnanswered: it did not answer."""

    def __init__(self, region: str) -> None:
        self._region = region

    def prepare(self) -> None:
        """Make the clients of describe and start now (half a second): no wake shall wait for them."""
        client("ec2", self._region)
        client("ec2", self._region, attempts=1)

    def describe(self, instance_id: str) -> Machine:
        """What EC2 says now; state `missing` where it knows no such instance."""
        return self.describe_many([instance_id])[instance_id]

    def describe_many(self, instance_ids: Sequence[str]) -> dict[str, Machine]:
        """What EC2 says of each, in one call for 200. A filter, not ids: one unknown id would fail the whole call."""
        found: dict[str, Machine] = {}
        for start in range(0, len(instance_ids), PAGE):
            for raw in self._pages([{"Name": "instance-id", "Values": list(instance_ids[start : start + PAGE])}]):
                found[raw["InstanceId"]] = machine(raw)
        return {i: found.get(i) or Machine(i, "missing") for i in instance_ids}

    def start(self, instance_id: str) -> None:
        """Order a start, once. PowerRefused where EC2 says no."""
        self._call(client("ec2", self._region, attempts=1), "start_instances", InstanceIds=[instance_id])

    def set_type(self, instance_id: str, instance_type: str) -> None:
        """Change the type of a stopped machine, once. PowerRefused where EC2 says no; the zone stays what it is."""
        once = client("ec2", self._region, attempts=1)
        change = {"Value": instance_type}
        self._call(once, "modify_instance_attribute", InstanceId=instance_id, InstanceType=change)

    def stop(self, instance_id: str) -> None:
        """Order a stop, once, within 5 s. PowerRefused where EC2 says no."""
        once = client("ec2", self._region, connect_timeout_s=STOP_CONNECT_S, read_timeout_s=STOP_READ_S, attempts=1)
        self._call(once, "stop_instances", InstanceIds=[instance_id])

    def _pages(self, filters: Sequence[Mapping[str, Any]], **limits: int) -> Iterator[Mapping[str, Any]]:
        ask: dict[str, Any] = {"Filters": filters, **limits}
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
            said, http = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
            code, words = said.get("Code", ""), said.get("Message", "")
            raise refusal(code, words, http.get("HTTPStatusCode", 0)) from error
        except BotoCoreError as error:
            raise PowerUnanswered(f"{operation}: {error}") from error
        return answer


def machine(raw: Mapping[str, Any]) -> Machine:
    """An instance as botocore tells it."""
    reason = raw.get("StateReason", {}).get("Message", "") or raw.get("StateTransitionReason", "")
    return Machine(
        raw["InstanceId"],
        raw["State"]["Name"],
        reason,
        raw.get("InstanceType", ""),
        raw.get("Placement", {}).get("AvailabilityZone", ""),
        {t["Key"]: t["Value"] for t in raw.get("Tags", ())},
    )
