"""What can be seen from outside: the lease and its events in the table, EC2's word, the container's, and clocks inside.

Nothing here asks pilotlight's own processes; the figures of the story come from these outside time stamps.
"""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import docker
from boto3.dynamodb.types import TypeDeserializer

from core.contract.documents import Outputs
from core.contract.network import SSH_PORT
from core.contract.paths import AGENT_UNIT, ENGINE_UNIT, RELAY_UNITS, WEBUI_CONTAINER
from core.contract.table import LAST_EPOCH, SK_LEASE, TABLE_PK, TABLE_SK, sk_event
from core.errors import CloudError
from local.cloud.client import Cloud

Item = dict[str, Any]
T = TypeVar("T")


class Observer:
    """Looks at one stack of one embedded cloud. `outputs` are the stack's outputs."""

    def __init__(self, cloud: Cloud, outputs: dict[str, str]) -> None:
        self.cloud = cloud
        self.outputs = outputs
        self.host = outputs[Outputs.HOST_INSTANCE_ID]
        self.gateway = outputs[Outputs.GATEWAY_INSTANCE_ID]
        self._table = cloud.client("dynamodb")
        self._ec2 = cloud.client("ec2")
        self._docker = docker.from_env()

    def lease(self) -> Item:
        """The lease item as it stands."""
        key = {TABLE_PK: {"S": self.outputs[Outputs.UNIT]}, TABLE_SK: {"S": SK_LEASE}}
        found = self._table.get_item(TableName=self.outputs[Outputs.TABLE], Key=key, ConsistentRead=True)
        return _plain(found.get("Item") or {})

    def events(self, after_epoch: int = 0) -> list[Item]:
        """The transitions after an epoch, oldest first."""
        found = self._table.query(
            TableName=self.outputs[Outputs.TABLE],
            KeyConditionExpression=f"{TABLE_PK} = :unit AND {TABLE_SK} BETWEEN :first AND :last",
            ExpressionAttributeValues={
                ":unit": {"S": self.outputs[Outputs.UNIT]},
                ":first": {"S": sk_event(after_epoch + 1)},
                ":last": {"S": sk_event(LAST_EPOCH)},
            },
            ConsistentRead=True,
        )["Items"]
        return [_plain(item) for item in found]

    def ec2_state(self, instance_id: str = "") -> str:
        """EC2's word for the machine: running, stopping, stopped, …"""
        seen = self._ec2.describe_instances(InstanceIds=[instance_id or self.host])
        return str(seen["Reservations"][0]["Instances"][0]["State"]["Name"])

    def container_state(self, instance_id: str = "") -> str:
        """Docker's word for the container behind the machine: running, exited, …"""
        return str(self._container(instance_id or self.host).status)

    def inside(self, instance_id: str, *command: str) -> str:
        """Run a command in a machine, from outside, as root."""
        code, output = self._container(instance_id).exec_run(list(command))
        if code != 0:
            raise CloudError(f"`{' '.join(command)}` in {instance_id} ended with {code}: {output.decode()[-500:]}")
        return str(output.decode())

    def _container(self, instance_id: str) -> Any:
        return self._docker.containers.get(f"{self.cloud.name}-{instance_id}")

    def wait_state(self, state: str, *, after_epoch: int, timeout_s: float = 300.0) -> Item:
        """Wait for the first event into `state` after an epoch; CloudError with the lease's own words if none comes."""

        def found() -> Item | None:
            return next((e for e in self.events(after_epoch) if e["after"] == state), None)

        return wait_for(found, timeout_s, lambda: f"no {state} within {timeout_s:.0f} s; the lease says {self.words()}")

    def wait_off(self, *, timeout_s: float = 120.0) -> float:
        """Wait until EC2 says `stopped` and the container is not running; returns the time it was seen."""

        def off() -> float | None:
            return time.time() if self.ec2_state() == "stopped" and self.container_state() == "exited" else None

        return wait_for(off, timeout_s, lambda: f"EC2 says {self.ec2_state()}, the container {self.container_state()}")

    def words(self) -> str:
        """The lease in a few words."""
        lease = self.lease()
        return f"{lease.get('state', 'nothing')}: {lease.get('reason', '')}"

    def resident_mib(self, instance_id: str, unit: str) -> float:
        """Resident memory of a unit's main process, MiB."""
        pid = self.inside(instance_id, "systemctl", "show", "-P", "MainPID", unit).strip()
        status = self.inside(instance_id, "cat", f"/proc/{pid}/status")
        kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
        return kib / 1024

    def relay_mib(self) -> float:
        """Both relays' resident memory together, MiB."""
        return sum(self.resident_mib(self.gateway, unit) for unit in RELAY_UNITS)

    def agent_mib(self) -> float:
        """The agent's resident memory, MiB."""
        return self.resident_mib(self.host, AGENT_UNIT)

    def webui_mib(self) -> float:
        """Resident memory of the chat page's processes, MiB."""
        pids = self.inside(self.gateway, "docker", "top", WEBUI_CONTAINER, "-o", "pid").split()[1:]
        statuses = "".join(self.inside(self.gateway, "cat", f"/proc/{pid}/status") for pid in pids)
        return sum(int(line.split()[1]) for line in statuses.splitlines() if line.startswith("VmRSS:")) / 1024

    def wait_page(self, *, timeout_s: float = 120.0) -> None:
        """Wait until the chat page itself answers on its port, not HAProxy's page that says it is starting."""
        url = self.outputs[Outputs.CHAT_URL]

        def answers() -> bool:
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False  # not up yet is what we are waiting through

        wait_for(answers, timeout_s, lambda: f"{url} does not answer")

    def mark_spent(self, *, until: float | None) -> None:
        """Write into the lease what the reaper writes where the budget is spent (None: where it no longer is)."""
        key = {TABLE_PK: {"S": self.outputs[Outputs.UNIT]}, TABLE_SK: {"S": SK_LEASE}}
        update = {"UpdateExpression": "REMOVE spent_until"}
        if until is not None:
            update = {"UpdateExpression": "SET spent_until = :until"}
        values = {"ExpressionAttributeValues": {":until": {"N": str(until)}}} if until is not None else {}
        self._table.update_item(TableName=self.outputs[Outputs.TABLE], Key=key, **update, **values)

    def engine_start(self, engine: str) -> tuple[float, float]:
        """(process start, "Application startup complete") of this boot's engine, seconds since 1970."""
        unit = ENGINE_UNIT.format(name=engine)
        stamp = self.inside(self.host, "systemctl", "show", "-P", "ExecMainStartTimestampMonotonic", unit)
        lines = self.inside(self.host, "journalctl", "-b", "-u", unit, "-o", "json", "--no-pager").splitlines()
        done = [json.loads(x) for x in lines if "Application startup complete" in x]
        if not done:
            raise CloudError(f"{unit} never said that its start-up is complete. Look with `fab logs -s demo`.")
        offset = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)  # the containers share this kernel's clocks
        return int(stamp) / 1e6 + offset, int(done[-1]["__REALTIME_TIMESTAMP"]) / 1e6


def _plain(item: Item) -> Item:
    read = TypeDeserializer()
    return {name: read.deserialize(value) for name, value in item.items()}


def wait_for(ask: Callable[[], T | None], timeout_s: float, words: Callable[[], str], *, every_s: float = 0.25) -> T:
    """Ask until the answer is truthy; CloudError with `words()` after `timeout_s`."""
    until = time.monotonic() + timeout_s
    while not (answer := ask()):
        if time.monotonic() > until:
            raise CloudError(f"Waited in vain: {words()}.")
        time.sleep(every_s)
    return answer


@dataclass
class SshWatch:
    """Notes when sshd on an address first sends its banner; run as a thread before the machine is started."""

    address: str
    up_at: float | None = None

    def begin(self) -> threading.Thread:
        """Start watching; join the thread to have `up_at`."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        return thread

    def _watch(self) -> None:
        until = time.monotonic() + 180
        while self.up_at is None and time.monotonic() < until:
            if self._banner():
                self.up_at = time.time()
            else:
                time.sleep(0.05)

    def _banner(self) -> bool:
        try:
            with socket.create_connection((self.address, SSH_PORT), timeout=0.3) as connection:
                connection.settimeout(1.0)
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False  # not up yet is what we are waiting through
