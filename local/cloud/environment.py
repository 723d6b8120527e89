"""The environment of a `pulumi` that works on an embedded cloud, and its secrets, kept in the state folder.

`cloud.json` carries it, so that a program can run `pulumi stack output` without importing `local/`.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local import trust
from local.cloud import credentials
from local.cloud.credentials import Credentials, Holder
from local.cloud.site import Site, aws_environment
from local.setup import tools

SSH_KEY: Final = "id_ed25519"
PASSPHRASE: Final = "passphrase"
PULUMI_STATE: Final = "pulumi"
PULUMI_HOME: Final = "pulumi-home"


def make_secrets(folder: Path, name: str) -> None:
    """The SSH key pair, the passphrase of this cloud's stacks and the credentials for its API, for their owner only."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    write_private(folder / SSH_KEY, private.decode())
    (folder / f"{SSH_KEY}.pub").write_text(f"{public.decode()} {name}\n")
    write_private(folder / PASSPHRASE, secrets.token_urlsafe(24))
    write_private(folder / credentials.FILE, credentials.draw(Holder.COMPUTER).to_json())
    for part in (PULUMI_STATE, PULUMI_HOME, "lambda"):
        (folder / part).mkdir(exist_ok=True)


def write_private(path: Path, text: str) -> None:
    """A file that nobody else can read, at no moment."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def public_key(folder: Path) -> str:
    """The cloud's SSH public key, as `pilotlight:host.sshPublicKey` wants it."""
    return (folder / f"{SSH_KEY}.pub").read_text().strip()


def pulumi_environment(site: Site, own: Credentials, provider_ports: Mapping[str, int]) -> dict[str, str]:
    """Every variable that a `pulumi` for this cloud needs. SetupError where the CLI is not set up."""
    folders = [str(Path(sys.executable).parent), str(tools.pulumi_bin())]
    attached = ",".join(f"{package}:{port}" for package, port in sorted(provider_ports.items()))
    return {
        **aws_environment(site, own),
        **trust.around_proxies(os.environ, site.gateway),
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)]),
        "PULUMI_BACKEND_URL": f"file://{site.folder / PULUMI_STATE}",
        "PULUMI_HOME": str(site.folder / PULUMI_HOME),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(site.folder / PASSPHRASE),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        **({"PULUMI_DEBUG_PROVIDERS": attached} if attached else {}),
    }
