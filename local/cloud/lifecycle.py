"""Bringing an embedded cloud up and taking it down.

`up` is safe to repeat and to interrupt: what is up stays, what is half there (a killed daemon, a rebooted computer, an
interrupted `up`) is removed and built anew, because moto's memory cannot be brought back. `down` finds everything by
label and mark, never by what the daemon says, so it works when the daemon is dead.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final

import docker
from docker.errors import APIError, DockerException

from core.errors import CloudError, PilotlightError
from local import folders, trust
from local.cloud import addresses, environment, processes, signatures
from local.cloud.credentials import Credentials
from local.cloud.daemon import CLOUD_FILE, SITE_FILE
from local.cloud.site import API_PORT, LABEL, MARK, METADATA_PORT, REGION, Site
from local.setup import tools

LOG_FILE: Final = "daemon.log"
_READY_S: Final = 60.0
_STARTED: Final[list[subprocess.Popen[bytes]]] = []  # daemons outlive us on purpose: Popen is to keep quiet about it


@dataclass(frozen=True)
class Removed:
    """What `down` took away."""

    processes: int
    containers: int
    networks: int
    volumes: int

    def __bool__(self) -> bool:
        return any((self.processes, self.containers, self.networks, self.volumes))


def up(name: str, say: Any = print) -> dict[str, Any]:
    """Bring the cloud up; returns cloud.json. `say` gets each thing worth knowing. CloudError, SetupError."""
    with _only_one(name), docker_client() as client:
        found = running(name)
        if found:
            say(f"Cloud `{name}` is already up at {found['endpoint']}.")
            return found
        removed = _clear(name, client)
        if removed:
            say(
                f"Cloud `{name}` was not running any more (killed or rebooted): its machines and stacks are gone "
                f"({removed.containers} containers removed). It is built anew, empty."
            )
        try:
            return _start(_prepare(name, client))
        except PilotlightError:
            _clear(name, client)
            raise


def down(name: str) -> Removed:
    """Take everything of this cloud away but the cache. CloudError where Docker does not answer."""
    with _only_one(name) as lock:
        processes_ended = len(processes.end(name))
        with docker_client() as client:
            removed = _clear(name, client)
        lock.unlink(missing_ok=True)
    return Removed(processes_ended + removed.processes, removed.containers, removed.networks, removed.volumes)


def running(name: str) -> dict[str, Any] | None:
    """cloud.json of a cloud that answers with the same boot id; None otherwise."""
    path = folders.state(name) / CLOUD_FILE
    if not path.exists():
        return None
    document: dict[str, Any] = json.loads(path.read_text())
    try:
        own = Credentials.from_json(json.dumps(document["credentials"]))
        same = control(document["endpoint"], own, "GET", "status", timeout_s=5)["boot_id"] == document["boot_id"]
    except (OSError, KeyError):  # KeyError: written by an older checkout
        return None
    return document if same else None


def control(
    endpoint: str, own: Credentials, method: str, what: str, *, body: bytes = b"", timeout_s: float = 30.0
) -> dict[str, Any]:
    """Ask a control endpoint (`server.py`) in this computer's name. OSError where it does not answer or refuses."""
    url = f"{endpoint}/_pilotlight/{what}"
    headers = signatures.sign(method, url, body, own, REGION)
    request = urllib.request.Request(url, data=body or None, headers=headers, method=method)
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever proxy the environment names
    with straight.open(request, timeout=timeout_s) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


@contextlib.contextmanager
def docker_client() -> Iterator[docker.DockerClient]:
    """Docker for the length of a `with`, or a CloudError that says how to get it."""
    try:
        client = docker.from_env(timeout=120)
    except DockerException as error:  # it has asked for the API's version already
        how = "`make setup` installs and starts it; by hand: `sudo systemctl start docker`, or `sudo dockerd &`"
        raise CloudError(f"Docker does not answer ({_shorten(error)}). {how}.") from error
    with contextlib.closing(client):
        yield client


def _shorten(error: Exception) -> str:
    return str(error).splitlines()[0][:200]


@contextlib.contextmanager
def _only_one(name: str) -> Iterator[Path]:
    """One `up` or `down` of a cloud at a time."""
    folder = folders.state(name).parent
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{name}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield path


def _prepare(name: str, client: docker.DockerClient) -> Site:
    """Network, folders and secrets of a new cloud."""
    image = tools.image()
    folder = folders.state(name)
    folder.mkdir(parents=True, exist_ok=True)
    subnet = _make_network(name, client)
    site = Site(
        name=name,
        boot_id=uuid.uuid4().hex,
        subnet=str(subnet),
        image=image,
        state=str(folder),
        cache=str(folders.cache()),
        checkout=str(folders.CHECKOUT),
    )
    environment.make_secrets(folder, name)
    (folder / SITE_FILE).write_text(site.to_json())
    return site


def _make_network(name: str, client: docker.DockerClient) -> IPv4Network:
    """The first free /16; Docker itself has the last word on what is free."""
    for subnet in addresses.free_subnets(addresses.routed(Path("/proc/net/route").read_text())):
        pool = docker.types.IPAMPool(subnet=str(subnet), gateway=addresses.gateway(subnet))
        try:
            client.networks.create(
                name, driver="bridge", ipam=docker.types.IPAMConfig(pool_configs=[pool]), labels={LABEL: name}
            )
        except APIError as error:
            if "overlap" not in str(error):
                raise CloudError(f"Docker cannot make the network {subnet}: {_shorten(error)}") from error
        else:
            return subnet
    raise CloudError("Docker has every network from 10.77.0.0/16 to 10.99.0.0/16 in use: `docker network prune`.")


def _start(site: Site) -> dict[str, Any]:
    """Start the daemon, detached, and wait until it says that it is up."""
    for port in (API_PORT, METADATA_PORT):
        _check_port(site.gateway, port)
    with (site.folder / LOG_FILE).open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.cloud", site.state],
            cwd=site.checkout,
            env={**_without_aws(), **trust.around_proxies(os.environ, site.gateway), MARK: site.name},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _STARTED.append(process)
    until = time.monotonic() + _READY_S
    while time.monotonic() < until and process.poll() is None:
        if found := running(site.name):
            return found
        time.sleep(0.05)
    last = "\n".join((site.folder / LOG_FILE).read_text(errors="replace").splitlines()[-5:])
    raise CloudError(f"The embedded cloud `{site.name}` did not start. It said last:\n{last}")


def _without_aws() -> dict[str, str]:
    """The environment without the caller's own AWS account: the daemon must never meet it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def _check_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CloudError(
                f"Port {port} on {host} is in use ({error.strerror}). See who: `ss -ltnp 'sport = :{port}'`."
            ) from error


def _clear(name: str, client: docker.DockerClient) -> Removed:
    """Remove processes, containers, networks, volumes and state of this cloud, whatever is there."""
    label: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={name}"}
    ended = processes.end(name)
    containers = client.containers.list(all=True, filters=label, ignore_removed=True)
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda container: container.remove(force=True, v=True), containers))
    networks = client.networks.list(filters=label)
    for network in networks:
        network.remove()
    volumes = client.volumes.list(filters=label)
    for volume in volumes:
        volume.remove(force=True)
    shutil.rmtree(folders.state(name), ignore_errors=True)
    return Removed(len(ended), len(containers), len(networks), len(volumes))
