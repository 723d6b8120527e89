"""Pebble, the ACME project's own test server, and certbot as the gateway has it: both made once, into the cache.

Pebble is built from its Go module, by Go from PATH or PyPI's. Its resolver says one address for every name.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local.setup import go_toolchain
from local.setup.site import this_computer
from remote.items.venvs import LISTS
from tests.e2e.gateway.front import free_ports, until

MODULE, VERSION, GO = "github.com/letsencrypt/pebble/v2", "v2.10.1", (1, 23)
PROGRAMS = ("pebble", "pebble-challtestsrv")


def pebble() -> Path:
    """The folder of Pebble's two programs."""
    site = this_computer()
    place = site.cache / "tools" / f"pebble-{VERSION}"
    if not all((place / name).exists() for name in PROGRAMS):
        go, _ = go_toolchain.bring(site, GO, print)
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pebble-", dir=place.parent) as draft:
            env = {"GOPATH": f"{draft}/go", "GOCACHE": f"{draft}/build", "GOBIN": f"{draft}/bin"}
            env |= {"GOFLAGS": "-buildvcs=false -modcacherw", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
            packages = [f"{MODULE}/cmd/{name}@{VERSION}" for name in PROGRAMS]
            site.commands.run([go, "install", *packages], env=env, log=site.log("pebble"), gently=True)
            shutil.rmtree(place, ignore_errors=True)
            Path(draft, "bin").rename(place)
    return place


def certbot() -> Path:
    """certbot, of the very list that the gateway's is made from."""
    site, listed = this_computer(), LISTS / "certbot.txt"
    place = site.cache / "tools" / f"certbot-{hashlib.sha256(listed.read_bytes()).hexdigest()[:12]}"
    program = place / "bin" / "certbot"
    if not (place / "made").exists():
        shutil.rmtree(place, ignore_errors=True)
        log, env = site.log("certbot"), site.uv_environment()
        site.commands.run([site.uv, "venv", "-q", str(place)], log=log, env=env)
        install = [site.uv, "pip", "install", "-q", "--no-deps", "--python", str(place), "-r", str(listed)]
        site.commands.run(install, log=log, env=env)
        (place / "made").touch()
    return program


@dataclass(frozen=True)
class Authority:
    """A running Pebble: its directory's URL, the root of its own TLS (PEM), and what it has done so far."""

    url: str
    store: Path
    log: Path
    management: str  # its URL

    def root(self) -> str:
        """PEM of the root that issues its certificates; another one each time that it starts."""
        return self._ask("roots/0")

    def advise_renewal(self, certificate: str) -> None:
        """From now on it advises to renew this certificate (PEM) at once (ARI, RFC 9773)."""
        window = {"suggestedWindow": {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}}
        self._ask("set-renewal-info/", {"Certificate": certificate, "ARIResponse": json.dumps(window)})

    def _ask(self, path: str, body: object = None) -> str:
        context = ssl.create_default_context(cafile=str(self.store))
        sent = json.dumps(body).encode() if body else None
        with urllib.request.urlopen(f"{self.management}/{path}", sent, context=context, timeout=10) as answer:
            return str(answer.read().decode())

    def said(self, text: str) -> int:
        """How often its log has this."""
        return self.log.read_text().count(text)


@contextlib.contextmanager
def running(
    folder: Path, http_port: int, *, at: str = "127.0.0.1", finds: str = "127.0.0.1"
) -> Iterator[tuple[Authority, Path]]:
    """Pebble, listening at an address of this computer, with the file of its certificates' root.

    Whatever the domain, it asks at `http_port` of the address `finds`.
    """
    programs, (port, management, dns, control) = pebble(), free_ports(4)
    tls = _own_tls(folder, at)
    config = {
        "listenAddress": f"{at}:{port}", "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(tls), "privateKey": str(tls.with_suffix(".key")), "httpPort": http_port, "tlsPort": 1,
    }  # fmt: skip
    (folder / "pebble.json").write_text(json.dumps({"pebble": config}))
    names = [f"-dnsserver=127.0.0.1:{dns}", f"-management=127.0.0.1:{control}", f"-defaultIPv4={finds}"]
    off = ["-defaultIPv6=", "-http01=", "-https01=", "-tlsalpn01=", "-doh="]  # challenges are the gateway's
    log_file, control_url = folder / "pebble.log", f"https://127.0.0.1:{management}"
    authority = Authority(f"https://{at}:{port}/dir", tls, log_file, control_url)
    commands = (
        [str(programs / "pebble-challtestsrv"), *names, *off],
        [str(programs / "pebble"), "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{dns}"],
    )
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(authority.log.open("ab"))
        for command in commands:
            env = os.environ | {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=folder)
            stack.callback(_end, process)
        until(lambda: authority.said("Listening on") >= 1, f"Pebble listens: {authority.log}")
        until(lambda: _answers(authority), "Pebble answers")
        root = folder / "root.pem"
        root.write_text(authority.root())
        yield authority, root


def _answers(authority: Authority) -> bool:
    try:
        return bool(authority.root())
    except OSError:
        return False


def _own_tls(folder: Path, at: str) -> Path:
    """A certificate for Pebble's own addresses."""
    made = folder / "pebble.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-days", "2", "-subj", "/CN=pebble", "-addext", f"subjectAltName=IP:127.0.0.1,IP:{at}"]
    subprocess.run(
        [*words, "-keyout", str(made.with_suffix(".key")), "-out", str(made)], check=True, capture_output=True
    )
    return made


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(10)
