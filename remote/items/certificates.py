"""The gateway's certificate: whether its domain points there, one that stands in, one by ACME, or your own.

All but the first are put into the running HAProxy by `runtime/certificates/`, without a reload.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Final

from core.contract.paths import CERTIFICATE, CERTIFICATE_CONFIG, CERTIFICATE_UNIT, CERTIFICATES_APP
from remote.items import STAMPS, Order
from remote.items.files import File
from remote.machines.facts import Facts, Query

SERVICE: Final = CERTIFICATE_UNIT
TIMER: Final = SERVICE.replace(".service", ".timer")
UNIT_DIR: Final = "/etc/systemd/system"
STAMP: Final = f"{STAMPS}/certificate"  # whose certificate by ACME is shown: "<domain> <server>"
PROGRAM: Final = f"cd {CERTIFICATES_APP} && PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m runtime.certificates"
ISSUE_S: Final = 400.0  # certbot's own patience, and one run of the timer before it


@dataclass(frozen=True)
class PointsHere:
    """The domain points at the gateway: asked until a certificate has been issued for it."""

    domain: str
    address: str
    mark: str
    slow: bool = False

    @property
    def label(self) -> str:
        return f"whether {self.domain} points to {self.address}"

    def query(self) -> Query:
        return Query(texts=(STAMP,))

    def reason(self, facts: Facts) -> str:
        return "" if facts.texts.get(STAMP) == self.mark else "asked before a certificate is"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        words = f"{PROGRAM} check {shlex.quote(self.domain)} {shlex.quote(self.address)}"
        return (Order(words, failure=f"pilotlight:access.domain: {self.domain} cannot be certified"),)


@dataclass(frozen=True)
class StandIn:
    """Some certificate where HAProxy reads it, so that HAProxy can start. No client trusts it."""

    domain: str
    slow: bool = False

    @property
    def label(self) -> str:
        return CERTIFICATE

    def query(self) -> Query:
        return Query(files=(CERTIFICATE,))

    def reason(self, facts: Facts) -> str:
        found = facts.files.get(CERTIFICATE)
        if found is None:
            return "missing; a self-signed one stands in until the domain's is there"
        return "" if (found.mode, found.owner) == (0o600, "root") else "mode or owner differs"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        path = shlex.quote(CERTIFICATE)
        if CERTIFICATE in facts.files:
            return (Order(f"chown root:root {path}; chmod 600 {path}", failure=f"could not mend {CERTIFICATE}"),)
        new, name = f"{path}.new", shlex.quote(f"subjectAltName=DNS:{self.domain}")
        # the subject is not the domain: a common name has 64 characters at most
        script = f"""
set -e; umask 077; mkdir -p $(dirname {path}); rm -f {new} {STAMP}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=pilotlight \\
  -addext {name} -keyout {new} -out {new}.crt 2>&1
cat {new}.crt >> {new}; rm -f {new}.crt; mv -f {new} {path}
"""
        return (Order(script, failure=f"could not make {CERTIFICATE}"),)


@dataclass(frozen=True)
class Issued:
    """A certificate by ACME for this domain from this server (`mark`); the timer renews it from then on."""

    mark: str
    slow: bool = True

    @property
    def label(self) -> str:
        return f"certificate of {self.mark.split()[0]}"

    def query(self) -> Query:
        return Query(texts=(STAMP,), units=(SERVICE,))

    def reason(self, facts: Facts) -> str:
        if facts.texts.get(STAMP) != self.mark:
            return f"asked of {self.mark.split()[1]}"
        service = facts.units.get(SERVICE)
        return "its last renewal failed" if service and service.active == "failed" else ""

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        script = f"""
set -e; ({PROGRAM} issue)
mkdir -p {STAMPS}; echo {shlex.quote(self.mark)} > {STAMP}
systemctl reset-failed {SERVICE} 2>/dev/null || true
"""
        failure = (
            "there is no certificate, and callers are shown one that nobody trusts. The authority must reach port 80 "
            "from the internet"
        )
        return (Order(script, timeout_s=ISSUE_S, failure=failure, tell=True),)


@dataclass(frozen=True)
class OwnCertificate:
    """Your own certificate with its chain and key, shown by HAProxy. They travel by standard input."""

    domain: str
    pem: bytes = field(repr=False)
    until: str
    slow: bool = False

    @property
    def label(self) -> str:
        return f"certificate of {self.domain} ({self.until})"

    @property
    def file(self) -> File:
        """The file as it lies on the gateway."""
        return File(CERTIFICATE, self.pem, mode=0o600)

    def query(self) -> Query:
        return self.file.query()

    def reason(self, facts: Facts) -> str:
        return self.file.reason(facts)

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        script = f"set -e; rm -f {STAMP}; {PROGRAM} load"
        return (Order(script, self.pem, failure=f"the certificate of {self.domain} could not be put in place"),)


@dataclass(frozen=True)
class NoRenewal:
    """Nothing asks for certificates on this machine. Those that it had stay, with their keys and accounts."""

    slow: bool = False

    @property
    def label(self) -> str:
        return f"no {TIMER}"

    def query(self) -> Query:
        return Query(paths=(f"{UNIT_DIR}/{TIMER}",))

    def reason(self, facts: Facts) -> str:
        return "no certificate is asked for by ACME any longer" if f"{UNIT_DIR}/{TIMER}" in facts.paths else ""

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        script = f"""
systemctl -q disable --now {TIMER}
rm -f {UNIT_DIR}/{SERVICE} {UNIT_DIR}/{TIMER} {CERTIFICATE_CONFIG} {STAMP} {STAMPS}/{TIMER}
systemctl daemon-reload
"""
        return (Order(script, failure=f"{TIMER} could not be removed"),)
