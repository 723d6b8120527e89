"""A simulated fleet behind real AWS clients: every request is answered before it would leave this process.

The answers are bytes as DynamoDB and EC2 send them (the instances with the hundred-odd elements that EC2 tells of each,
the settings in pages of 1 MB, histories by their key ranges), so that signing, serialising and parsing are the real
botocore's and are counted. Not simulated: the network, throttling, and pages that a filter leaves half full. One host
in ten has a schedule, one in ten a budget, three in ten are on. With a history each host has so many events, a wake and
a stop of five minutes every 3.6 hours, and in each pass one host in a hundred has been through another one. To simulate
another call: a method of `Fleet` in `_ANSWERS`.
"""

from __future__ import annotations

import dataclasses
import email.utils
import json
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from botocore.awsrequest import AWSResponse

from core.contract.documents import UnitSettings
from core.contract.table import PK_UNITS, SETTINGS_BODY, SK_LEASE, SK_PAST, TABLE_PK, TABLE_SK, sk_event
from core.contract.tags import TAG_CONTROL, TAG_UNIT
from core.lease import Event, Lease, State, to_item
from core.past import Past
from core.past import to_item as past_item
from runtime.backends.leases.encoding import encode_item
from runtime.backends.leases.items import event_item

TABLE: Final = "fleet"
REGION: Final = "us-east-1"
CONTROL: Final = "0123456789abcdef"  # the deployment id of the stack whose control drives all
QUERY_PAGE: Final = 1_000_000  # bytes
CYCLE: Final = (State.STARTING, State.RUNNING, State.DRAINING, State.STOPPING, State.STOPPED)
CYCLE_S: Final = 12960.0  # 6.7 cycles a day: 36,500 events in three years
CHANGES: Final = 100  # one host in so many goes through a cycle in a pass
FRESH: Final = 41  # epochs of a host without a history
BEHIND: Final = 10  # events that a kept past has not counted
READ_UNIT: Final = 4096  # bytes a consistent read takes; one that is not takes half a unit
XMLNS: Final = "http://ec2.amazonaws.com/doc/2016-11-15/"


class Fleet:
    """`hosts` units of one table, each with `history` events, or nearly none (0), and then nothing changes.

    `calls` counts requests, `read_units` what DynamoDB would bill, `own_s` our CPU.
    """

    def __init__(self, hosts: int, history: int = 0) -> None:
        self._history, self._passes = history, 0
        self._pasts = dict[str, Any]()  # as the reaper kept them
        self.calls: Counter[str] = Counter()
        self.read_units = 0.0
        self.pages = set[str]()  # where the directory's pages begin
        self.own_s = 0.0
        self._at = time.time()
        self._units = [f"stack-{n:05}/host" for n in range(hosts)]
        self._numbers = {unit: n for n, unit in enumerate(self._units)}
        self._settings = [self._settings_item(unit, n) for unit, n in self._numbers.items()]
        self._machines = [_machine_xml(unit, n) for unit, n in self._numbers.items()]

    def join(self, client: Any, service: str) -> Any:
        """Let this client ask the fleet instead of AWS."""
        client.meta.events.register(f"before-send.{service}.*", self._answer)
        return client

    def forget(self) -> None:
        """Count from zero, and let every agent have said something just now, and some hosts been through a cycle."""
        self._passes += 1
        self.calls.clear()
        self.read_units, self.own_s, self._at = 0.0, 0.0, time.time()

    # ------------------------------------------------------------ answering
    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        began = time.process_time()
        target = request.headers.get("X-Amz-Target", b"")
        if target:
            operation = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
            asked: Mapping[str, Any] = json.loads(request.body)
        else:
            body = request.body.decode() if isinstance(request.body, bytes) else request.body
            asked = dict(urllib.parse.parse_qsl(body))
            operation = asked["Action"]
        self.calls[operation] += 1
        content = _ANSWERS[operation](self, asked)
        answer = AWSResponse(request.url, 200, {"date": email.utils.formatdate(usegmt=True)}, _Raw(content))
        self.own_s += time.process_time() - began
        return answer

    @property
    def changed(self) -> int:
        """Hosts with a budget that have a new epoch in each pass, at most."""
        return -(-len(self._units) // CHANGES // 10) if self._history else 0

    def _query(self, asked: Mapping[str, Any]) -> bytes:
        values = asked["ExpressionAttributeValues"]
        if values[":pk"]["S"] == PK_UNITS:
            return self._directory(asked)
        unit = values[":pk"]["S"]
        first, last = (int(values[name]["S"].partition("#")[2]) for name in (":first", ":last"))
        last = min(last, self._epoch(self._numbers[unit]), first + asked.get("Limit", QUERY_PAGE) - 1)
        body = json.dumps({"Items": [self._event(unit, epoch) for epoch in range(max(1, first), last + 1)]}).encode()
        self.read_units += max(1, len(body) / READ_UNIT)
        return body

    def _put(self, asked: Mapping[str, Any]) -> bytes:
        self._pasts[asked["Item"][TABLE_PK]["S"]] = asked["Item"]
        return b"{}"

    def _directory(self, asked: Mapping[str, Any]) -> bytes:
        first = self._numbers[asked["ExclusiveStartKey"][TABLE_SK]["S"]] + 1 if "ExclusiveStartKey" in asked else 0
        size, end = 0, first
        self.pages.add(str(first))
        while end < len(self._settings) and size + len(self._settings[end]) <= QUERY_PAGE:
            size += len(self._settings[end])
            end += 1
        self.read_units += size / READ_UNIT / 2
        last = {TABLE_PK: {"S": PK_UNITS}, TABLE_SK: {"S": self._units[end - 1]}}
        more = f', "LastEvaluatedKey": {json.dumps(last)}' if end < len(self._settings) else ""
        return f'{{"Items": [{", ".join(self._settings[first:end])}]{more}}}'.encode()

    def _batch(self, asked: Mapping[str, Any]) -> bytes:
        keys = asked["RequestItems"][TABLE]["Keys"]
        self.read_units += len(keys)  # a lease is under 4 KiB
        items = [self._item(k[TABLE_PK]["S"], k[TABLE_SK]["S"]) for k in keys]
        there = [item for item in items if item is not None]
        return json.dumps({"Responses": {TABLE: there}, "UnprocessedKeys": {}}).encode()

    def _item(self, unit: str, sk: str) -> Any:
        return self._lease_item(unit) if sk == SK_LEASE else self._past_item(unit)

    def _describe(self, asked: Mapping[str, Any]) -> bytes:
        first, most = int(asked.get("NextToken", 0)), int(asked.get("MaxResults", 1000))
        page = self._machines[first : first + most]
        more = first + most < len(self._machines)
        token = f"<nextToken>{first + most}</nextToken>" if more else ""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><DescribeInstancesResponse xmlns="{XMLNS}"><requestId>r</requestId>'
            f"<reservationSet>{''.join(page)}</reservationSet>{token}</DescribeInstancesResponse>"
        ).encode()

    # ------------------------------------------------------------ what there is
    def _settings_item(self, unit: str, n: int) -> str:
        settings = UnitSettings.from_dict(
            {
                **{"schema_version": 1, "stack": unit.partition("/")[0], "unit": unit, "region": REGION},
                **{"instance_id": _instance(n), "profile": "online"},
                **{"stop_after_s": 1800.0, "max_lease_s": 43200.0, "max_silence_s": 1800.0, "hard_cap_s": 0.0},
                "schedule_on": "0 9 * * mon-fri" if n % 10 == 1 else "",
                "schedule_off": "0 18 * * mon-fri" if n % 10 == 1 else "",
                **{"time_zone": "Europe/Berlin", "start_timeout_s": 900.0},
                **{"instance_types": ["g6.xlarge", "g5.xlarge"]},
                "monthly_budget_usd": 500.0 if n % 10 == 2 else None,
                "alerts_topic_arn": f"arn:aws:sns:{REGION}:123456789012:{unit.partition('/')[0]}-alerts",
            }
        )
        item = {TABLE_PK: PK_UNITS, TABLE_SK: unit, SETTINGS_BODY: settings.to_json()}
        return json.dumps({key: {"S": value} for key, value in item.items()})

    def _lease_item(self, unit: str) -> dict[str, Any]:
        n, at = self._numbers[unit], self._at
        on = _is_on(n)
        state = State.RUNNING if on else State.STOPPED
        begun, boot = (unit, state, self._epoch(n), at - 600), "b" if on else ""
        lease = Lease(*begun, "idle", "agent", instance_id=_instance(n), boot_id=boot)
        lease = dataclasses.replace(lease, notified=lease.epoch)
        item = to_item(lease) | ({"agent_at": at, "relay_at": at, "ready_at": at - 500, "demand_at": at} if on else {})
        return encode_item({TABLE_PK: unit, TABLE_SK: SK_LEASE, "nonce": "0" * 32, **item})

    def _epoch(self, n: int) -> int:
        """Of host `n` now; each pass another hundredth goes through one cycle."""
        cycles = (self._passes + n // 10 % CHANGES) // CHANGES if self._history else 0
        return (self._history or FRESH) + cycles * len(CYCLE)

    def _event(self, unit: str, epoch: int) -> dict[str, Any]:
        """A cycle is five minutes of being on; the last one ended a quarter of an hour ago."""
        ago, step = (self._epoch(self._numbers[unit]) - epoch) // len(CYCLE), epoch % len(CYCLE)
        at = self._at - 900 - ago * CYCLE_S + step * 60
        event = Event(epoch, at, CYCLE[step - 1], CYCLE[step], "relay", "wanted", {"boot_s": 3.1, "engine_a_s": 20.5})
        return encode_item({TABLE_PK: unit, TABLE_SK: sk_event(epoch), **event_item(event, "0" * 32)})

    def _past_item(self, unit: str) -> Any:
        """As an earlier, now cold, Lambda left it: some events behind."""
        if unit in self._pasts or not self._history:
            return self._pasts.get(unit)
        kept = Past(self._history - BEHIND, self._at - 40 * 86400.0)
        return self._pasts.setdefault(unit, encode_item({TABLE_PK: unit, TABLE_SK: SK_PAST, **past_item(kept)}))


class _Raw:
    """A body as urllib3 gives it to botocore."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._content


def _instance(n: int) -> str:
    return f"i-{n:017x}"


def _is_on(n: int) -> bool:
    return n % 10 in (0, 3, 6)


def _machine_xml(unit: str, n: int) -> str:
    """One instance with all that EC2 says of it; a fleet mostly has a reservation an instance."""
    code, state = (16, "running") if _is_on(n) else (80, "stopped")
    why = "" if _is_on(n) else "Client.UserInitiatedShutdown"
    stack = unit.partition("/")[0]
    tags = {"Name": f"{stack}-host", "pilotlight:stack": stack, "pilotlight:deployment": f"{n:016x}"}
    tags |= {"pilotlight:role": "host", TAG_UNIT: unit, "pilotlight:auto-stop": "30m", "pilotlight:max-lease": "12h"}
    tags |= {TAG_CONTROL: CONTROL}
    of_tags = "".join(f"<item><key>{k}</key><value>{v}</value></item>" for k, v in tags.items())
    reason = f"<stateReason><code>{why}</code><message>{why}: User initiated shutdown</message></stateReason>"
    return (
        f"<item><reservationId>r-{n:017x}</reservationId><ownerId>123456789012</ownerId><groupSet/><instancesSet><item>"
        f"<instanceId>{_instance(n)}</instanceId><imageId>ami-0123456789abcdef0</imageId>"
        f"<instanceState><code>{code}</code><name>{state}</name></instanceState>"
        f"<instanceType>g6.xlarge</instanceType>{_LEAVES}{reason if why else ''}{_PARTS}"
        f"<tagSet>{of_tags}</tagSet></item></instancesSet></item>"
    )


def _leaves(**texts: str) -> str:
    return "".join(f"<{name}>{text}</{name}>" for name, text in texts.items())


_WHEN: Final = "2026-01-01T00:00:00.000Z"
_GROUPS: Final = "<groupSet><item><groupId>sg-0123456789abcdef0</groupId><groupName>host</groupName></item></groupSet>"
_NET: Final = _leaves(subnetId="subnet-0123456789abcdef0", vpcId="vpc-0123456789abcdef0", privateIpAddress="10.0.0.1")
_LEAVES: Final = (
    _leaves(privateDnsName="ip-10-0-0-1.ec2.internal", dnsName="", reason="", keyName="key", amiLaunchIndex="0")
    + _leaves(productCodes="", launchTime=_WHEN, architecture="x86_64", rootDeviceType="ebs", clientToken="0" * 32)
    + _leaves(rootDeviceName="/dev/sda1", virtualizationType="hvm", hypervisor="xen", ebsOptimized="true")
    + _leaves(enaSupport="true", sourceDestCheck="true", platformDetails="Linux/UNIX", usageOperation="RunInstances")
    + _leaves(usageOperationUpdateTime=_WHEN, currentInstanceBootMode="uefi")
    + "<placement><availabilityZone>us-east-1a</availabilityZone><groupName/><tenancy>default</tenancy></placement>"
    + "<monitoring><state>disabled</state></monitoring>"
    + _NET
)
_PARTS: Final = (
    f"{_GROUPS}<blockDeviceMapping><item><deviceName>/dev/sda1</deviceName><ebs>"
    + _leaves(volumeId="vol-0123456789abcdef0", status="attached", attachTime=_WHEN, deleteOnTermination="true")
    + "</ebs></item></blockDeviceMapping><networkInterfaceSet><item>"
    + _leaves(networkInterfaceId="eni-0123456789abcdef0", description="", status="in-use", interfaceType="interface")
    + f"{_NET}{_GROUPS}<attachment>"
    + _leaves(attachmentId="a", deviceIndex="0", status="attached", attachTime=_WHEN, networkCardIndex="0")
    + "</attachment><privateIpAddressesSet><item><privateIpAddress>10.0.0.1</privateIpAddress><primary>true</primary>"
    + "</item></privateIpAddressesSet><ipv6AddressesSet/></item></networkInterfaceSet>"
    + "<cpuOptions><coreCount>2</coreCount><threadsPerCore>2</threadsPerCore></cpuOptions>"
    + "<capacityReservationSpecification><capacityReservationPreference>open</capacityReservationPreference>"
    + "</capacityReservationSpecification><hibernationOptions><configured>false</configured></hibernationOptions>"
    + "<metadataOptions>"
    + _leaves(state="applied", httpTokens="required", httpPutResponseHopLimit="2", httpEndpoint="enabled")
    + "</metadataOptions><enclaveOptions><enabled>false</enabled></enclaveOptions>"
    + "<maintenanceOptions><autoRecovery>default</autoRecovery></maintenanceOptions>"
)
_ANSWERS: Final[Mapping[str, Callable[[Fleet, Mapping[str, Any]], bytes]]] = {
    "Query": Fleet._query,
    "PutItem": Fleet._put,
    "BatchGetItem": Fleet._batch,
    "DescribeInstances": Fleet._describe,
}
