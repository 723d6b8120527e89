"""A certificate of your own, as `access.certificateFile` and `access.keyFile` name it: read and judged before anything
is changed on a machine. One DeployError says what is wrong, in which file, and what to do.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from core.errors import DeployError
from remote import paths

_CERTIFICATE: Final = "pilotlight:access.certificateFile"
_KEY: Final = "pilotlight:access.keyFile"


@dataclass(frozen=True)
class OwnCertificate:
    """Chain and key as HAProxy reads them, and until when it is good. `lacks_issuer`: see `read`."""

    pem: str = field(repr=False)
    until: datetime
    issuer: str
    lacks_issuer: bool


def read(certificate_file: str, key_file: str, domain: str, now: datetime | None = None) -> OwnCertificate:
    """The certificate for this domain. `lacks_issuer`: the file ends before a root, so clients must know who issued it.

    DeployError: a file that cannot be read, no PEM, another key, out of its time, another domain, a chain in disorder.
    """
    chain = _chain(certificate_file)
    key = _key(key_file)
    leaf = chain[0]
    if leaf.public_key() != key.public_key():
        raise DeployError(
            f"{_KEY}: {key_file} is not the key of the first certificate in {certificate_file}. Name the key that the "
            f"certificate was requested with; the domain's certificate comes first in its file."
        )
    _require_time(leaf, certificate_file, now or datetime.now(UTC))
    _require_domain(leaf, certificate_file, domain)
    _require_order(chain, certificate_file)
    parts = [c.public_bytes(Encoding.PEM).decode() for c in chain]
    parts.append(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
    alone = len(chain) == 1 and leaf.issuer != leaf.subject
    return OwnCertificate("".join(parts), leaf.not_valid_after_utc, leaf.issuer.rfc4514_string(), lacks_issuer=alone)


def _bytes(setting: str, file: str) -> bytes:
    try:
        return paths.typed(file).read_bytes()
    except OSError as error:
        raise DeployError(f"{setting}: {file} cannot be read: {error.strerror}. Is it on this computer?") from error


def _chain(file: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_bytes(_CERTIFICATE, file))
    except ValueError as error:
        raise DeployError(
            f"{_CERTIFICATE}: {file} holds no certificate in PEM (-----BEGIN CERTIFICATE-----). "
            f"From DER: `openssl x509 -inform der -in {file} -out NEW.pem`"
        ) from error


def _key(file: str) -> PrivateKeyTypes:
    text = _bytes(_KEY, file)
    try:
        return load_pem_private_key(text, password=None)
    except TypeError as error:
        raise DeployError(
            f"{_KEY}: {file} has a passphrase, and HAProxy starts without a person. Write it without one, readable by "
            f"you alone: `openssl pkey -in {file} -out NEW.pem`"
        ) from error
    except ValueError as error:
        raise DeployError(f"{_KEY}: {file} holds no private key in PEM (-----BEGIN PRIVATE KEY-----).") from error


def _require_time(leaf: x509.Certificate, file: str, now: datetime) -> None:
    if now >= leaf.not_valid_after_utc:
        raise DeployError(
            f"{_CERTIFICATE}: the certificate in {file} expired on {_day(leaf.not_valid_after_utc)}. Put a renewed one "
            "there, or take the key away to have one issued by ACME. Nothing was changed."
        )
    if now < leaf.not_valid_before_utc:
        raise DeployError(
            f"{_CERTIFICATE}: the certificate in {file} is valid only from {_day(leaf.not_valid_before_utc)} on."
        )


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _require_domain(leaf: x509.Certificate, file: str, domain: str) -> None:
    names = _names(leaf)
    if not any(_covers(name.lower(), domain) for name in names):
        raise DeployError(
            f"{_CERTIFICATE}: the certificate in {file} is for {', '.join(names) or 'no DNS name'}, and "
            f"pilotlight:access.domain is {domain}. Clients look at the names (subjectAltName) only."
        )


def _names(leaf: x509.Certificate) -> Sequence[str]:
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return found.value.get_values_for_type(x509.DNSName)


def _covers(name: str, domain: str) -> bool:
    """A wildcard stands for one label (RFC 6125, 6.4.3)."""
    return name == domain or (name.startswith("*.") and name[1:] == domain[domain.index(".") :])


def _require_order(chain: Sequence[x509.Certificate], file: str) -> None:
    """Each certificate was issued by the next one."""
    for number, (one, issuer) in enumerate(itertools.pairwise(chain), start=1):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise DeployError(
                f"{_CERTIFICATE}: in {file} certificate {number} ({one.subject.rfc4514_string()}) was not issued by "
                f"the next one ({issuer.subject.rfc4514_string()}). The order is: the domain's, who issued it, who "
                "issued that; nothing else, and the root may be left out."
            ) from error
