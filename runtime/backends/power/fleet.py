"""Power over a control's fleet: its machines by tag, a thousand a call, and with them the ones nobody asked for.

A machine that carries a unit's tag without being its lease's machine (a copy, a replacement that did not finish) comes
along in the same call. The control's tag is asked for too: somebody else's stack of the same name is no duplicate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.etree import ElementTree

from core.contract.tags import TAG_CONTROL, TAG_UNIT
from runtime.backends.power import Machine
from runtime.backends.power.ec2 import PAGE, Ec2Power, machine

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


class Ec2Fleet(Ec2Power):
    """EC2 instances of one region that carry a control's tag: the deployment id `control` of its stack."""

    def __init__(self, region: str, control: str) -> None:
        super().__init__(region)
        self._control = control

    def describe_fleet(self, machines: Mapping[str, str]) -> dict[str, Machine]:
        """By instance id every machine that was asked for (unit → instance id), and others that carry a unit's tag.

        Up to 199 units are asked for by name, more by the control's tag alone; machines without our tags (untagged
        by hand, older than the control's tag, gone) then by their ids, 200 a call.
        """
        found = self._tagged(list(machines))
        left = [i for i in machines.values() if i not in found]
        return found | (self.describe_many(left) if left else {})

    def _tagged(self, units: Sequence[str]) -> dict[str, Machine]:
        mine = {"Name": f"tag:{TAG_CONTROL}", "Values": [self._control]}
        if len(units) < PAGE:  # EC2 takes 200 values in one call
            raws = self._pages([mine, {"Name": f"tag:{TAG_UNIT}", "Values": list(units)}])
        else:
            self.prepare(_read_little)
            raws = self._pages([mine], MaxResults=LARGEST_PAGE)
        return {raw["InstanceId"]: machine(raw) for raw in raws}


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
    """One instance's element in botocore's shape, as far as `machine` reads it."""

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
