"""What a new machine finds on its disk: environment, the caller's key, and the computer's own package settings.

Nothing is invented here: proxies, indexes, certificates and apt's acquire options are those that this computer's own
clients use, so that pip, uv and apt work inside wherever they work outside. To hand a machine more, add it to `files`.
"""

from __future__ import annotations

import io
import re
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.contract.paths import ARCHIVES, CACHE_ENV
from local import trust
from local.cloud.site import REGION, Site

CACHE: Final = "/var/cache/pilotlight"
# Parts of the computer's cache that machines see: package caches, which they fill too, and images' archives
SHARED: Final = {"uv": "rw", "models": "rw", "pip": "rw", ARCHIVES: "ro"}
USER: Final = "ubuntu"
OWN_BUNDLE: Final = "/usr/local/share/pilotlight/ca.pem"
_PASSED: Final = re.compile(
    r"(?i)((https?|ftp|all|no)_proxy|(PIP|UV)_\w+|\w*(CA_BUNDLE|CAINFO|SSL_CERT_FILE|SSL_CERT_DIR))"
)


def environment(site: Site, computer: Mapping[str, str]) -> dict[str, str]:
    """The environment of every unit and every SSH session of a machine."""
    passed = {name: _inside(name, value) for name, value in computer.items() if _PASSED.fullmatch(name)}
    passed = {name: value for name, value in passed.items() if _works_inside(value)}
    return {
        **trust.environment(passed),
        **passed,
        **trust.around_proxies(passed, site.gateway, site.subnet),
        "AWS_ENDPOINT_URL": site.endpoint,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": site.metadata,
        "AWS_DEFAULT_REGION": REGION,
        "UV_CACHE_DIR": f"{CACHE}/uv",
        "UV_LINK_MODE": "symlink",
        "PIP_CACHE_DIR": f"{CACHE}/pip",
        CACHE_ENV: CACHE,
    }


def _inside(name: str, value: str) -> str:
    """A file of certificates that is not below /etc/ssl lies elsewhere in a machine: `files` puts it there."""
    return OWN_BUNDLE if name in trust.FILES and value.startswith("/") and not value.startswith("/etc/ssl/") else value


def own_bundle(computer: Mapping[str, str]) -> str:
    """The certificates that this computer's variables name outside /etc/ssl, one text; "" where there are none."""
    named = {value for name in trust.FILES if _inside(name, value := computer.get(name, "")) == OWN_BUNDLE}
    return "".join(Path(path).read_text() for path in sorted(named) if Path(path).is_file())


def _works_inside(value: str) -> bool:
    """A path of this computer means nothing in a machine, but for the certificates, which are mounted."""
    there = not value.startswith("/") or value.startswith("/etc/ssl/") or value == OWN_BUNDLE
    return "\n" not in value and '"' not in value and there


def files(site: Site, computer: Mapping[str, str], home: Path) -> dict[str, str]:
    """Path → text of every file that a machine gets at creation."""
    wanted = environment(site, computer)
    lines = [f'{name}="{value}"' for name, value in sorted(wanted.items())]
    quoted = " ".join('"{}={}"'.format(name, value.replace("%", "%%")) for name, value in sorted(wanted.items()))
    found = {
        "/etc/environment": "\n".join(lines) + "\n",
        "/etc/systemd/system.conf.d/50-pilotlight.conf": f"[Manager]\nDefaultEnvironment={quoted}\n",
        "/etc/sudoers.d/50-pilotlight": "Defaults env_file=/etc/environment\n",  # as Ubuntu's sudo does, by PAM
        "/etc/apt/apt.conf.d/91computer": acquire_options(sorted(Path("/etc/apt/apt.conf.d").glob("*"))),
        "/etc/pip.conf": _first_text(home / ".config/pip/pip.conf", home / ".pip/pip.conf", Path("/etc/pip.conf")),
        OWN_BUNDLE: own_bundle(computer),
        "/etc/uv/uv.toml": _first_text(home / ".config/uv/uv.toml", Path("/etc/uv/uv.toml")),
    }
    return {path: text for path, text in found.items() if text}


def acquire_options(config: list[Path]) -> str:
    """apt's one-line Acquire options (proxies, time-outs, validity checks) out of its configuration files."""
    lines = [line for path in config if path.is_file() for line in path.read_text(errors="replace").splitlines()]
    return "".join(f"{line.strip()}\n" for line in lines if re.match(r"\s*Acquire::", line))


def _first_text(*paths: Path) -> str:
    return next((path.read_text() for path in paths if path.is_file()), "")


def archive(texts: Mapping[str, str]) -> bytes:
    """A tar of root's files, for `docker cp` to `/`."""
    return _tar([(path, text, 0o644, (0, 0)) for path, text in sorted(texts.items())])


def login_files(public_key: str, owner: tuple[int, int]) -> bytes:
    """A tar with USER's `.ssh` folder and authorized_keys, as cloud-init leaves them."""
    folder = f"/home/{USER}/.ssh"
    return _tar([(folder, None, 0o700, owner), (f"{folder}/authorized_keys", f"{public_key.strip()}\n", 0o600, owner)])


def _tar(entries: list[tuple[str, str | None, int, tuple[int, int]]]) -> bytes:
    """Entries are path, text (None: a folder), mode, (uid, gid)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, text, mode, (uid, gid) in entries:
            entry = tarfile.TarInfo(path.lstrip("/"))
            body = (text or "").encode()
            entry.type = tarfile.DIRTYPE if text is None else tarfile.REGTYPE
            entry.size, entry.mode, entry.uid, entry.gid, entry.mtime = len(body), mode, uid, gid, int(time.time())
            tar.addfile(entry, io.BytesIO(body))
    return buffer.getvalue()
