"""The machines' image: debootstrap makes a file system by the recipe in `local/images/`, Docker imports it.

The tar stays in the cache, so a fresh Docker gets its image back without a download. The recipe's hash is the tag.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

import docker
from docker.errors import DockerException

from core.errors import SetupError
from local.setup import tools
from local.setup.site import Say, Site

APT_SOURCES = Path("/etc/apt")
MIRROR = re.compile(r"^(?:URIs:|deb(?:\s+\[[^]]*\])?)\s+(http\S*/debian)/?(?:\s|$)", re.MULTILINE)


def tar(site: Site) -> Path:
    """Where the image's tar is kept."""
    return site.cache / "images" / f"{tools.image_tag().split(':')[1]}.tar"


def mirror(sources: Iterable[str]) -> str | None:
    """The Debian mirror that this computer's apt uses, read from its sources' texts; None: debootstrap's own default.

    Both of apt's formats are read. Ubuntu's mirrors, and Debian's security archive, do not hold what debootstrap needs.
    """
    for text in sources:
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        found = MIRROR.findall("\n".join(lines))
        if found:
            return str(found[0])
    return None


def apt_sources(folder: Path = APT_SOURCES) -> list[str]:
    """The texts of this computer's apt sources."""
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return [
        file.read_text(errors="replace") for file in files if file.suffix in (".list", ".sources") and file.is_file()
    ]


def require_buildable(site: Site) -> None:
    """SetupError where the image has to be built and we cannot become root."""
    if not tar(site).exists() and not site.can_become_root():
        raise SetupError(
            "Building the machines' image (debootstrap) needs root, once. Run `sudo -v && make setup` at a terminal, "
            f"or have root run `XDG_CACHE_HOME={site.cache.parent} make setup` in this folder."
        )


def make(site: Site, say: Say) -> str:
    """Build the tar where it is missing, and import it. Returns the tag."""
    if not tar(site).exists():
        say("debootstrap (about a minute)")
        _build(site, tar(site))
    say("importing into Docker")
    return _import(tar(site))


def _build(site: Site, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    # On a path without `nodev`, below the cache; build.sh removes it, also when interrupted.
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=output.parent))
    draft = work / output.name
    argv = ["sh", str(tools.RECIPE / "build.sh"), str(work / "rootfs"), str(draft)]
    try:
        site.commands.run(site.as_root([*argv, mirror(apt_sources()) or ""]), log=site.log("image"))
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # a rootfs that build.sh could not remove is named in its log
            work.rmdir()


def _import(source: Path) -> str:
    tag = tools.image_tag()
    repository, version = tag.split(":")
    client = docker.from_env(timeout=300)
    try:
        changes = [f"LABEL {tools.IMAGE_LABEL}={version}", 'CMD ["/sbin/init"]']
        with source.open("rb") as stream:
            client.api.import_image_from_data(stream, repository=repository, tag=version, changes=changes)
        client.images.get(tag)
    except DockerException as error:
        raise SetupError(f"Docker did not import {source}: {error}. Delete that file and run `make setup`.") from error
    finally:
        client.close()
    return tag
