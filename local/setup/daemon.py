"""A Docker daemon that answers: the one that runs, else the system's service, else one in the background."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import docker
from docker.errors import DockerException

from core.errors import SetupError
from local.setup.commands import tail
from local.setup.site import Say, Site

SOCKET: Final = "/var/run/docker.sock"
PATIENCE_S: Final = 60.0
LOOK_EVERY_S: Final = 0.3


class Child(Protocol):
    """The part of Popen that is looked at."""

    def poll(self) -> int | None: ...


def answers() -> str | None:
    """The daemon's version, or None where none answers. SetupError where one refuses us."""
    try:
        client = docker.from_env(timeout=20)
        try:
            return str(client.version()["Version"])
        finally:
            client.close()
    except DockerException as error:
        if _refused(error):
            raise SetupError(
                f"Docker runs, but {SOCKET} refuses you. Run `sudo usermod -aG docker $USER && newgrp docker`, "
                "then `make setup` again."
            ) from error
        return None


def _refused(error: DockerException) -> bool:
    return "PermissionError" in repr(error) or isinstance(error.__cause__, PermissionError)


def root_folder() -> str:
    """Where the daemon keeps images and containers; Docker's default where none answers yet."""
    try:
        client = docker.from_env(timeout=20)
        try:
            return str(client.info()["DockerRootDir"])
        finally:
            client.close()
    except DockerException:
        return "/var/lib/docker"


def start(
    site: Site,
    say: Say,
    *,
    alive: Callable[[], str | None] = answers,
    launch: Callable[[Site], Child] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Start a daemon and wait for its answer. Returns its version and how it was started.

    Where an init system has a docker service, that is used: it comes back after a reboot.
    """
    for how in _services(site):
        say(f"starting dockerd: {' '.join(how)}")
        if site.commands.output(site.as_root(how), timeout_s=60) is not None:
            version = _wait(alive, sleep, PATIENCE_S / 4)
            if version:
                return f"{version}, started by `{' '.join(how)}`"
    say(f"starting dockerd in the background, log in {_log(site)}")
    child = (launch or launch_background)(site)
    version = _wait(alive, sleep, PATIENCE_S, child)
    if version:
        return f"{version}, started in the background"
    raise SetupError(
        f"dockerd does not answer on {SOCKET}. Its log ({_log(site)}) ends with:\n{_log_tail(site)}\n"
        "Start Docker yourself, see that `docker info` works, then run `make setup` again."
    )


def _services(site: Site) -> list[list[str]]:
    if site.has_file("/run/systemd/system"):
        return [["systemctl", "start", "docker"]]
    return [["service", "docker", "start"]] if site.has_file("/etc/init.d/docker") and site.which("service") else []


def _wait(
    alive: Callable[[], str | None], sleep: Callable[[float], None], patience_s: float, child: Child | None = None
) -> str | None:
    for _ in range(int(patience_s / LOOK_EVERY_S)):
        version = alive()
        if version or (child is not None and child.poll() not in (None, 0)):
            return version
        sleep(LOOK_EVERY_S)
    return None


def launch_background(site: Site) -> Child:
    """dockerd in a session of its own, so that it outlives us. Its socket is given to the user's group.

    `setsid` below sudo and not a new session above it: sudo's ticket belongs to this terminal.
    """
    _log(site).parent.mkdir(parents=True, exist_ok=True)
    group = [] if site.is_root else ["--group", str(os.getgid())]
    argv = site.as_root(["setsid", "--fork", site.which("dockerd") or "dockerd", *group])
    with _log(site).open("ab") as log:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


def _log(site: Site) -> Path:
    return site.state / "dockerd.log"


def _log_tail(site: Site) -> str:
    return tail(_log(site)) if _log(site).exists() else "    (nothing)"
