"""What AWS charges, in US dollars, for what a stack makes. A table, not a guess: what is not in it has no price here.

us-east-1, Linux on demand, without tax, free tier and discounts. Nobody read AWS's price pages for this file:

- "noted": the four GPU types' $/h are from the project's notes, which name AWS's price tables of August 2026.
- "from memory": every other figure was written down by heart, checked against nothing. It may be old or wrong.

Recheck at aws.amazon.com/<service>/pricing before you rely on a figure, those from memory first (EC2 for t4g, EBS, VPC,
Lambda, DynamoDB, CloudWatch); then say here where it was read, and when.
To add a region: a Prices with all of its figures and the date on which you read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from core.errors import PilotlightError

AS_OF: Final = "2026-08"  # of the noted figures; those from memory have no date
HOURS_A_MONTH: Final = 730.0  # AWS's own convention for monthly figures


class PriceUnknown(PilotlightError):
    """There is no price for this region or type in the table."""


@dataclass(frozen=True)
class Prices:
    """One region's. Instances by type in $/h; gp3 in $ a GiB-month and, above 125, $ a MiB/s-month."""

    region: str
    instance_h: Mapping[str, float]
    gp3_gib_month: float
    gp3_mibps_month: float
    public_ipv4_h: float
    lambda_gib_s: float  # arm64
    lambda_call: float
    table_read: float  # one strongly consistent read of up to 4 KiB
    table_write: float  # one write of up to 1 KiB
    alarm_month: float  # an alarm on one metric; one on an expression is billed for each metric in it


GP3_FREE_MIBPS: Final = 125

_US_EAST_1: Final = Prices(
    region="us-east-1",
    instance_h=MappingProxyType(
        {
            # noted
            "g4dn.xlarge": 0.526,  # T4
            "g5.xlarge": 1.006,  # A10G
            "g6.xlarge": 0.8048,  # L4
            "g6e.xlarge": 1.861,  # L40S
            # from memory
            "t4g.micro": 0.0084,
            "t4g.small": 0.0168,
        }
    ),
    # from memory, all of them
    gp3_gib_month=0.08,
    gp3_mibps_month=0.04,
    public_ipv4_h=0.005,
    lambda_gib_s=0.0000133334,
    lambda_call=0.0000002,
    table_read=0.000000125,
    table_write=0.000000625,
    alarm_month=0.10,
)

REGIONS: Final = MappingProxyType({p.region: p for p in (_US_EAST_1,)})


def of(region: str) -> Prices:
    """A region's prices; PriceUnknown names the regions that are known."""
    if region not in REGIONS:
        raise PriceUnknown(f"No prices known for region {region}; known: {', '.join(REGIONS)} (core/prices.py).")
    return REGIONS[region]


def instance_hour(region: str, instance_type: str) -> float:
    """$/h of an instance type while it is on; PriceUnknown names the types that are known."""
    known = of(region).instance_h
    if instance_type not in known:
        raise PriceUnknown(
            f"No price known for {instance_type} in {region}; known: {', '.join(known)} (core/prices.py)."
        )
    return known[instance_type]
