"""Whether a domain points at the gateway: asked before a certificate authority is, whose limits are easily used up."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection


def not_here(domain: str, address: str, found: Collection[str]) -> str:
    """What is wrong with where the domain points, and what to do; "" where it points at `address` and nowhere else.

    `address` is the gateway's, IPv4; `found` are the addresses that the domain has, of both families. A certificate
    authority asks at any of them, and at IPv6 ones first (Let's Encrypt does).
    """
    others = sorted({a for a in found if a != address}, key=_family)
    record = f"an A record {domain} → {address}"
    if not found:
        return f"The domain {domain} has no address yet. Make {record}; a name server may take some minutes to tell it."
    if address not in found:
        return f"The domain {domain} points to {', '.join(others)}, and the gateway is {address}. Make {record} alone."
    if others:
        return (
            f"The domain {domain} points to {', '.join(others)} too, and a certificate authority would ask there. "
            f"Leave {record} alone, without AAAA records."
        )
    return ""


def _family(address: str) -> tuple[int, str]:
    return ipaddress.ip_address(address).version, address
