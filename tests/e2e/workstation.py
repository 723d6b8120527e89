"""A machine of one's own: one container with systemd and sshd on a network of its own, and no cloud beside it.

What `fab` and `pulumi` go by is a folder with the stack's file and Pulumi's state, where a cloud's would be
(`cloud.json`), so that the checkout's own stacks stay as they are.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import yaml

from core.contract.paths import LEASE_CLIENT_APP, RELAY_CONFIG, RELAY_VENV
from local import project
from local.cloud import addresses, credentials, environment
from local.cloud.machines import Machines
from local.cloud.site import LABEL, Site
from local.folders import CHECKOUT, cache
from local.setup import tools

NAME = "pilotlight-own"
STACK = "mine"
MACHINE = "workstation"


@dataclass
class Workstation:
    """The machine, its stack file, and what `pulumi` and `fab` need to know of them."""

    site: Site
    client: docker.DockerClient
    address: str
    environment: dict[str, str] = field(default_factory=dict)

    def write_stack(self, config: dict[str, Any]) -> None:
        """Render the project, and put this stack's file into it."""
        project.render_project(self.site.folder)
        file = project.stack_file(self.site.folder, STACK)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump({"config": config}))

    def run(self, *words: str, ok: bool = True) -> str:
        """A command of this computer, in the project's folder; its output."""
        done = subprocess.run(
            words,
            cwd=self.site.folder / "project" if words[0] == "pulumi" else CHECKOUT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0 or not ok, f"{' '.join(words)}:\n{said}"
        return said

    def lease_client(self, words: str) -> str:
        """What the lease's own command line on the machine prints."""
        program = f"{RELAY_VENV}/bin/python -m runtime.lease_client --config {RELAY_CONFIG} {words}"
        return self.inside("sh", "-c", f"cd {LEASE_CLIENT_APP} && {program}")

    def state(self) -> str:
        """The lease's state."""
        return str(json.loads(self.lease_client("show")).get("state"))

    def words(self) -> str:
        """The lease, for a message."""
        return self.lease_client("show")

    def history(self) -> list[str]:
        """The states that the lease went through, in order."""
        return [json.loads(line)["after"] for line in self.lease_client("events").splitlines()]

    def inside(self, *command: str) -> str:
        """A command on the machine, as root."""
        code, output = self.client.containers.get(f"{NAME}-{MACHINE}").exec_run(list(command))
        return f"{output.decode()}".strip() if code == 0 else f"({code}) {output.decode()}".strip()

    def remove(self) -> None:
        """The machine and its network."""
        take_down(self.client)
        self.client.close()


def make(folder: Path) -> Workstation:
    """A machine that is up; sshd follows within seconds."""
    client = docker.from_env()
    take_down(client)
    subnet = next(iter(addresses.free_subnets(addresses.routed(Path("/proc/net/route").read_text()))))
    pool = docker.types.IPAMPool(subnet=str(subnet), gateway=addresses.gateway(subnet))
    client.networks.create(
        NAME, driver="bridge", ipam=docker.types.IPAMConfig(pool_configs=[pool]), labels={LABEL: NAME}
    )
    state = folder / "pilotlight" / NAME
    state.mkdir(parents=True)
    site = Site(NAME, "none", str(subnet), tools.image_tag(), str(state), str(cache()), str(CHECKOUT))
    environment.make_secrets(state, NAME)
    made = Workstation(site, client, str(subnet.network_address + 20))
    machines = Machines(site, client)
    machines.create(MACHINE, private_ip=made.address, public_key=environment.public_key(state))
    machines.start(MACHINE)
    made.environment = _environment(site, folder)
    return made


def _environment(site: Site, folder: Path) -> dict[str, str]:
    """Of `pulumi` and `fab`: a state folder of this test's own, and no word of AWS."""
    own = environment.pulumi_environment(site, credentials.of_computer(site.folder), {})
    own = {name: value for name, value in own.items() if not name.startswith("AWS_")}
    up = {"project": str(site.folder / "project"), "environment": own, "ssh_key": str(site.folder / "id_ed25519")}
    (site.folder / "cloud.json").write_text(json.dumps(up))
    around = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**around, **own, "XDG_STATE_HOME": str(folder), "PILOTLIGHT_CLOUD": NAME}


def take_down(client: docker.DockerClient) -> None:
    """Whatever of it is there."""
    for container in client.containers.list(all=True, filters={"label": f"{LABEL}={NAME}"}):
        container.remove(force=True, v=True)
    for network in client.networks.list(filters={"label": f"{LABEL}={NAME}"}):
        network.remove()
