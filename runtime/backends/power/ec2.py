"""Power on EC2: describe, start, stop. Refusals keep EC2's own code and words.

Orders are sent once. A refused start (EC2 says "no capacity" with a 500, which boto3 would retry in silence) is for the
lease to repeat; a stop that lands late would hit the next boot, so its time-outs add up to 5 s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from runtime import aws
from runtime.aws import client
from runtime.backends.power import Machine, PowerUnanswered, refusal

_ID: Final = re.compile(r"i-[0-9a-f]{1,40}")
PAGE: Final = 200  # EC2 takes at most 200 values in one filter
STOP_CONNECT_S: Final = 2.0
STOP_READ_S: Final = 3.0
# Of a client: how often a call is sent, and how long it may take
USUAL: Final[Mapping[str, Any]] = MappingProxyType({})
ONCE: Final[Mapping[str, Any]] = MappingProxyType({"attempts": 1})
STOP: Final[Mapping[str, Any]] = MappingProxyType(
    {"attempts": 1, "connect_timeout_s": STOP_CONNECT_S, "read_timeout_s": STOP_READ_S}
)


class Ec2Power:
    """EC2 instances of one region. Methods block; PowerRefused: EC2 said no; PowerUnanswered: it did not answer."""

    def __init__(self, region: str) -> None:
        self._region = region

    def prepare(self, before_parse: Callable[..., None] | None = None) -> None:
        """Make the clients of describe and start now (half a second): no wake shall wait for them.

        `before_parse` sees the bytes of what describe is answered. PowerUnanswered where there are no credentials yet;
        the first call makes the clients then.
        """
        from botocore.exceptions import BotoCoreError

        try:
            events = client("ec2", self._region).meta.events
            client("ec2", self._region, **ONCE)
            if before_parse is not None:
                name = "before-parse.ec2.DescribeInstances"
                events.register(name, before_parse, unique_id=f"pilotlight-{before_parse.__name__}")
        except BotoCoreError as error:
            raise PowerUnanswered(f"no client for EC2: {error}") from error

    def describe(self, instance_id: str) -> Machine:
        """What EC2 says now; state `missing` where it knows no such instance."""
        return self.describe_many([instance_id])[instance_id]

    def describe_many(self, instance_ids: Sequence[str]) -> dict[str, Machine]:
        """What EC2 says of each, in one call for 200. A filter, not ids: one unknown id would fail the whole call."""
        found: dict[str, Machine] = {}
        asked = [i for i in instance_ids if _ID.fullmatch(i)]  # one that is none would fail the whole call
        for start in range(0, len(asked), PAGE):
            for raw in self._pages([{"Name": "instance-id", "Values": asked[start : start + PAGE]}]):
                found[raw["InstanceId"]] = machine(raw)
        return {i: found.get(i) or Machine(i, "missing") for i in instance_ids}

    def start(self, instance_id: str) -> None:
        """Order a start, once. PowerRefused where EC2 says no."""
        self._call("start_instances", options=ONCE, InstanceIds=[instance_id])

    def set_type(self, instance_id: str, instance_type: str) -> None:
        """Change the type of a stopped machine, once. PowerRefused where EC2 says no; the zone stays what it is."""
        change = {"Value": instance_type}
        self._call("modify_instance_attribute", options=ONCE, InstanceId=instance_id, InstanceType=change)

    def stop(self, instance_id: str) -> None:
        """Order a stop, once, within 5 s. PowerRefused where EC2 says no."""
        self._call("stop_instances", options=STOP, InstanceIds=[instance_id])

    def _pages(self, filters: Sequence[Mapping[str, Any]], **limits: int) -> Iterator[Mapping[str, Any]]:
        ask: dict[str, Any] = {"Filters": filters, **limits}
        while True:
            answer = self._call("describe_instances", **ask)
            for reservation in answer.get("Reservations", ()):
                yield from reservation["Instances"]
            if not answer.get("NextToken"):
                return
            ask["NextToken"] = answer["NextToken"]

    def _call(
        self, operation: str, *, service: str = "ec2", options: Mapping[str, Any] = USUAL, **arguments: Any
    ) -> Mapping[str, Any]:
        return call(self._region, service, operation, options, **arguments)


def call(
    region: str, service: str, operation: str, options: Mapping[str, Any] = USUAL, **arguments: Any
) -> Mapping[str, Any]:
    """One call of AWS. PowerRefused where it says no, PowerUnanswered where it does not take the call now."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer: Mapping[str, Any] = getattr(client(service, region, **options), operation)(**arguments)
    except ClientError as error:
        aws.failed(error)
        said, http = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        code, words = said.get("Code", ""), said.get("Message", "")
        raise refusal(code, words, http.get("HTTPStatusCode", 0)) from error
    except BotoCoreError as error:
        aws.failed(error)
        raise PowerUnanswered(f"{operation}: {error}") from error
    aws.worked()
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
