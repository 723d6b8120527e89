"""From a domain to a certificate that HAProxy shows: is the name here, certbot, the file, the running HAProxy.

A certificate that is not due stays as it is. Whether it is due is certbot's to say: the authority's own advice (ARI,
RFC 9773), else when a third of its life is left.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import subprocess
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core import certificates
from core.contract.documents import CertificateConfig
from core.contract.network import ACME_PORT
from core.contract.paths import CERTBOT_DATA, CERTBOT_VENV, CERTIFICATE
from core.errors import CertificateError
from runtime.certificates.front_door import FrontDoor, NotRunningError

PATIENCE_S: Final = 180.0  # of one run of certbot: an authority asks within seconds
SYSTEM_STORE: Final = "/etc/ssl/certs/ca-certificates.crt"  # certbot's own store has no authority of yours
TRUSTS: Final = "REQUESTS_CA_BUNDLE"
LINES: Final = 12  # of certbot's words in a message
_PEM: Final = re.compile(r"-----BEGIN (CERTIFICATE|[A-Z ]*PRIVATE KEY)-----\n.*?\n-----END \1-----", re.DOTALL)

Resolve = Callable[[str], Collection[str]]


def addresses(domain: str) -> Collection[str]:
    """The addresses of a name as this machine is told them; none where it has none."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(domain, None, type=socket.SOCK_STREAM)}
    except socket.gaierror as error:
        if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
            return ()
        raise CertificateError(f"The name servers do not answer for {domain}: {error.strerror}. Try again.") from error


@dataclass(frozen=True)
class Places:
    """What is on the gateway, and where; tests move it."""

    certbot: Path = Path(CERTBOT_VENV) / "bin" / "certbot"
    data: Path = Path(CERTBOT_DATA)
    certificate: Path = Path(CERTIFICATE)
    port: int = ACME_PORT
    store: Path = Path(SYSTEM_STORE)


def require_here(domain: str, address: str, resolve: Resolve = addresses) -> None:
    """CertificateError where the domain does not point at this address, and only there."""
    if problem := certificates.not_here(domain, address, resolve(domain)):
        raise CertificateError(f"{problem} Nothing was asked of a certificate authority.")


def issue(
    config: CertificateConfig, places: Places | None = None, door: FrontDoor | None = None, resolve: Resolve = addresses
) -> str:
    """A certificate for the domain, new where it is due, in HAProxy and on disk. Returns what was done, in words.

    CertificateError: the domain points elsewhere, certbot failed, HAProxy refused; what is shown stays as it was.
    """
    places, door = places or Places(), door or FrontDoor()
    require_here(config.domain, config.address, resolve)
    folder = places.data / re.sub(r"[^a-z0-9.-]+", "_", config.server.removeprefix("https://").lower())
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(places.data / "lock"):
        with door.asking():
            _certbot(command(config, places, folder), places)
        made = folder / "live" / config.domain
        pem = (made / "fullchain.pem").read_text() + (made / "privkey.pem").read_text()
        return f"{config.domain} by {config.server}: {place(pem, places.certificate, door)}"


def command(config: CertificateConfig, places: Places, folder: Path) -> list[str]:
    """certbot, answering the challenge by itself behind HAProxy. A folder an authority: accounts and names are its."""
    contact = ["--email", config.email] if config.email else ["--register-unsafely-without-email"]
    named = {"config": folder, "work": folder / "work", "logs": folder / "logs"}
    return [
        *(str(places.certbot), "certonly", "--non-interactive", "--agree-tos", "--no-eff-email", *contact),
        *("--server", config.server, "--domain", config.domain, "--cert-name", config.domain),
        *("--keep-until-expiring", "--key-type", "ecdsa", "--preferred-challenges", "http"),
        *("--standalone", "--http-01-address", "127.0.0.1", "--http-01-port", str(places.port)),
        *(word for name, path in named.items() for word in (f"--{name}-dir", str(path))),
    ]


def _certbot(words: list[str], places: Places) -> None:
    trusts = {TRUSTS: str(places.store)} if places.store.exists() else {}  # the machine's own environment wins
    try:
        done = subprocess.run(
            words, env=trusts | os.environ, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
    except subprocess.TimeoutExpired as error:
        raise CertificateError(f"certbot was not done within {PATIENCE_S:.0f} s. Run `fab deploy` again.") from error
    if done.returncode != 0:
        raise CertificateError(f"No certificate was issued. certbot said:\n{told(done.stdout + done.stderr)}")


def told(output: str) -> str:
    """What a person needs of certbot's output: without its advice about plug-ins and logs, and without empty lines."""
    noise = ("Saving debug log", "Ask for help", "Hint:", "See the logfile", "- - -", "Requesting a certificate")
    lines = [line.strip() for line in output.splitlines()]
    return "\n".join([line for line in lines if line and not line.startswith(noise)][-LINES:])


def place(pem: str, path: Path, door: FrontDoor) -> str:
    """Put a certificate with its chain and key into the running HAProxy, and then on disk. Returns what was done.

    In this order, so that a run that dies between the two is made good by the next one.
    """
    blocks = [(found[1] != "CERTIFICATE", found[0]) for found in _PEM.finditer(pem)]
    keys = sum(is_key for is_key, _ in blocks)
    if keys != 1 or len(blocks) == keys:
        raise CertificateError(f"One key and its certificates were expected, not {keys} and {len(blocks) - keys}.")
    in_order = sorted(blocks, key=lambda block: block[0])  # the chain as it was, then the key
    text = "\n".join(block for _, block in in_order) + "\n"
    if path.exists() and path.read_text() == text:
        return "nothing new"
    try:
        shown = door.exchange(str(path), text)
    except NotRunningError:
        shown = False
    _write(path, text)
    return "in place, without a reload" if shown else "in place, for when HAProxy is reloaded"


def _write(path: Path, text: str) -> None:
    """The file, root's alone; a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(path)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One at a time: the timer waits for a deployment, and the other way round."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
