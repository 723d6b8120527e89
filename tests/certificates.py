"""Certificates for tests, each in its own file with its key; a root and one authority below it sign them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class Pair:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Files:
    """A domain's certificate with its chain, and its key."""

    certificate: Path
    key: Path
    leaf: x509.Certificate

    @property
    def pem(self) -> str:
        """Both."""
        return self.certificate.read_text() + self.key.read_text()


class Maker:
    """A certificate authority. `root` is the file that clients believe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.top = signed("root", None, ca=True)
        self.authority = signed("authority", self.top, ca=True)
        self.root = folder / f"root-{self.top.certificate.serial_number}.pem"
        self.root.write_bytes(pem(self.top.certificate))

    def files(self, *names: str, after: datetime | None = None, before: datetime | None = None) -> Files:
        """A certificate for these names, valid between the two moments."""
        made = signed("leaf", self.authority, names=names, before=before, after=after)
        place = self._folder / f"{made.certificate.serial_number}.pem"
        place.write_bytes(pem(made.certificate) + pem(self.authority.certificate))
        self.write_key(made, place.with_suffix(".key"))
        return Files(place, place.with_suffix(".key"), made.certificate)

    def write_key(self, of: Pair, path: Path) -> None:
        """A key as `openssl` writes it."""
        path.write_bytes(of.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def signed(
    name: str,
    by: Pair | None,
    *,
    names: tuple[str, ...] = (),
    ca: bool = False,
    before: datetime | None = None,
    after: datetime | None = None,
) -> Pair:
    """A certificate by another, or by itself. `before` and `after`: valid from and until."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = by.certificate.subject if by else subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(before or NOW - timedelta(days=1))
        .not_valid_after(after or NOW + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    return Pair(builder.sign(by.key if by else key, hashes.SHA256()), key)
