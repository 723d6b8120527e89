"""The capacity ladder's decisions as tables."""

from __future__ import annotations

import pytest

from core import ladder
from core.ladder import Kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("InsufficientInstanceCapacity", Kind.CAPACITY),
        ("Server.InsufficientInstanceCapacity", Kind.CAPACITY),
        ("InsufficientHostCapacity", Kind.CAPACITY),
        ("VcpuLimitExceeded", Kind.QUOTA),
        ("MaxSpotInstanceCountExceeded", Kind.QUOTA),
        ("Client.VolumeLimitExceeded", Kind.QUOTA),
        ("Client.InvalidKMSKey.InvalidState", Kind.KEY),
        ("KMSKeyNotAccessibleFault", Kind.KEY),
        ("Unsupported", Kind.TYPE),
        ("UnauthorizedOperation", Kind.OTHER),
        ("", Kind.OTHER),
    ],
)
def test_what_a_code_is_about(code: str, kind: Kind) -> None:
    assert ladder.kind(code) is kind


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Server.InsufficientInstanceCapacity: Insufficient capacity to satisfy instance request", Kind.CAPACITY),
        ("Client.UserInitiatedShutdown: User initiated shutdown", Kind.OTHER),
        ("User initiated (2026-11-20 12:00:00 GMT)", Kind.OTHER),
        ("", Kind.OTHER),
    ],
)
def test_what_a_state_reason_is_about(words: str, kind: Kind) -> None:
    assert ladder.kind_of_words(words) is kind


def test_who_must_act_is_told_how_and_capacity_only_needs_time() -> None:
    assert "quota" in ladder.with_fix("VcpuLimitExceeded: words.", Kind.QUOTA)
    assert ladder.with_fix("VcpuLimitExceeded: words.", Kind.QUOTA).startswith("VcpuLimitExceeded: words. This")
    assert "kms:CreateGrant" in ladder.with_fix("x", Kind.KEY)
    assert "host.instanceTypes" in ladder.with_fix("x", Kind.TYPE)
    for kind in (Kind.CAPACITY, Kind.OTHER):
        assert ladder.with_fix("words.", kind) == "words."


TYPES = ("g6.xlarge", "g5.xlarge", "g5g.xlarge", "g6.2xlarge")


@pytest.mark.parametrize(
    ("current", "refused", "order"),
    [
        ("g6.xlarge", "", ("g6.xlarge", "g5.xlarge", "g6.2xlarge")),
        ("g6.2xlarge", "", ("g6.2xlarge", "g6.xlarge", "g5.xlarge")),
        ("g5g.xlarge", "", ("g5g.xlarge",)),  # another processor would not boot
        ("p3.2xlarge", "", ("p3.2xlarge", "g6.xlarge", "g5.xlarge", "g6.2xlarge")),  # changed by hand
        ("g5.xlarge", "g6.xlarge (A), g5.xlarge (B)", ("g6.2xlarge",)),
        ("g6.xlarge", "g6.2xlarge (A)", ("g6.xlarge", "g5.xlarge")),  # not mistaken for one another
        ("", "", ("",)),
    ],
)
def test_the_order_of_the_rungs(current: str, refused: str, order: tuple[str, ...]) -> None:
    assert ladder.order(TYPES, current, refused) == order


def test_a_type_that_is_named_twice_is_one_rung() -> None:
    assert ladder.rungs(("g6.xlarge", "g5.xlarge", "g5.xlarge"), "g6.xlarge") == ("g5.xlarge",)


@pytest.mark.parametrize(
    ("types", "current", "want"),
    [(TYPES, "g5.xlarge", "g6.xlarge"), (TYPES, "g5g.xlarge", "g5g.xlarge"), ((), "g5.xlarge", "g5.xlarge")],
)
def test_the_preferred_type(types: tuple[str, ...], current: str, want: str) -> None:
    assert ladder.preferred(types, current) == want


def test_a_refusal_is_listed_once() -> None:
    once = ladder.tried("", "g6.xlarge", "A")
    assert ladder.tried(once, "g6.xlarge", "A") == once == "g6.xlarge (A)"
    assert ladder.tried(once, "g5.xlarge", "A") == "g6.xlarge (A), g5.xlarge (A)"
