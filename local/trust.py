"""Whom this computer's clients trust, and by which way they go out: the system's certificates, and its proxies.

Behind a proxy that inspects TLS its CA is in the system's store, and clients that bring their own list of CAs (uv, pip,
requests, botocore) fail with "unknown issuer". So each of them is told to use the system's store, unless its own
variable is set. Go, curl, apt and Debian's Python use it by themselves. Set-up, the machines and `make test-aws` take
their settings from here; `setup/bootstrap.sh` does the same in shell, before there is a Python to ask.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"  # what update-ca-certificates writes, on Debian and Ubuntu
# Who reads which: OpenSSL and uv; pip; requests; botocore and the AWS CLI; curl
FILES: Final = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "CURL_CA_BUNDLE")
PROXIES: Final = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
_UV: Final = "UV_SYSTEM_CERTS"

_UNTRUSTED: Final = re.compile(
    r"UnknownIssuer|invalid peer certificate|CERTIFICATE_VERIFY_FAILED|certificate verif\w+ failed"
    r"|SSL certificate problem|signed by unknown authority|self[- ]signed certificate"
    r"|[Cc]ertificate is (NOT|not) trusted"
)
_UNREACHABLE: Final = re.compile(
    r"[Cc]ould not resolve|[Nn]ame or service not known|[Tt]emporary failure (in name resolution|resolving)|dns error"
    r"|no such host|[Cc]onnection (refused|timed out|reset)|[Nn]etwork is unreachable|tcp connect error|i/o timeout"
    r"|tunnel error|407 Proxy|ProxyError|[Oo]peration timed out|error sending request"
)


def environment(computer: Mapping[str, str], *, bundle: str = BUNDLE, exists: bool | None = None) -> dict[str, str]:
    """The variables that make every client use the system's store, less those that `computer` sets itself.

    A bundle that the user named in SSL_CERT_FILE stands for the system's. `exists`: whether `bundle` is there.
    """
    own = computer.get("SSL_CERT_FILE", "")
    there = Path(bundle).is_file() if exists is None else exists
    wanted = {_UV: "true"}
    if own or there:
        wanted |= dict.fromkeys(FILES, own or bundle)
    return {name: value for name, value in wanted.items() if not computer.get(name)}


def proxies(computer: Mapping[str, str]) -> list[str]:
    """Names of the proxy variables that are set, in both spellings, sorted: what sudo would drop."""
    return sorted(name for name, value in computer.items() if name.lower() in PROXIES and value)


def around_proxies(computer: Mapping[str, str], *hosts: str) -> dict[str, str]:
    """The variables that keep these hosts from going through a proxy; none where there is no proxy.

    Name single addresses besides networks: urllib and botocore do not read `10.77.0.0/16`.
    """
    if not any(name.lower() != "no_proxy" for name in proxies(computer)):
        return {}
    before = computer.get("no_proxy") or computer.get("NO_PROXY") or ""
    kept = [part for part in before.split(",") if part]
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join([*kept, *(h for h in hosts if h not in kept)]))


def kept_by_sudo(computer: Mapping[str, str]) -> list[str]:
    """sudo's options so that a root's program goes out by the same proxies. Names only: a proxy's URL may be secret."""
    names = proxies(computer)
    return [f"--preserve-env={','.join(names)}"] if names else []


def hint(output: Sequence[str], computer: Mapping[str, str]) -> str:
    """What to do where a program's last lines are about certificates or about the way out; "" where they are not."""
    text = "\n".join(output)
    if _UNTRUSTED.search(text):
        trusted = computer.get("SSL_CERT_FILE") or BUNDLE
        return (
            f"A certificate is not trusted (looked for in {trusted}). Behind a proxy that inspects TLS, put its CA "
            "into the system's store: copy it to /usr/local/share/ca-certificates/NAME.crt and run `sudo "
            f"update-ca-certificates`. {_way_out(computer)}"
        )
    if _UNREACHABLE.search(text):
        return (
            f"A server could not be reached. {_way_out(computer)} If the proxy inspects TLS, its CA belongs into the "
            "system's store (`sudo update-ca-certificates`)."
        )
    return ""


def _way_out(computer: Mapping[str, str]) -> str:
    names = proxies(computer)
    if names:
        return f"Proxies come from the environment: {', '.join(names)} are set."
    return "Proxies come from the environment, and none is set: set HTTPS_PROXY and NO_PROXY where you have one."
