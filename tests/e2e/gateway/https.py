"""How callers see a domain's TLS: without DNS, and believing one root that a test names."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import Any

from cryptography import x509

from tests.e2e.gateway.front import KEY

DOMAIN = "llm.example.org"


class Https(http.client.HTTPSConnection):
    """To a port of an address, as if it were the domain's, believing one root only."""

    def __init__(self, port: int, root: Path, *, address: str = "127.0.0.1", key: str = KEY) -> None:
        self._address, self._key = address, key
        super().__init__(DOMAIN, port, timeout=60, context=ssl.create_default_context(cafile=str(root)))

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), timeout=20)
        self.sock = self._context.wrap_socket(plain, server_hostname=DOMAIN)  # type: ignore[attr-defined]

    def ask(self, body: dict[str, Any]) -> http.client.HTTPResponse:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        self.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        return self.getresponse()


def shown(port: int, root: Path | None = None, *, address: str = "127.0.0.1", **bounds: Any) -> x509.Certificate:
    """The certificate that a port shows for the domain; believed only where it leads to `root`, or as it is."""
    context = ssl.create_default_context(cafile=root and str(root))
    if root is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in bounds.items():
        setattr(context, name, value)
    with (
        socket.create_connection((address, port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=DOMAIN) as secured,
    ):
        found = secured.getpeercert(binary_form=True)
    assert found is not None
    return x509.load_der_x509_certificate(found)
