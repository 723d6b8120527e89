"""The front door as callers see it, from this computer: the domain, the certificate, and an answer without a key.

None of it wakes the host: a request without a key is refused at the gateway.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from core import certificates
from core.contract.network import API_PORT
from remote.checks import Area, Check, failed, passed, warned

TIMEOUT_S: Final = 10.0
NO_KEY: Final = '"invalid_api_key"'  # HAProxy's code of an answer to who has no key (its template)
RENEWED_BEFORE_S: Final = 21 * 86400.0  # certbot renews 30 days before the end; later than this it failed


@dataclass(frozen=True)
class Reply:
    """What was answered. `status` 0: nothing, and `problem` says why."""

    status: int
    text: str = ""
    problem: str = ""


def ask(url: str) -> Reply:
    """GET without a key, by way of the environment's proxy where there is one; a private address needs none."""
    host = urllib.parse.urlsplit(url).hostname or ""
    proxies = [urllib.request.ProxyHandler({})] if _private(host) else []
    try:
        with urllib.request.build_opener(*proxies).open(url, timeout=TIMEOUT_S) as answer:
            return Reply(answer.status, answer.read(4096).decode(errors="replace"))
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.read(4096).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return Reply(0, problem=str(reason) or type(error).__name__)


def _private(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:  # a name
        return False


def api(found: Reply, url: str, stack: str) -> Check:
    """The API asks for a key, with our own words."""
    area = Area.FRONT_DOOR
    if found.status == 401 and NO_KEY in found.text:
        return passed(area, "API", f"{url} answers and asks for a key")
    if not found.status:
        fix = (
            "Is your address in pilotlight:access.cidrs? After a change there `pulumi up` applies it; "
            f"`fab logs -s {stack}` shows whether HAProxy runs."
        )
        return failed(area, "API", f"{url} does not answer here: {found.problem}", fix)
    said = f"{url} answers {found.status} where 401 was expected: {found.text.strip()[:120]}"
    return failed(area, "API", said, f"Is it the gateway that answers? `fab url -s {stack}`; `fab logs -s {stack}`.")


def chat(found: Reply, url: str, stack: str) -> Check:
    """The chat page is there, or the page that waits for it."""
    area = Area.FRONT_DOOR
    if 200 <= found.status < 400:
        return passed(area, "chat page", f"{url} answers")
    said = f"{url} answers {found.status}" if found.status else f"{url} does not answer here: {found.problem}"
    return failed(area, "chat page", said, f"`fab logs -s {stack}` shows what it says; `fab deploy -s {stack}`.")


def addresses(domain: str) -> tuple[str, ...]:
    """Where this computer's name server says that the domain points; none where it does not know."""
    try:
        found = socket.getaddrinfo(domain, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def domain(name: str, address: str, found: tuple[str, ...]) -> Check:
    """The domain points at the gateway and nowhere else."""
    problem = certificates.not_here(name, address, found)
    if not problem:
        return passed(Area.FRONT_DOOR, "DNS", f"{name} points to {address}")
    said, _, fix = problem.partition(". ")
    return failed(Area.FRONT_DOOR, "DNS", said, fix or "docs/operate/tls.md.")


@dataclass(frozen=True)
class Certificate:
    """What is shown: when it ends (s since 1970), and by whom it is; `problem` "": this computer trusts it."""

    ends: float = 0.0
    issuer: str = ""
    problem: str = ""


def certificate(name: str, address: str, port: int = API_PORT) -> Certificate:
    """A TLS handshake with the gateway under the domain's name; no request."""
    trusting = ssl.create_default_context()
    try:
        with (
            socket.create_connection((address, port), timeout=TIMEOUT_S) as plain,
            trusting.wrap_socket(plain, server_hostname=name) as door,
        ):
            shown: Any = door.getpeercert()
    except ssl.SSLCertVerificationError as error:
        return Certificate(problem=error.verify_message)
    except OSError as error:
        return Certificate(problem=str(error) or type(error).__name__)
    issuer = {key: value for part in shown.get("issuer", ()) for key, value in part}
    return Certificate(ssl.cert_time_to_seconds(shown["notAfter"]), issuer.get("organizationName", "nobody named"))


def valid(found: Certificate, name: str, stack: str, now: float) -> Iterator[Check]:
    """The certificate is trusted here, and is renewed in time."""
    area, fix = Area.FRONT_DOOR, f"`fab deploy -s {stack}` says why; docs/operate/tls.md."
    if found.problem:
        yield failed(area, "certificate", f"of {name}: {found.problem}", fix)
        return
    end = time.strftime("%Y-%m-%d", time.gmtime(found.ends))
    said = f"of {name} by {found.issuer}, until {end}"
    if found.ends - now < RENEWED_BEFORE_S:
        yield warned(area, "certificate", f"{said}, and was not renewed yet", fix)
    else:
        yield passed(area, "certificate", said)
