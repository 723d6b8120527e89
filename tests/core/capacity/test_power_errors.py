"""What EC2's answers mean, as a table over every code that it documents."""

from __future__ import annotations

import pytest

from core.capacity import power_errors
from core.capacity.power_errors import PASSING, Kind
from tests.ec2_answers import ANSWERS


@pytest.mark.parametrize(("code", "status", "kind"), ANSWERS)
def test_what_a_code_is_about(code: str, status: int, kind: Kind) -> None:
    assert power_errors.kind(code, status) is kind


def test_every_code_that_the_program_names_is_in_the_table() -> None:
    assert {code for codes in power_errors._BY_KIND.values() for code in codes} <= {code for code, _, _ in ANSWERS}


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Server.InsufficientInstanceCapacity: Insufficient capacity to satisfy instance request", Kind.CAPACITY),
        ("Client.VolumeLimitExceeded: Volume limit exceeded", Kind.QUOTA),
        ("Client.InternalError: Client error on launch", Kind.KEY),
        ("Server.InternalError: Internal error on launch", Kind.OTHER),
        ("Client.UserInitiatedShutdown: User initiated shutdown", Kind.OTHER),
        ("Client.InstanceInitiatedShutdown: Instance initiated shutdown", Kind.OTHER),
        ("Server.ScheduledStop: Stopped due to a scheduled retirement", Kind.OTHER),
        ("User initiated (2026-11-20 12:00:00 GMT)", Kind.OTHER),
        ("", Kind.OTHER),
    ],
)
def test_what_a_state_reason_is_about(words: str, kind: Kind) -> None:
    assert power_errors.kind_of_words(words) is kind


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("Server.InsufficientInstanceCapacity", "capacity"),
        ("VcpuLimitExceeded", "quota"),
        ("Client.InternalError", "kms-key"),
        ("Unsupported", "unsupported-type"),
        ("UnauthorizedOperation", "UnauthorizedOperation"),
    ],
)
def test_a_refusal_has_one_name_in_the_lease(code: str, failure: str) -> None:
    assert power_errors.failure(code) == failure


def test_who_must_act_is_told_how_and_what_passes_needs_only_time() -> None:
    assert "quota" in power_errors.with_fix("VcpuLimitExceeded: words.", Kind.QUOTA)
    assert power_errors.with_fix("VcpuLimitExceeded: words.", Kind.QUOTA).startswith("VcpuLimitExceeded: words. This")
    assert "kms:CreateGrant" in power_errors.with_fix("x", Kind.KEY)
    assert "host.instanceTypes" in power_errors.with_fix("x", Kind.TYPE)
    for kind in (Kind.CAPACITY, Kind.OTHER, *PASSING):
        assert power_errors.with_fix("words.", kind) == "words."
