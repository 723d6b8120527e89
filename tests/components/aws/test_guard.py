import pytest

from components.aws import guard
from core.errors import SettingsError


@pytest.mark.parametrize(
    ("cloud", "environment"),
    [
        ("aws", {}),
        ("aws", {"AWS_ENDPOINT_URL": ""}),
        ("embedded", {"AWS_ENDPOINT_URL": "http://10.77.0.1:5566"}),
    ],
)
def test_right_places(cloud: str, environment: dict[str, str]) -> None:
    guard.check(cloud, "lab", environment)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2"])
def test_a_real_stack_is_not_sent_elsewhere(name: str) -> None:
    with pytest.raises(SettingsError, match=f"`unset {name}`"):
        guard.check("aws", "lab", {name: "http://10.77.0.1:5566"})


@pytest.mark.parametrize("environment", [{}, {"AWS_ENDPOINT_URL_EC2": "http://10.77.0.1:5566"}])
def test_an_embedded_stack_never_reaches_aws(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="lives in the embedded cloud"):
        guard.check("embedded", "lab", environment)
