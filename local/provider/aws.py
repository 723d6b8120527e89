"""boto3 clients of the embedded cloud, and the refusal to talk to anything else.

The endpoint and the cloud's own credentials are given to every client, so neither ~/.aws nor a role of this computer
can send a request to the real AWS.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from core.errors import CloudError

NOBODY: Final = "embedded"  # key and secret where no cloud has handed any out
ALLOWED: Final = tuple(ipaddress.ip_network(n) for n in ("127.0.0.0/8", "::1/128", "10.0.0.0/8"))


@dataclass(frozen=True)
class Endpoint:
    """Where an embedded cloud is, and the credentials that it knows."""

    url: str
    key: str = NOBODY
    secret: str = field(default=NOBODY, repr=False)


def embedded_endpoint(environment: Mapping[str, str]) -> Endpoint:
    """AWS_ENDPOINT_URL and the keys beside it, if it is an embedded cloud's; CloudError otherwise."""
    url = environment.get("AWS_ENDPOINT_URL", "")
    parts = urlsplit(url)
    if parts.scheme == "http" and _is_near(parts.hostname or ""):
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        return Endpoint(url, *(environment.get(name, NOBODY) for name in keys))
    raise CloudError(
        f"AWS_ENDPOINT_URL is {url!r}: the stand-in provider works for the embedded cloud only, at http:// and an "
        "address of this computer or of 10.0.0.0/8. Run `fab cloud.up`, which sets it; a real stack needs no stand-in."
    )


def _is_near(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in ALLOWED)


class Aws:
    """AWS in one region, through cached clients; safe for many threads."""

    def __init__(self, region: str, endpoint: Endpoint | None) -> None:
        """`endpoint` None leaves the address to boto3: only tests under moto's `mock_aws` do that."""
        self.region = region
        self._url = endpoint.url if endpoint else None
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._session = boto3.Session(
            aws_access_key_id=endpoint.key if endpoint else NOBODY,
            aws_secret_access_key=endpoint.secret if endpoint else NOBODY,
            region_name=region,
        )

    def client(self, service: str) -> Any:
        """The boto3 client of a service."""
        with self._lock:  # making a client is not thread-safe, using one is
            if service not in self._clients:
                config = Config(
                    retries={"mode": "standard", "total_max_attempts": 4},
                    connect_timeout=5,
                    read_timeout=60,
                    max_pool_connections=32,
                )
                self._clients[service] = self._session.client(service, endpoint_url=self._url, config=config)
            return self._clients[service]

    @cached_property
    def account(self) -> str:
        """The account's twelve digits."""
        return str(self.client("sts").get_caller_identity()["Account"])

    def arn(self, service: str, resource: str) -> str:
        """An ARN of this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"
