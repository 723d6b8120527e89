"""moto in this process, a driver on it, and what resources need to exist beforehand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from local.provider import instances
from local.provider.aws import Aws
from local.provider.server import Provider
from tests.local.provider.driver import Driver
from tests.local.provider.ground import Ground

AWS = Aws("us-east-1", None)  # one for all tests: making boto3 clients takes longer than the tests


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    """The `aws` plug-in on an empty cloud; it never sleeps."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(instances.time, "sleep", lambda _: None)
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # thousands of them, for each test
    with mock_aws():
        provider = Provider("aws", None)
        provider.regions["us-east-1"] = AWS
        yield Driver(provider)


@pytest.fixture
def ground(driver: Driver) -> Ground:
    """Roles, groups and networks to build on."""
    return Ground(driver, AWS)
