"""The gateway's certificate, where the stack has a domain: by ACME, renewed by a timer, or your own from this computer.

What runs on the gateway is `runtime/certificates/`. The first of these items come before HAProxy's, since HAProxy does
not start without a certificate: one that it signs itself stands in until the real one is there.
"""

from __future__ import annotations

from core.contract.documents import SCHEMA_VERSION, CertificateConfig
from core.contract.paths import CERTBOT_VENV, CERTIFICATE_CONFIG, CERTIFICATES_APP
from core.settings import Access
from core.shipping import Program
from remote import own_certificate, templates
from remote.items import Item
from remote.items.certificates import SERVICE, TIMER, UNIT_DIR, Issued, NoRenewal, OwnCertificate, PointsHere, StandIn
from remote.items.files import File
from remote.items.units import Unit, digest_of
from remote.items.venvs import Venv, requirements
from remote.services import app


def before(access: Access, address: str) -> list[Item]:
    """What comes before everything else on the gateway: whether the domain points there, while nothing is changed."""
    if access.domain is None:
        return []
    code = app.tree(Program.CERTIFICATES)
    return [code, PointsHere(access.domain, address, _mark(access))] if access.by_acme else [code]


def before_haproxy(access: Access) -> list[Item]:
    """A file that HAProxy can begin with."""
    return [StandIn(access.domain)] if access.domain else []


def items(access: Access, address: str) -> list[Item]:
    """The certificate itself, once HAProxy runs; or what takes the timer away where none is asked for by ACME.

    DeployError where the files of your own do not hold a certificate that can be used.
    """
    if access.domain is None:
        return [NoRenewal()]
    if access.certificate_file and access.key_file:
        return [NoRenewal(), _own(access.domain, access.certificate_file, access.key_file)]
    contact = access.contact_email or ""
    config = CertificateConfig(SCHEMA_VERSION, access.domain, address, access.directory, contact)
    document = File(CERTIFICATE_CONFIG, config.to_json().encode())
    service, timer = (
        File(f"{UNIT_DIR}/{name}", templates.render(f"{name}.j2", app=CERTIFICATES_APP)) for name in (SERVICE, TIMER)
    )
    return [
        Venv(CERTBOT_VENV, requirements("certbot"), ("certbot",), what="certbot"),
        document,
        service,
        timer,
        Unit(TIMER, digest_of((service, timer))),
        Issued(_mark(access)),
    ]


def _mark(access: Access) -> str:
    return f"{access.domain} {access.directory}"


def _own(domain: str, certificate_file: str, key_file: str) -> OwnCertificate:
    found = own_certificate.read(certificate_file, key_file, domain)
    short = f"; who issued it, {found.issuer}, is not in the file" if found.lacks_issuer else ""
    return OwnCertificate(domain, found.pem.encode(), f"until {found.until:%Y-%m-%d}{short}")
