"""EC2 as moto plays it in this process, behind the clients that programs use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from runtime import aws
from tests.clients import client


@pytest.fixture(scope="package")
def ours() -> Iterator[None]:
    """The programs' own clients, for all tests here."""
    aws.forget()
    yield
    aws.forget()


@pytest.fixture
def ec2(ours: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield client("ec2")
