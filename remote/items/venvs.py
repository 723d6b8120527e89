"""Python environments on machines, made by uv from closed lists: nothing is resolved there, so all get the same.

uv itself comes from PyPI into an environment of its own, pinned by core.versions.UV.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from core import versions
from remote.items import Order
from remote.machines.facts import Facts, Query

TOOLS: Final = "/opt/pilotlight/tools"
UV: Final = f"{TOOLS}/bin/uv"
LISTS: Final = Path(__file__).parent.parent / "requirements"
# sudo drops the machine's environment: caches and certificates that it names are for us too
# and a machine behind a proxy that opens TLS has that proxy's certificate in its own store
ENVIRONMENT: Final = "set -a; UV_SYSTEM_CERTS=true; if [ -r /etc/environment ]; then . /etc/environment; fi; set +a"


def requirements(name: str) -> str:
    """The text of a closed list in remote/requirements/."""
    return (LISTS / f"{name}.txt").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Uv:
    """uv, pinned, in its own environment."""

    slow: bool = True

    @property
    def label(self) -> str:
        return f"uv {versions.UV}"

    def query(self) -> Query:
        return Query(texts=(f"{TOOLS}/.pilotlight",))

    def reason(self, facts: Facts) -> str:
        found = facts.texts.get(f"{TOOLS}/.pilotlight", "")
        return "" if found == versions.UV else f"found {found or 'none'}"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        lines = (
            f"set -e; {ENVIRONMENT}",
            # python3-venv brings pip as a wheel that runs as it is: unpacking it first would take seconds
            f"python3 -m venv --clear --without-pip {TOOLS}",
            "export PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl)",
            f"{TOOLS}/bin/python -m pip install -q --disable-pip-version-check --no-deps uv=={versions.UV} 2>&1",
            f"echo {versions.UV} > {TOOLS}/.pilotlight",
        )
        return (Order("\n".join(lines), timeout_s=600, failure=f"pip could not install uv {versions.UV}"),)


@dataclass(frozen=True)
class Venv:
    """A virtual environment with exactly the packages of a closed list.

    `imports` must import afterwards. `metadata` are (distribution, version) pairs that get an empty dist-info, for
    programs that look themselves up under another name. A change rebuilds from nothing: uv's cache makes that cheap.
    """

    path: str
    requirements: str = field(repr=False)
    imports: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    what: str = ""
    slow: bool = True

    @property
    def label(self) -> str:
        return f"{self.what or 'Python environment'} in {self.path}"

    @property
    def digest(self) -> str:
        """Hash of all that decides what is in it."""
        lines = [line for line in self.requirements.splitlines() if line and not line.startswith("#")]
        text = "\n".join((*sorted(lines), repr(self.metadata)))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def stamp(self) -> str:
        """Inside the environment, so that who deletes the one deletes the other."""
        return f"{self.path}/.pilotlight"

    def query(self) -> Query:
        return Query(texts=(self.stamp,))

    def reason(self, facts: Facts) -> str:
        found = facts.texts.get(self.stamp, "")
        if not found:
            return "missing"
        return "" if found == self.digest else "requirements changed"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        path = shlex.quote(self.path)
        lines = [
            f"set -e; {ENVIRONMENT}",
            f"rm -f {shlex.quote(self.stamp)}",
            f"{UV} venv -q --clear --python /usr/bin/python3 {path} 2>&1",
            f"{UV} pip install -q --python {path} --no-deps -r /dev/stdin 2>&1",
            *(self._dist_info(name, version) for name, version in self.metadata),
            *([f"cd /; {path}/bin/python -c 'import {', '.join(self.imports)}' 2>&1"] if self.imports else []),
            f"echo {self.digest} > {shlex.quote(self.stamp)}",
        ]
        failure = f"uv could not install {self.label}"
        return (Order("\n".join(lines), self.requirements.encode(), timeout_s=1800, failure=failure),)

    def _dist_info(self, name: str, version: str) -> str:
        find = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
        purelib = f"{shlex.quote(self.path)}/bin/python -c {shlex.quote(find)}"
        text = shlex.quote(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        return "\n".join(
            (
                f'd="$({purelib})"/{shlex.quote(f"{name}-{version}.dist-info")}; mkdir -p "$d"',
                f'printf {text} > "$d/METADATA"; : > "$d/RECORD"; echo pilotlight > "$d/INSTALLER"',
            )
        )
