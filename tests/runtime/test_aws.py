"""The door to AWS: what failed once is not believed for ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, CredentialRetrievalError, NoCredentialsError, ReadTimeoutError

from runtime import aws
from runtime.backends.leases import StoreUnavailable
from runtime.backends.leases.dynamodb import DynamoLeaseStore
from runtime.backends.power import PowerUnanswered
from runtime.backends.power.ec2 import Ec2Power

REGION = "us-east-1"


class Metadata:
    """The metadata service as botocore asks it: `up` or not, and how often it was asked."""

    def __init__(self) -> None:
        self.up, self.asked = False, 0
        self.settings: dict[str, Any] = {}

    def get_credentials(self, session: botocore.session.Session) -> Credentials | None:
        self.asked += 1
        names = ("metadata_service_timeout", "metadata_service_num_attempts")
        self.settings = {name: session.get_config_variable(name) for name in names}
        return Credentials("key", "secret", "token") if self.up else None


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    found = Metadata()

    def get_credentials(session: botocore.session.Session) -> Credentials | None:
        return found.get_credentials(session)

    monkeypatch.setattr(botocore.session.Session, "get_credentials", get_credentials)
    aws.forget()
    monkeypatch.setattr(aws._kept, "without_since", None)
    yield found
    aws.forget()


def test_a_client_without_credentials_is_never_kept(metadata: Metadata) -> None:
    """boto3's own keeps `None` for its whole life, also after the metadata service is back."""
    for _ in range(2):
        with pytest.raises(NoCredentialsError):
            aws.client("dynamodb", REGION)
    assert metadata.asked == 2
    metadata.up = True
    made = aws.client("dynamodb", REGION)
    assert made is aws.client("dynamodb", REGION)


def test_the_metadata_service_gets_more_than_one_second(metadata: Metadata) -> None:
    metadata.up = True
    aws.client("dynamodb", REGION)
    assert metadata.settings == {"metadata_service_timeout": 2, "metadata_service_num_attempts": 3}


def test_store_and_power_say_so_and_recover(metadata: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
    store, power = DynamoLeaseStore("t", REGION), Ec2Power(REGION)
    with pytest.raises(StoreUnavailable, match="credentials"):
        store.read("demo/host")
    for order in (power.start, power.stop, power.describe):
        with pytest.raises(PowerUnanswered, match="credentials"):
            order("i-1")
    with pytest.raises(PowerUnanswered, match="credentials"):
        power.prepare()
    metadata.up = True
    answer = {"Reservations": [], "ResponseMetadata": {}}
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", lambda *_: answer)
    assert power.describe("i-1").state == "missing"
    assert aws._kept.without_since is None


@pytest.mark.parametrize(
    ("error", "anew"),
    [
        (NoCredentialsError(), True),
        (CredentialRetrievalError(provider="iam-role", error_msg="timed out"), True),
        (ClientError({"Error": {"Code": "UnrecognizedClientException"}}, "GetItem"), True),
        (ClientError({"Error": {"Code": "ExpiredToken"}}, "StartInstances"), True),
        (ClientError({"Error": {"Code": "ThrottlingException"}}, "GetItem"), False),
        (ReadTimeoutError(endpoint_url="http://table"), False),
    ],
)
def test_after_a_failure_for_the_credentials_sake_clients_are_made_anew(
    metadata: Metadata, error: Exception, anew: bool
) -> None:
    metadata.up = True
    before = aws.client("dynamodb", REGION)
    aws.failed(error)
    asked = metadata.asked
    assert (aws.client("dynamodb", REGION) is not before) is anew
    assert (metadata.asked > asked) is anew


def test_a_process_ends_after_a_bounded_time_and_not_before(
    metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("runtime.aws.time.monotonic", lambda: now[0])
    assert aws.given_up() == ""
    for _ in range(2):
        with pytest.raises(NoCredentialsError):
            aws.client("dynamodb", REGION)
        now[0] += aws.GIVE_UP_S - 1
    assert "no credentials from the instance's metadata service for 598 s" in aws.given_up()
    aws.worked()
    assert aws.given_up() == ""
