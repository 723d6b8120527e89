"""What the lease verbs (`status`, `explain`, `history`, `pin`) share: a stack's lease client, and its lease with all
around it.

The verbs themselves are small functions in `verbs_<name>.py` that return plain records, so that a page can call them as
`remote/tasks.py` does; what prints them stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.contract.documents import UnitSettings
from core.lease import Event, Lease, from_item
from core.policy import Facts
from core.settings import StackSettings, unit_settings
from core.wakes import wakes
from remote.machines import inventory
from remote.machines.inventory import Inventory
from remote.machines.lease_client import LeaseClient
from remote.machines.transport import Machine

Record = dict[str, Any]


@dataclass(frozen=True)
class Front:
    """A deployed stack and the client by which its lease is read and written."""

    inventory: Inventory
    client: LeaseClient

    @property
    def zone(self) -> str:
        """The time zone that people of this stack read times in."""
        return self.inventory.settings.idle.time_zone


def front(stack: str, identity: str = "") -> Front:
    """Connect to the machine that may write the stack's lease. DeployError: not deployed, or no answer."""
    found = inventory.load(stack, identity=identity)
    machine = Machine(found.gateway or found.host)
    machine.connect()
    return Front(found, LeaseClient(machine))


@dataclass(frozen=True)
class Seen:
    """One look at a unit: the lease (None: no `fab deploy` yet), what EC2 says, settings and history, at table time."""

    lease: Lease | None
    machine: Mapping[str, Any]
    settings: UnitSettings
    events: Sequence[Event]
    now: float
    raw: Record

    def facts(self, spent_usd: float | None = None) -> Facts:
        """For the policy."""
        machine = self.machine
        seen = (machine["state"], machine.get("state_reason", ""), machine.get("tags", {}))
        past = wakes(self.events)
        return Facts(*seen, spent_usd, wakes=past, instance_type=machine.get("instance_type", ""))


def look(front: Front, *, history_s: float) -> Seen:
    """One command through the lease client: lease, machine, settings and the events of the last `history_s` seconds."""
    raw = front.client.call("show", "--machine", "--settings", "--history", str(history_s))
    return read(raw, front.inventory.settings)


def read(raw: Record, stack: StackSettings) -> Seen:
    """Whthrough the lease client printed, as types; the stack file's settings where the table has none."""
    told = raw.pop("settings", None)
    settings = UnitSettings.from_dict(told) if told else settings_of(stack)
    events = [Event(**event) for event in raw.pop("events", [])]
    lease = from_item({k: v for k, v in raw.items() if v not in (None, "")}) if raw.get("state") else None
    return Seen(lease, raw["machine"], settings, events, float(raw["now"]), raw)


def settings_of(stack: StackSettings) -> UnitSettings:
    """What the policy would go by, from the stack file alone."""
    return unit_settings(stack, instance_id="", alerts_topic_arn="")
