"""What AWS charges, in US dollars, for what a stack makes. A table, not a guess: what is not in it has no price here.

us-east-1, Linux on demand, without tax, free tier and discounts. `SEEN` says for each figure where it was read last and
when: public copies of AWS's price pages, or nobody's but our memory. Recheck at aws.amazon.com/<service>/pricing before
you rely on a figure, those from memory first; then say here where it was read, and when.
To add a region: a Prices with all of its figures, and where you read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from core.errors import PilotlightError

AS_OF: Final = "2026-08"  # of the GPU types' prices; `SEEN` has the date of each figure
HOURS_A_MONTH: Final = 730.0  # AWS's own convention for monthly figures


class PriceUnknown(PilotlightError):
    """There is no price for this region or type in the table."""


@dataclass(frozen=True)
class Prices:
    """One region's. Instances by type in $/h; gp3 in $ a month for a GiB, a MiB/s above 125 and an IOPS above 3,000."""

    region: str
    instance_h: Mapping[str, float]
    gp3_gib_month: float
    gp3_mibps_month: float
    gp3_iops_month: float
    public_ipv4_h: float  # also while the instance is stopped, where the address stays
    lambda_gib_s: float  # arm64
    lambda_call: float
    table_read: float  # one strongly consistent read of up to 4 KiB
    table_write: float  # one write of up to 1 KiB
    table_gib_month: float
    alarm_month: float  # an alarm on one metric; one on an expression is billed for each metric in it
    schedule_call: float  # above SCHEDULER_FREE_CALLS a month
    queue_request: float
    topic_request: float


GP3_FREE_MIBPS: Final = 125
GP3_FREE_IOPS: Final = 3000
SCHEDULER_FREE_CALLS: Final = 14_000_000  # a month

_US_EAST_1: Final = Prices(
    region="us-east-1",
    instance_h=MappingProxyType(
        {
            "g4dn.xlarge": 0.526,  # T4
            "g5.xlarge": 1.006,  # A10G
            "g6.xlarge": 0.8048,  # L4
            "g6e.xlarge": 1.861,  # L40S
            "t4g.micro": 0.0084,
            "t4g.small": 0.0168,
        }
    ),
    gp3_gib_month=0.08,
    gp3_mibps_month=0.04,
    gp3_iops_month=0.005,
    public_ipv4_h=0.005,
    lambda_gib_s=0.0000133334,
    lambda_call=0.0000002,
    table_read=0.000000125,
    table_write=0.000000625,
    table_gib_month=0.25,
    alarm_month=0.10,
    schedule_call=0.000001,
    queue_request=0.0000004,
    topic_request=0.0000005,
)

MEMORY: Final = "from memory, checked against nothing"
_COPY: Final = "a public copy of AWS's price page"
# Where each figure of us-east-1 was read last, and when. A field of Prices, or a type of its `instance_h`.
SEEN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "g4dn.xlarge": f"{_COPY} (EC2 on demand), 2026-09-01",
        "g5.xlarge": f"{_COPY} (EC2 on demand), 2026-08-17",
        "g6.xlarge": f"{_COPY} (EC2 on demand), 2026-08-17",
        "g6e.xlarge": f"{_COPY} (EC2 on demand), 2026-08-17",
        "t4g.micro": MEMORY,
        "t4g.small": MEMORY,
        "gp3_gib_month": f"{_COPY} (EBS), 2026, its day was not noted",
        "gp3_mibps_month": f"{_COPY} (EBS), 2026, its day was not noted",
        "gp3_iops_month": f"{_COPY} (EBS), 2026, its day was not noted",
        "public_ipv4_h": f"{_COPY} (VPC), 2026-04",
        "lambda_gib_s": f"{_COPY} (Lambda, arm64), 2026-03",
        "lambda_call": "AWS's whitepaper How AWS Pricing Works (Lambda), 2026-11-25",
        "table_read": f"{_COPY} (DynamoDB, on demand), 2026-10-04",
        "table_write": f"{_COPY} (DynamoDB, on demand), 2026-10-04",
        "table_gib_month": f"{_COPY} (DynamoDB, standard), 2026-10-04",
        "alarm_month": f"{_COPY} (CloudWatch), 2026-09-29",
        "schedule_call": f"{_COPY} (EventBridge Scheduler), 2026, its day was not noted",
        "queue_request": f"{_COPY} (SQS, standard), 2026, its day was not noted",
        "topic_request": f"{_COPY} (SNS), 2026, its day was not noted",
    }
)

REGIONS: Final = MappingProxyType({p.region: p for p in (_US_EAST_1,)})


def of(region: str) -> Prices:
    """A region's prices; PriceUnknown names the regions that are known."""
    if region not in REGIONS:
        raise PriceUnknown(f"No prices known for region {region}; known: {', '.join(REGIONS)} (core/money/prices.py).")
    return REGIONS[region]


def instance_hour(region: str, instance_type: str) -> float:
    """$/h of an instance type while it is on; PriceUnknown names the types that are known."""
    known = of(region).instance_h
    if instance_type not in known:
        raise PriceUnknown(
            f"No price known for {instance_type} in {region}; known: {', '.join(known)} (core/money/prices.py)."
        )
    return known[instance_type]
