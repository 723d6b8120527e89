"""What one running cloud is: its names, addresses and folders. Written by `up`, read by the daemon. No I/O but JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final, Self

from local.cloud import addresses
from local.cloud.credentials import Credentials

API_PORT: Final = 5566
METADATA_PORT: Final = 1338
REGION: Final = "us-east-1"  # the machines' region; the API answers for every region
ACCOUNT: Final = "123456789012"  # moto's
LABEL: Final = "pilotlight.cloud"
MARK: Final = "PILOTLIGHT_DAEMON_OF"  # environment of the daemon and of all that it starts: how `down` finds them


@dataclass(frozen=True)
class Site:
    """One cloud. `state` and `cache` are absolute paths; `boot_id` is drawn anew at every `up`."""

    name: str
    boot_id: str
    subnet: str
    image: str
    state: str
    cache: str
    checkout: str

    @property
    def network(self) -> IPv4Network:
        """The cloud's /16: docker network and default VPC."""
        return IPv4Network(self.subnet)

    @property
    def gateway(self) -> str:
        """This computer's address in it."""
        return addresses.gateway(self.network)

    @property
    def endpoint(self) -> str:
        """AWS_ENDPOINT_URL."""
        return f"http://{self.gateway}:{API_PORT}"

    @property
    def metadata(self) -> str:
        """AWS_EC2_METADATA_SERVICE_ENDPOINT."""
        return f"http://{self.gateway}:{METADATA_PORT}"

    @property
    def folder(self) -> Path:
        """The state folder."""
        return Path(self.state)

    def to_json(self) -> str:
        """For the daemon."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` wrote."""
        return cls(**json.loads(text))


def aws_environment(site: Site, credentials: Credentials) -> dict[str, str]:
    """What an AWS client needs to find this cloud and be answered, and nothing else."""
    return {
        "AWS_ENDPOINT_URL": site.endpoint,
        **credentials.environment(),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }
