"""AWS clients with explicit time-outs and retries, one door for everything of ours that is not the lease store.

A client is made once a process and service (making one reads megabytes of service description), and only when asked
for, so that a Lambda that needs no SNS never pays for it. `AWS_ENDPOINT_URL` is honoured by boto3 itself.
"""

from __future__ import annotations

import functools
from typing import Any, Final

CONNECT_TIMEOUT_S: Final = 2.0
READ_TIMEOUT_S: Final = 5.0
ATTEMPTS: Final = 3


@functools.cache
def client(
    service: str,
    region: str,
    *,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    read_timeout_s: float = READ_TIMEOUT_S,
    attempts: int = ATTEMPTS,
) -> Any:
    """A boto3 client. `attempts` counts the first one: 1 means that nothing is ever sent twice."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
        retries={"total_max_attempts": attempts, "mode": "standard"},
    )
    return boto3.client(service, region_name=region, config=config)
