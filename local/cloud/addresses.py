"""Addresses of an embedded cloud: which /16 it takes, and the public addresses it hands out. Pure.

A cloud's /16 is also its default VPC. The default subnets are its first /20 blocks (one a zone); the last /20 is kept
for Elastic IPs and automatic public addresses, which are second addresses of the containers.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator
from ipaddress import IPv4Network
from typing import Final

from core.errors import CloudError

CANDIDATES: Final = tuple(IPv4Network(f"10.{second}.0.0/16") for second in range(77, 100))


def free_subnets(taken: Collection[IPv4Network]) -> Iterator[IPv4Network]:
    """The candidates that overlap nothing in `taken`, in order; CloudError when iterated to the end without one."""
    free = [c for c in CANDIDATES if not any(c.overlaps(other) for other in taken)]
    if not free:
        raise CloudError(
            f"Every network from {CANDIDATES[0]} to {CANDIDATES[-1]} is in use on this computer. "
            "Free one: `docker network ls`, `ip route`, or `fab cloud.down` for clouds that you no longer need."
        )
    yield from free


def routed(proc_net_route: str) -> list[IPv4Network]:
    """Networks in the text of /proc/net/route (addresses are little-endian hex), without the default route."""
    rows = [line.split() for line in proc_net_route.splitlines()[1:]]
    networks = [
        IPv4Network((int.from_bytes(bytes.fromhex(row[1])[::-1], "big"), bin(int(row[7], 16)).count("1")))
        for row in rows
        if len(row) > 7
    ]
    return [network for network in networks if network.prefixlen]


def gateway(subnet: IPv4Network) -> str:
    """This computer's own address in the cloud's network."""
    return str(subnet.network_address + 1)


def public_block(subnet: IPv4Network) -> IPv4Network:
    """The part of the cloud's network that public addresses come from."""
    return list(subnet.subnets(new_prefix=20))[-1]


class PublicAddresses:
    """Hands out public addresses in turn; an address comes back only after all others, and never while in use."""

    def __init__(self, block: IPv4Network, in_use: Callable[[], Iterable[str]]) -> None:
        self._turn = itertools.cycle(str(host) for host in block.hosts())
        self._size = block.num_addresses - 2
        self._in_use = in_use

    def take(self) -> str:
        """The next free address; CloudError where all are in use."""
        used = set(self._in_use())
        for address in itertools.islice(self._turn, self._size):
            if address not in used:
                return address
        raise CloudError(f"All {self._size} public addresses are in use. Release Elastic IPs, or `fab cloud.down`.")


def is_inside(address: str | None, subnet: IPv4Network) -> bool:
    """Whether an instance with this private address can be a container of this cloud."""
    return address is not None and ipaddress.ip_address(address) in subnet
