"""The embedded cloud's one process: wires moto, machines, metadata, Lambda, schedules, faults and the Pulumi provider.

Started by `lifecycle.up` (`python -m local.cloud <state folder>`), ended by SIGTERM. When everything listens it writes
`cloud.json`; whoever waits for that file waits for the cloud. State is in memory: a killed daemon's cloud is rebuilt.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from docker.errors import DockerException

from core.errors import PilotlightError
from local.cloud import catalogue, environment
from local.cloud.site import API_PORT, METADATA_PORT, Site

log = logging.getLogger(__name__)

SITE_FILE: Final = "site.json"
CLOUD_FILE: Final = "cloud.json"
AMIS_FILE: Final = "amis.json"
# Checks that moto makes only when asked to (moto's settings.py); read at import
_MOTO: Final = {
    "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "1",
    "MOTO_ENABLE_AMI_VALIDATION": "1",
    "MOTO_ENABLE_KEYPAIR_VALIDATION": "1",
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
}


def main(folder: Path) -> None:
    """Run the cloud whose site is in this state folder until SIGTERM."""
    site = Site.from_json((folder / SITE_FILE).read_text())
    (folder / AMIS_FILE).write_text(catalogue.to_json(site.image))
    os.environ.update(_MOTO, MOTO_AMIS_PATH=str(folder / AMIS_FILE))
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    daemon = Daemon(site)
    try:
        daemon.start()
        ended.wait()
    finally:
        daemon.close()


class Daemon:
    """All parts. moto is imported here and not before: it reads `_MOTO` at import."""

    def __init__(self, site: Site) -> None:
        import docker

        from local.cloud import credentials, ec2, event_sources, lambdas, provider_process, quotas, scheduler, server
        from local.cloud.faults import FaultBoard
        from local.cloud.machines import Machines

        self._site = site
        self._closing = threading.Event()
        self._board = FaultBoard(time.monotonic)
        self._machines = Machines(site, docker.from_env(timeout=120))
        self._plant = ec2.Plant(site, self._machines, self._board)
        self._keyring = credentials.Keyring(credentials.of_computer(site.folder), time.monotonic)
        self._runner = lambdas.Runner(site, self._keyring)
        self._scheduler = scheduler.Scheduler(self._runner)
        self._event_sources = event_sources.EventSources(self._runner, event_sources.clients_of(site, self._keyring))
        self._provider = provider_process.Provider(site, self._keyring.computer)
        ec2.install(self._plant)
        lambdas.install(self._runner)
        scheduler.install(self._scheduler)
        event_sources.install()
        quotas.install()
        self._front = server.Front(self._board, self._keyring.find, self.status, self._lookup, self._runner.crash)

    def start(self) -> None:
        """Listen, watch, tick, and say so in cloud.json."""
        from local.cloud import server
        from local.cloud.metadata import Metadata

        server.serve(self._site.gateway, API_PORT, self._front)
        metadata = Metadata(self._by_address, time.monotonic, self._keyring.machine, self._board)
        server.serve(self._site.gateway, METADATA_PORT, metadata)
        self._servants = threading.Thread(target=self._watch, name="docker-events", daemon=True)
        self._servants.start()
        self._scheduler.start()
        self._event_sources.start()
        self._provider.start()
        self._write_cloud_file()
        log.info("cloud %s is up at %s", self._site.name, self._site.endpoint)

    def close(self) -> None:
        """End what we started; machines are `down`'s."""
        self._closing.set()
        self._scheduler.close()
        self._event_sources.close()
        self._provider.close()
        self._runner.close()
        self._plant.close()

    def status(self) -> dict[str, Any]:
        """What `/_pilotlight/status` says."""
        return {
            "name": self._site.name,
            "boot_id": self._site.boot_id,
            "endpoint": self._site.endpoint,
            "image": self._site.image,
            "machines": self._machine_report(),
            "lambdas": self._runner.report(),
            "schedules": self._scheduler.report(),
            "event_sources": self._event_sources.report(),
            "provider": self._provider.report(),
            "faults": self._board.waiting(),
        }

    def _machine_report(self) -> list[dict[str, Any]]:
        from local.cloud import ec2

        containers = self._machines.states()
        return [
            {
                "id": instance.id,
                "name": next((tag["value"] for tag in instance.get_tags() if tag["key"] == "Name"), ""),
                "type": instance.instance_type,
                "state": instance.state,
                "reason": instance.state_reason.code,
                "container": containers.get(instance.id, "none"),
                "private_ip": instance.private_ip,
                "public_ip": instance.public_ip or "",
                "launched": instance.launch_time,
            }
            for instance in ec2.backend().all_instances()
        ]

    def _lookup(self, instance_ids: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
        from local.cloud import ec2

        found = [i for i in ec2.backend().all_instances() if i.id in set(instance_ids)]
        return frozenset(i.instance_type for i in found), frozenset(str(i.availability_zone) for i in found)

    def _by_address(self, address: str) -> Any | None:
        from local.cloud import ec2

        living = (i for i in ec2.backend().all_instances() if i.state in {"pending", "running", "stopping"})
        return next((i for i in living if address in {i.private_ip, i.public_ip}), None)

    def _watch(self) -> None:
        """Machines that go down by themselves. Where dockerd goes away the stream is opened again."""
        from local.cloud import ec2

        while not self._closing.is_set():
            try:
                for seen in self._machines.exits():
                    ec2.backend().on_exit(seen)
            except (DockerException, OSError) as error:
                log.error("Docker's events cannot be read: %s", error)
            self._closing.wait(1.0)

    def _write_cloud_file(self) -> None:
        site = self._site
        try:
            variables = environment.pulumi_environment(site, self._keyring.computer, self._provider.ports)
        except PilotlightError as error:
            self._provider.note = str(error)
            variables = {}
        document = {
            "name": site.name,
            "endpoint": site.endpoint,
            "metadata": site.metadata,
            "subnet": site.subnet,
            "boot_id": site.boot_id,
            "project": str(site.folder / "project"),
            "environment": variables,
            "credentials": asdict(self._keyring.computer),
            "ssh_key": str(site.folder / environment.SSH_KEY),
            "cache": site.cache,
        }
        whole = site.folder / f"{CLOUD_FILE}.new"
        environment.write_private(whole, json.dumps(document, indent=1))
        whole.rename(site.folder / CLOUD_FILE)
