"""Why AWS gives no answer: it refuses, it does not know who asks, or there is no such thing."""

from __future__ import annotations

import pulumi
import pytest

from components.aws import lookups
from components.aws.lookups import Reason
from core.errors import SettingsError

# The words of the real provider (AWS SDK for Go v2) and of botocore
REFUSALS = (
    "operation error EC2: DescribeVpcs, https response error StatusCode: 403, RequestID: 1, api error "
    "UnauthorizedOperation: You are not authorized to perform this operation. User: arn:aws:iam::1:user/a is not "
    "authorized to perform: ec2:DescribeVpcs because no identity-based policy allows the ec2:DescribeVpcs action",
    "operation error Service Quotas: GetServiceQuota, https response error StatusCode: 400, api error "
    "AccessDeniedException: User: arn:aws:iam::1:user/a is not authorized to perform: servicequotas:GetServiceQuota",
    "An error occurred (UnauthorizedOperation) when calling the DescribeVpcs operation: an explicit deny",
)
STRANGERS = (
    "operation error STS: GetCallerIdentity, api error ExpiredToken: The security token included in the request is "
    "expired",
    "An error occurred (AuthFailure) when calling the DescribeVpcs operation: AWS was not able to validate the "
    "provided access credentials",
    "unable to validate AWS credentials. Details: no EC2 IMDS role found",
)
OTHERS = (
    "no matching EC2 VPC found",
    "operation error EC2: DescribeSubnets, api error RequestLimitExceeded: slow down",
)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        *((words, Reason.REFUSED) for words in REFUSALS),
        *((words, Reason.STRANGER) for words in STRANGERS),
        *((words, Reason.OTHER) for words in OTHERS),
    ],
)
def test_reasons(words: str, reason: Reason) -> None:
    assert lookups.reason(words) is reason


def asked(words: str) -> str:
    raise RuntimeError(words)


def test_a_required_question_says_why_there_is_no_answer() -> None:
    for words, start in (
        (REFUSALS[0], "AWS refused to tell the VPC: you are not allowed ec2:DescribeVpcs. Set it. AWS says: operation"),
        (STRANGERS[0], "AWS does not accept your credentials, so it did not tell the VPC. Run `aws sso login` or"),
        (OTHERS[0], "AWS did not find the VPC: no matching EC2 VPC found"),
    ):
        with pytest.raises(SettingsError) as caught:
            lookups.required(lambda words=words: asked(words), "the VPC", "ec2:DescribeVpcs", "Set it.")
        assert str(caught.value).startswith(start)


def test_a_check_that_may_not_be_made_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    question = lambda: asked(REFUSALS[1])  # noqa: E731
    assert lookups.if_allowed(question, "the quota", "servicequotas:GetServiceQuota", "It is not checked.") is None
    assert said[0].startswith("AWS refused to tell the quota: you are not allowed servicequotas:GetServiceQuota.")
    assert said[0].endswith("It is not checked.")
    with pytest.raises(SettingsError, match="did not find the quota"):
        lookups.if_allowed(lambda: asked(OTHERS[1]), "the quota", "", "")
    assert lookups.if_answered(lambda: asked(OTHERS[1]), "the quota", "", "It is not checked.") is None
    assert len(said) == 2
