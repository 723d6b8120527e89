"""boto3 clients under moto, one each for all tests: making a client takes longer than most tests that use it.

moto answers whichever client is asked, also one from before its `mock_aws` began.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
import moto.core  # noqa: F401  its hooks are in every client that is made after it
from botocore.config import Config

REGION = "us-east-1"


@cache
def _session() -> boto3.Session:
    return boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name=REGION)


@cache
def client(service: str) -> Any:
    """The client of a service, with keys of its own and AWS's own URL, whatever the environment says."""
    return _session().client(service, config=Config(ignore_configured_endpoint_urls=True))
