"""The system's certificates and proxies: what clients are told, and a real uv that believes a CA of the system's store.

The real run has mounts of its own, in which the system's store is the test's: no variable names it.
"""

from __future__ import annotations

import base64
import datetime as dt
import functools
import hashlib
import http.server
import io
import ipaddress
import os
import shlex
import shutil
import ssl
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local import trust

UV = Path(sys.prefix) / "bin" / "uv"
WHEEL = "inspected-1.0-py3-none-any.whl"
Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def test_every_client_is_told_unless_the_user_said_otherwise() -> None:
    found = trust.environment({"PIP_CERT": "/own.pem"}, bundle="/store.crt", exists=True)
    assert found == {
        "UV_SYSTEM_CERTS": "true",
        "SSL_CERT_FILE": "/store.crt",
        "REQUESTS_CA_BUNDLE": "/store.crt",
        "AWS_CA_BUNDLE": "/store.crt",
        "CURL_CA_BUNDLE": "/store.crt",
    }


def test_a_bundle_that_the_user_names_is_for_all_and_a_missing_store_for_none() -> None:
    found = trust.environment({"SSL_CERT_FILE": "/corp.pem"}, exists=True)
    assert "SSL_CERT_FILE" not in found
    assert found["REQUESTS_CA_BUNDLE"] == found["AWS_CA_BUNDLE"] == "/corp.pem"
    assert trust.environment({}, exists=False) == {"UV_SYSTEM_CERTS": "true"}


def test_the_cloud_is_reached_around_the_proxies() -> None:
    assert trust.around_proxies({}, "10.77.0.1") == {}
    assert trust.around_proxies({"NO_PROXY": "a"}, "10.77.0.1") == {}
    found = trust.around_proxies({"HTTPS_PROXY": "http://p", "NO_PROXY": "a,10.77.0.1"}, "10.77.0.1", "10.77.0.0/16")
    assert found == dict.fromkeys(("no_proxy", "NO_PROXY"), "a,10.77.0.1,10.77.0.0/16")


def test_sudo_keeps_the_proxies_by_name() -> None:
    assert trust.kept_by_sudo({"https_proxy": "http://u:secret@p", "NO_PROXY": "a", "HTTP_PROXY": ""}) == [
        "--preserve-env=NO_PROXY,https_proxy"
    ]
    assert trust.kept_by_sudo({"HOME": "/root"}) == []


@pytest.mark.parametrize(
    "line",
    [
        "  Caused by: invalid peer certificate: UnknownIssuer",  # uv
        "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable'))",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",  # Go
        "curl: (60) SSL certificate problem: unable to get local issuer certificate",
        "Certificate verification failed: The certificate is NOT trusted.",  # apt
    ],
)
def test_an_untrusted_certificate_names_store_and_proxy(line: str) -> None:
    words = trust.hint(["before", line], {"HTTPS_PROXY": "http://u:secret@proxy"})
    assert words.startswith(f"A certificate is not trusted (looked for in {trust.BUNDLE}).")
    assert "sudo update-ca-certificates" in words
    assert "HTTPS_PROXY are set" in words
    assert "secret" not in words


@pytest.mark.parametrize(
    "line",
    [
        "error sending request for url (https://pypi.org/simple/rich/)",
        "dial tcp: lookup proxy.golang.org: no such host",
        "Could not resolve 'deb.debian.org'",
        "ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy Authentication'))",
    ],
)
def test_an_unreachable_server_names_proxy_and_store(line: str) -> None:
    words = trust.hint([line], {})
    assert words.startswith("A server could not be reached. Proxies come from the environment, and none is set")
    assert "sudo update-ca-certificates" in words
    assert trust.hint(["No space left on device"], {}) == ""


# ------------------------------------------------------------ a real uv, and a server behind a CA of our own
def certify(name: str, issuer: Pair | None = None) -> Pair:
    """A CA, or a certificate of it for `name` and 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def pem(pair: Pair, *, key: bool) -> bytes:
    text = pair[0].public_bytes(serialization.Encoding.PEM)
    form = serialization.PrivateFormat.PKCS8
    return text + pair[1].private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()) if key else text


def wheel() -> bytes:
    """A package of one module, as small as a wheel can be."""
    info = "inspected-1.0.dist-info"
    files = {
        "inspected.py": b"",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: inspected\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {name: base64.urlsafe_b64encode(hashlib.sha256(body).digest()) for name, body in files.items()}
    record = "".join(f"{n},sha256={digests[n].rstrip(b'=').decode()},{len(b)}\n" for n, b in files.items())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, body in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            packed.writestr(name, body)
    return buffer.getvalue()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def store(tmp_path: Path) -> tuple[Path, Pair]:
    """A folder to stand for /etc/ssl/certs, with one CA in it."""
    ca = certify("the company's CA")
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "ca-certificates.crt").write_bytes(pem(ca, key=False))
    return folder, ca


@pytest.fixture
def index(tmp_path: Path, store: tuple[Path, Pair]) -> Iterator[str]:
    """The URL of a package index on loopback, whose certificate the CA made."""
    own = tmp_path / "server.pem"
    own.write_bytes(pem(certify("localhost", store[1]), key=True))
    folder = tmp_path / "index" / "inspected"
    folder.mkdir(parents=True)
    (folder / WHEEL).write_bytes(wheel())
    (folder / "index.html").write_text(f'<a href="{WHEEL}">{WHEEL}</a>')
    handler = functools.partial(Quiet, directory=str(tmp_path / "index"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def with_store(folder: Path, *argv: str) -> list[str]:
    """The command with `folder` in the place of the system's store."""
    script = f'mount --bind {shlex.quote(str(folder))} /etc/ssl/certs && exec "$@"'
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", *user, "--mount", "--propagation", "private", "sh", "-c", script, "sh", *argv]


def may_mount() -> bool:
    if shutil.which("unshare") is None or not UV.exists():
        return False
    return subprocess.run(with_store(Path("/etc/ssl/certs"), "true"), capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs uv, and root or user namespaces")
def test_uv_believes_a_ca_that_only_the_system_s_store_has(
    tmp_path: Path, store: tuple[Path, Pair], index: str
) -> None:
    def install(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        places = {"HOME": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_NO_CONFIG": "1"}
        target = ["--target", str(tmp_path / "target"), "--python", sys.executable, "--index-url", index]
        argv = with_store(store[0], str(UV), "pip", "install", *target, "inspected")
        environ = {"PATH": os.environ["PATH"], **places, **env}
        return subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, timeout=60)

    refused = install({})
    assert refused.returncode != 0, "uv's own list does not hold this CA, or the test proves nothing"
    assert trust.hint(refused.stderr.splitlines(), {}).startswith("A certificate is not trusted")
    done = install({"UV_SYSTEM_CERTS": trust.environment({})["UV_SYSTEM_CERTS"]})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "target" / "inspected.py").exists()
    named = install(trust.environment({}, exists=True))
    assert named.returncode == 0, named.stderr
