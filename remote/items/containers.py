"""Docker, container images, and a unit that runs a container: swapped only for one that becomes healthy."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.contract.paths import ARCHIVES, CACHE_ENV, REGISTRY_ANSWERS, image_archive, image_registry
from remote.items import STAMPS, Order
from remote.items.system import Packages
from remote.items.units import Unit
from remote.machines.facts import Facts, Query

DOCKERD: Final = ("/usr/sbin/dockerd", "/usr/bin/dockerd")  # Debian's package; Ubuntu's and docker.com's
DOCKER_PACKAGE: Final = "docker.io"  # both Debian and Ubuntu maintain it; one from docker.com is left as it is
START: Final = Path(__file__).parent.parent / "scripts" / "container_unit.sh"
GOOD: Final = "/var/lib/pilotlight/good"  # on machines: the files with which a unit was healthy last
IMAGES: Final = "/var/lib/pilotlight/images"  # on machines: the images that were brought, one a line
GIVE_UP_RESTARTS: Final = 3  # a container that ended so often by itself will not become healthy
LAST_LINES: Final = 15


@dataclass(frozen=True)
class DockerEngine:
    """Docker, from whichever package; Debian's where there is none."""

    slow: bool = True

    @property
    def label(self) -> str:
        return "Docker"

    def query(self) -> Query:
        return Query(paths=DOCKERD)

    def reason(self, facts: Facts) -> str:
        return "" if facts.paths.intersection(DOCKERD) else "missing"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        return Packages((DOCKER_PACKAGE,)).orders(facts)


@dataclass(frozen=True)
class Image:
    """A container image: pulled where its registry answers, else loaded from the shared cache's archive of it.

    `need_gib` is the room that it takes on the disk, GiB; `room` says which setting gives more.
    """

    reference: str
    need_gib: float
    room: str
    slow: bool = True

    @property
    def label(self) -> str:
        return f"image {self.reference}"

    def query(self) -> Query:
        return Query(images=(self.reference,))

    def reason(self, facts: Facts) -> str:
        return "" if facts.images.get(self.reference) else "missing"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        if facts.free_gib < self.need_gib:
            return (Order("exit 1", failure=self._no_room(f"{facts.free_gib:.1f} are free")),)
        # the facts are from before this deployment: on the host vLLM and the models come between
        room = f'test "$(df --output=avail -BM /var | tail -n 1 | tr -dc 0-9)" -ge {self.need_gib * 1024:.0f}'
        left = Order(room, failure=self._no_room("less is free after what was installed before it"))
        image = shlex.quote(self.reference)
        source = image_registry(self.reference)
        answers = "|".join(map(str, REGISTRY_ANSWERS))
        script = f"""
mkdir -p "$(dirname {IMAGES})"; echo {image} >> {IMAGES}
archive="${{{CACHE_ENV}:-/nonexistent}}"/{ARCHIVES}/{image_archive(self.reference)}
status=$(curl -s -m 10 -o /dev/null -w '%{{http_code}}' https://{source}/v2/)
case "$status" in {answers}) reached=yes ;; *) reached= ;; esac
if [ -z "$reached" ] && [ -f "$archive" ]; then
  docker load -q -i "$archive" 2>&1 && echo "loaded from $archive, built from PyPI, since {source} cannot be reached"
else
  docker pull -q {image} 2>&1 && echo 'pulled from {source}'
fi
"""
        failure = f"the image {self.reference} could not be pulled. Is its name right, and can the machine reach it?"
        return left, Order(script, timeout_s=1800, failure=failure, tell=True)

    def _no_room(self, free: str) -> str:
        need = f"the image {self.reference} needs about {self.need_gib:g} GiB of disk, and {free}"
        return f"{need}. Nothing was pulled. {self.room}"


@dataclass(frozen=True)
class ContainerUnit:
    """A unit that runs a container. It counts as started when `health_url` answers on the machine.

    A new version that does not become healthy within `patience_s` is taken back: `files`, and the SQLite file
    `database`, are restored as they were when the unit was healthy last, and it is started with these. `image` is the
    version wanted now; other versions' images are removed once it is healthy.
    """

    unit: Unit
    container: str
    image: str
    health_url: str
    files: tuple[str, ...]
    database: str
    patience_s: int = 300
    slow: bool = True

    @property
    def label(self) -> str:
        return self.unit.label

    def query(self) -> Query:
        return Query.union((self.unit.query(), Query(containers=(self.container,))))

    def reason(self, facts: Facts) -> str:
        if reason := self.unit.reason(facts):
            return reason
        found = facts.containers.get(self.container)
        return "is unhealthy" if found and found.health == "unhealthy" else ""

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        values = {
            "unit": self.unit.name,
            "container": self.container,
            "image": self.image,
            "url": self.health_url,
            "patience": str(self.patience_s),
            "restarts": str(GIVE_UP_RESTARTS),
            "good": f"{GOOD}/{self.unit.name}",
            "files": " ".join(self.files),
            "database": self.database,
            "images": IMAGES,
            "stamp": self.unit.stamp,
            "applied": self.unit.applied,
            "lines": str(LAST_LINES),
        }
        given = "\n".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
        script = f"{given}\n{START.read_text(encoding='utf-8')}"
        failure = f"{self.unit.name} did not become healthy within {self.patience_s} s"
        return (Order(script, timeout_s=2.0 * self.patience_s + 120, failure=failure),)


@dataclass(frozen=True)
class NoUnit:
    """A unit of ours that the stack file no longer wants on this machine: stopped and removed. Its data stay."""

    name: str
    path: str
    kept: str = ""
    slow: bool = False

    @property
    def label(self) -> str:
        return f"no {self.name}"

    def query(self) -> Query:
        return Query(paths=(self.path,))

    def reason(self, facts: Facts) -> str:
        return f"the stack has it no longer here{self.kept}" if self.path in facts.paths else ""

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        name, path = shlex.quote(self.name), shlex.quote(self.path)
        script = f"""
systemctl -q disable --now {name}; rm -rf {path} {STAMPS}/{name} {GOOD}/{name}; systemctl daemon-reload
for old in $(cat {IMAGES} 2>/dev/null); do docker image rm "$old" >/dev/null 2>&1 || true; done
"""
        return (Order(script, timeout_s=120, failure=f"{self.name} could not be removed"),)
