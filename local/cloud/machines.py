"""Machines: containers that boot systemd and sshd, one an EC2 instance. The only file that moves containers.

A machine keeps its disk (the container's own layer) over stop and start, and its private address. systemd needs what is
in `_HOST_CONFIG`; `--privileged` is not used: it is refused where the computer itself lacks a capability.
"""

from __future__ import annotations

import io
import logging
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import docker
from docker.errors import NotFound

from core.contract.paths import volume_link
from core.errors import CloudError
from local.cloud import machine_files
from local.cloud.site import LABEL, Site

log = logging.getLogger(__name__)

INSTANCE_LABEL: Final = "pilotlight.instance"
REBOOTED: Final = 129  # a container whose init called reboot(2) to restart dies of SIGHUP; to power off, of SIGINT
STOP_TIMEOUT_S: Final = 90
# Of a Docker that a deploy installs on the machine. Its overlay file system cannot lie on the container's own layer,
# which is one too; an anonymous volume stays over stop and start and goes with the machine.
DOCKER_FOLDER: Final = "/var/lib/docker"
# What EBS volumes hold: a folder a volume on a Docker volume of the cloud, which every machine has and none sees as a
# disk. What attaching does is a link where udev would show the disk.
VOLUMES: Final = "/mnt/pilotlight-volumes"
_LINKS: Final = """
set -e; cd /; mkdir -p "$2"; rm -f "$3"*
for volume in $1; do
  mkdir -p "$0/$volume"; ln -sfn "$0/$volume" "$3$(printf %s "$volume" | tr -d -)"
done
"""
RESOLVERS: Final = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
_HOST_CONFIG: Final[dict[str, Any]] = {
    "CapAdd": ["ALL"],
    "CapDrop": ["SYS_RESOURCE"],
    "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
    "MaskedPaths": [],  # with ReadonlyPaths what the CLI calls systempaths=unconfined
    "ReadonlyPaths": [],
    "DeviceCgroupRules": ["a *:* rwm"],
    "Tmpfs": {"/run": "exec", "/run/lock": ""},
    "CgroupnsMode": "host",
}
# Public addresses are /32s beside the private one; those that are not wanted go, the wanted ones come.
_ADDRESSES: Final = """
for have in $(ip -o -4 addr show dev eth0 | sed -n 's#.* inet \\([0-9.]*\\)/32 .*#\\1#p'); do
  case " $* " in *" $have "*) ;; *) ip addr del "$have/32" dev eth0 ;; esac
done
for want in "$@"; do ip addr replace "$want/32" dev eth0; done
"""


@dataclass(frozen=True)
class Exit:
    """A machine went down. `code` is the container's exit code."""

    instance_id: str
    code: int


class Machines:
    """The containers of one cloud."""

    def __init__(self, site: Site, client: docker.DockerClient) -> None:
        self._site = site
        self._docker = client
        self._files = machine_files.archive(machine_files.files(site, os.environ, Path.home()))

    def create(self, instance_id: str, *, private_ip: str, public_key: str) -> None:
        """Make the machine, off, with its files in place. DockerException where Docker refuses."""
        self._docker.volumes.create(name=self._volumes, labels={LABEL: self._site.name})  # no error where it is there
        endpoint = self._docker.api.create_endpoint_config(ipv4_address=private_ip)
        hosts = computer_hosts(Path("/etc/hosts").read_text())
        self._docker.api.create_container(
            self._site.image,
            command=["/sbin/init"],
            name=self._name(instance_id),
            hostname="ip-" + private_ip.replace(".", "-"),
            stop_signal="SIGRTMIN+3",
            labels={LABEL: self._site.name, INSTANCE_LABEL: instance_id},
            volumes=[DOCKER_FOLDER],
            networking_config={"EndpointsConfig": {self._site.name: endpoint}},
            host_config={
                **_HOST_CONFIG,
                "NetworkMode": self._site.name,
                "Binds": self._mounts(),
                "ExtraHosts": [f"{name}:{address}" for name, address in hosts.items()],
            },
        )
        container = self._get(instance_id)
        container.put_archive("/", self._files)
        if public_key:
            container.put_archive("/", machine_files.login_files(public_key, self._owner(container)))

    def start(self, instance_id: str) -> None:
        """Turn it on; returns when the container runs (sshd follows within seconds)."""
        self._get(instance_id).start()

    def stop(self, instance_id: str) -> None:
        """Shut it down in order; the plug is pulled after STOP_TIMEOUT_S."""
        self._get(instance_id).stop(timeout=STOP_TIMEOUT_S)

    def reboot(self, instance_id: str) -> None:
        """Down in order, and up again."""
        self._get(instance_id).restart(timeout=STOP_TIMEOUT_S)

    def remove(self, instance_id: str) -> None:
        """It and its disk are gone; no error if they already were."""
        try:
            self._get(instance_id).remove(force=True, v=True)
        except NotFound:
            log.info("machine %s was already gone", instance_id)

    def set_public_addresses(self, instance_id: str, wanted: list[str]) -> None:
        """Make these the machine's second addresses; others are taken away."""
        code, output = self._get(instance_id).exec_run(["sh", "-c", _ADDRESSES, "addresses", *wanted])
        if code != 0:
            raise CloudError(f"{instance_id}: cannot set the addresses {wanted}: {output.decode(errors='replace')}")

    def set_volumes(self, instance_id: str, attached: list[str]) -> None:
        """Make these the EBS volumes that the machine sees beside its root disk. It must be on: a boot makes /dev."""
        first = volume_link("")
        words = [VOLUMES, " ".join(attached), str(PurePosixPath(first).parent), first]
        code, output = self._get(instance_id).exec_run(["sh", "-c", _LINKS, *words])
        if code != 0:
            raise CloudError(f"{instance_id}: cannot attach {attached}: {output.decode(errors='replace')}")

    def is_on(self, instance_id: str) -> bool:
        """Whether the container runs now."""
        return self.states().get(instance_id) == "running"

    def states(self) -> dict[str, str]:
        """Instance id → Docker's word for the container (`running`, `exited`, `created`…)."""
        found = self._docker.containers.list(all=True, filters={"label": self._label()}, ignore_removed=True)
        return {c.labels[INSTANCE_LABEL]: c.status for c in found if INSTANCE_LABEL in c.labels}

    def exits(self) -> Iterator[Exit]:
        """Every machine that goes down from now on, as Docker tells; blocks in between."""
        for event in self._docker.events(decode=True, filters={"label": self._label(), "event": "die"}):
            seen = event["Actor"]["Attributes"]
            if INSTANCE_LABEL in seen:
                yield Exit(seen[INSTANCE_LABEL], int(seen.get("exitCode", -1)))

    def _get(self, instance_id: str) -> Any:
        return self._docker.containers.get(self._name(instance_id))

    def _name(self, instance_id: str) -> str:
        return f"{self._site.name}-{instance_id}"

    @property
    def _volumes(self) -> str:
        return f"{self._site.name}-volumes"

    def _label(self) -> str:
        return f"{LABEL}={self._site.name}"

    def _mounts(self) -> list[str]:
        shared = []
        for part, mode in machine_files.SHARED.items():
            folder = Path(self._site.cache) / part
            folder.mkdir(parents=True, exist_ok=True)
            shared.append(f"{folder}:{machine_files.CACHE}/{part}:{mode}")
        resolver = resolver_file(RESOLVERS)
        dns = [f"{resolver}:/etc/resolv.conf:ro"] if resolver else []
        shared.append(f"{self._volumes}:{VOLUMES}:rw")
        return ["/sys/fs/cgroup:/sys/fs/cgroup:rw", "/etc/ssl/certs:/etc/ssl/certs:ro", *dns, *shared]

    def _owner(self, container: Any) -> tuple[int, int]:
        """uid and gid of the machine's login user, out of its /etc/passwd."""
        chunks, _ = container.get_archive("/etc/passwd")
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            member = tar.extractfile("passwd")
            lines = member.read().decode().splitlines() if member else []
        for line in lines:
            name, _, uid, gid = line.split(":")[:4]
            if name == machine_files.USER:
                return int(uid), int(gid)
        raise CloudError(f"The machine image {self._site.image} has no user `{machine_files.USER}`. Run `make setup`.")


def resolver_file(candidates: Iterable[Path]) -> Path | None:
    """The first file that names a server that machines can reach too; None leaves DNS to Docker.

    Docker's own resolver (127.0.0.11) is nftables rules inside the machine: a machine that flushes its rules would be
    without DNS.
    """
    for path in candidates:
        lines = path.read_text().splitlines() if path.is_file() else []
        servers = [line.split()[1] for line in lines if line.startswith("nameserver ")]
        if servers and not any(server.startswith(("127.", "::1")) for server in servers):
            return path
    return None


def computer_hosts(etc_hosts: str) -> dict[str, str]:
    """Names in the text of /etc/hosts that machines must know too: all but this computer's own (loopback)."""
    rows = [line.split("#")[0].split() for line in etc_hosts.splitlines()]
    return {name: row[0] for row in rows for name in row[1:] if not row[0].startswith(("127.", "::", "fe", "ff"))}
