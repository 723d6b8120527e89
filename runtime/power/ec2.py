"""Power on EC2: describe, start, stop. Refusals keep EC2's own code and words.

Orders are sent once. A refused start (EC2 says "no capacity" with a 500, which boto3 would retry in silence) is for the
lease to repeat; a stop that lands late would hit the next boot, so its time-outs add up to 5 s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from xml.etree import ElementTree

from core.contract import TAG_UNIT
from runtime.aws import client
from runtime.power import Machine, PowerUnanswered, refusal

PAGE: Final = 200  # EC2 takes at most 200 values in one filter
LARGEST_PAGE: Final = 1000
# Of the hundred-odd elements of an instance those that nobody here reads, cut out before XML becomes objects.
# None holds itself, so that the first closing tag ends it; text in XML has no bare "<".
_UNREAD_NAMES: Final = (
    b"networkInterfaceSet|blockDeviceMapping|metadataOptions|cpuOptions|capacityReservationSpecification|groupSet"
    b"|hibernationOptions|enclaveOptions|privateDnsNameOptions|maintenanceOptions|networkPerformanceOptions|monitoring"
    b"|productCodes|launchTime|usageOperationUpdateTime|usageOperation|platformDetails|currentInstanceBootMode|bootMode"
    b"|imageId|clientToken|privateDnsName|dnsName|keyName|amiLaunchIndex|architecture|rootDeviceType|rootDeviceName"
    b"|virtualizationType|hypervisor|ebsOptimized|enaSupport|sourceDestCheck|subnetId|vpcId|privateIpAddress|ipAddress"
    b"|ownerId|reservationId|requesterId|groupName|tenancy"
)
_UNREAD: Final = re.compile(rb"<(%s)(?:/>|>.*?</\1>)" % _UNREAD_NAMES, re.DOTALL)
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
        """What EC2 says of each, in one call for 200. A filter, not ids: one unknown id would fail the whole call.

        More than 200 are asked for by our tag, a thousand a call; those without it (untagged, gone) then one by one.
        """
        found = self._tagged(frozenset(instance_ids)) if len(instance_ids) > PAGE else {}
        left = [i for i in instance_ids if i not in found]
        for start in range(0, len(left), PAGE):
            for raw in self._pages([{"Name": "instance-id", "Values": left[start : start + PAGE]}]):
                found[raw["InstanceId"]] = _machine(raw)
        return {i: found.get(i) or Machine(i, "missing") for i in instance_ids}

    def _tagged(self, wanted: frozenset[str]) -> dict[str, Machine]:
        events = client("ec2", self._region).meta.events
        events.register("before-parse.ec2.DescribeInstances", _read_little, unique_id="pilotlight-little")
        raws = self._pages([{"Name": "tag-key", "Values": [TAG_UNIT]}], MaxResults=LARGEST_PAGE)
        return {raw["InstanceId"]: _machine(raw) for raw in raws if raw["InstanceId"] in wanted}

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
            code, words = error.response["Error"]["Code"], error.response["Error"]["Message"]
            raise refusal(code, words) from error
        except BotoCoreError as error:
            raise PowerUnanswered(f"{operation}: {error}") from error
        return answer


def _read_little(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Takes botocore's place for a page of a thousand machines: it would make Python objects of all that EC2 says, six
    times the work. What comes out has botocore's shape; an error's body is left to it.
    """
    if response_dict["status_code"] != 200:
        return
    root = ElementTree.fromstring(_UNREAD.sub(b"", response_dict["body"]))
    space = root.tag.rpartition("}")[0] + "}"
    items = root.iterfind("/".join(f"{space}{part}" for part in ("reservationSet", "item", "instancesSet", "item")))
    customized_response_dict["Reservations"] = [{"Instances": [_raw(item, space) for item in items]}]
    customized_response_dict["NextToken"] = root.findtext(f"{space}nextToken", "")
    response_dict["body"] = b"<DescribeInstancesResponse/>"


def _raw(item: Any, space: str) -> dict[str, Any]:
    """One instance's element in botocore's shape, as far as `_machine` reads it."""

    def text(*path: str) -> str:
        found: str = item.findtext("/".join(space + part for part in path), "")
        return found

    tags = item.iterfind(f"{space}tagSet/{space}item")
    return {
        "InstanceId": text("instanceId"),
        "State": {"Name": text("instanceState", "name")},
        "StateReason": {"Message": text("stateReason", "message")},
        "StateTransitionReason": text("reason"),
        "InstanceType": text("instanceType"),
        "Placement": {"AvailabilityZone": text("placement", "availabilityZone")},
        "Tags": [{"Key": t.findtext(f"{space}key", ""), "Value": t.findtext(f"{space}value", "")} for t in tags],
    }


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
