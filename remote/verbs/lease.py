"""What the lease verbs (`status`, `explain`, `history`, `pin`, `wake`, `stop`) share: a stack's lease client, and its
lease with all around it.

The verbs themselves are small functions in modules of their names. They return dataclasses, so that a page can call
them as `remote/tasks.py` does; what prints them stands beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.contract.documents import UnitSettings
from core.lease import Event, Lease
from core.policy import Facts
from core.settings import StackSettings, unit_settings
from core.times import moments
from core.wakes import wakes
from remote.machines import inventory
from remote.machines.inventory import Inventory
from remote.machines.lease_client import Answer, Instance, LeaseClient
from remote.machines.transport import Machine

Record = dict[str, Any]  # a part of what `--json` prints


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
    machine: Instance
    settings: UnitSettings
    events: Sequence[Event]
    now: float
    redis: str = ""  # "ok", or why nothing is counted and cached; "": nobody could tell

    def facts(self, spent_usd: float | None = None) -> Facts:
        """For the policy."""
        machine = self.machine
        seen = (machine.state, machine.state_reason, machine.tags)
        return Facts(*seen, spent_usd, wakes=wakes(self.events), instance_type=machine.instance_type)


def look(front: Front, *, history_s: float) -> Seen:
    """One command through the lease client: lease, machine, settings and the events of the last `history_s` seconds."""
    answer = front.client.call("show", "--machine", "--settings", "--gateway", "--history", str(history_s))
    return seen(answer, front.inventory.settings)


def seen(answer: Answer, stack: StackSettings) -> Seen:
    """An answer as a look; the stack file's settings where the table has none."""
    settings = answer.settings or settings_of(stack)
    return Seen(answer.lease, answer.machine, settings, answer.events, answer.now, answer.redis)


def settings_of(stack: StackSettings) -> UnitSettings:
    """What the policy would go by, from the stack file alone."""
    return unit_settings(stack, instance_id="", alerts_topic_arn="")


# ---------------------------------------------------------------- for programs
def host_record(lease: Lease | None, now: float, zone: str) -> Record:
    """The host as every verb's `--json` shows it (docs/json.md): what a caller may rely on, and no more of the lease.

    `state` None: there is no lease yet. Times are ISO 8601 in `zone`.
    """
    if lease is None:
        return {"state": None}
    return {
        "state": lease.state.value,
        "since": moments.iso(lease.since, zone),
        "reason": lease.reason,
        "by": lease.by,
        "failure": lease.failure or None,
        "requests": lease.busy if lease.state.value in ("RUNNING", "DRAINING") else 0,
        "dead_engines": sorted(lease.dead_engines),
        "wake_request": _wake_request(lease, now, zone),
        "pin": _pin(lease, now, zone),
        "inhibitors": [
            {"who": each.who, "why": each.why, "until": moments.iso(each.until, zone)}
            for each in lease.inhibitors
            if each.until > now
        ],
    }


def _wake_request(lease: Lease, now: float, zone: str) -> Record | None:
    if lease.wake_until is None or not lease.wanted(now):
        return None
    at = None if lease.wake_at is None else moments.iso(lease.wake_at, zone)
    return {"by": lease.wake_by, "at": at, "until": moments.iso(lease.wake_until, zone)}


def _pin(lease: Lease, now: float, zone: str) -> Record | None:
    if lease.pin_until is None or not lease.pinned(now):
        return None
    return {"who": lease.pin_who, "why": lease.pin_why, "until": moments.iso(lease.pin_until, zone)}
