"""Programs of the operating system: apt on Debian and Ubuntu, else one message with what is missing.

A package is asked for only where what we use of it is missing, so a Docker from docker.com stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import SetupError
from local.setup.site import Say, Site


@dataclass(frozen=True)
class Wanted:
    """A Debian package, and the program or file of it that we use."""

    package: str
    program: str = ""
    file: str = ""


ALWAYS = (
    Wanted("openssh-client", program="ssh"),
    Wanted("rsync", program="rsync"),
    Wanted("iproute2", program="ip"),
)
FOR_DOCKER = (Wanted("docker.io", program="dockerd"),)
FOR_THE_IMAGE = (
    Wanted("debootstrap", program="debootstrap"),
    Wanted("debian-archive-keyring", file="/usr/share/keyrings/debian-archive-keyring.gpg"),
)


def missing(site: Site, *, docker_answers: bool, image_made: bool) -> list[str]:
    """Names of the packages that this computer lacks."""
    wanted = [*ALWAYS, *(() if docker_answers else FOR_DOCKER), *(() if image_made else FOR_THE_IMAGE)]
    return [w.package for w in wanted if not _has(site, w)]


def _has(site: Site, wanted: Wanted) -> bool:
    return site.has_file(wanted.file) if wanted.file else site.which(wanted.program) is not None


def command(packages: list[str]) -> str:
    """What a person would type."""
    return f"sudo apt-get update && sudo apt-get install -y {' '.join(packages)}"


def require_installable(site: Site, packages: list[str]) -> None:
    """SetupError with the exact command where we cannot install these ourselves."""
    if not packages:
        return
    if not site.which("apt-get"):
        raise SetupError(
            f"Missing on this computer: {', '.join(packages)} (names of Debian packages), and there is no apt-get. "
            "Install the like with your system's package tool, then run `make setup` again."
        )
    if not site.can_become_root():
        raise SetupError(
            f"Missing on this computer: {', '.join(packages)}; installing them needs root. "
            f"Run `{command(packages)}`, then `make setup` again."
        )


def install(site: Site, packages: list[str], say: Say, log: str = "packages") -> str:
    """Install with apt; waits for another apt to finish. Returns what was installed."""
    require_installable(site, packages)
    apt = site.as_root(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"])
    say("apt-get update")
    site.commands.run([*apt, "update"], log=site.log(log))
    say(f"apt-get install {' '.join(packages)}")
    site.commands.run([*apt, "install", "-y", "--no-install-recommends", *packages], log=site.log(log))
    return ", ".join(packages)
