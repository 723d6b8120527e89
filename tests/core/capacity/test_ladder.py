"""The capacity ladder's decisions as tables."""

from __future__ import annotations

import pytest

from core.capacity import ladder

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


@pytest.mark.parametrize(
    ("types", "rungs", "said"),
    [
        (("g6.xlarge", "g5.xlarge"), ("g5.xlarge",), ""),
        (("g4dn.xlarge", "g6.xlarge"), ("g6.xlarge",), ""),
        (
            ("g6.xlarge", "g4dn.xlarge", "g5.xlarge"),
            ("g5.xlarge",),
            "g4dn.xlarge skipped: 16 GiB of GPU memory, g6.xlarge has 24",
        ),
        (  # less of each, though more in all
            ("g6e.xlarge", "g6.12xlarge", "p4d.24xlarge"),
            (),
            "g6.12xlarge skipped: 4 × 24 GiB of GPU memory, g6e.xlarge has 48; p4d.24xlarge skipped: 8 × 40 GiB of GPU "
            "memory, g6e.xlarge has 48",
        ),
        (  # less in all, though more of each
            ("g5.12xlarge", "g6e.xlarge", "g6e.12xlarge"),
            ("g6e.12xlarge",),
            "g6e.xlarge skipped: 48 GiB of GPU memory, g5.12xlarge has 4 × 24",
        ),
        (("g6.xlarge", "x9.mega"), ("x9.mega",), ""),
        (("x9.mega", "g4dn.xlarge"), ("g4dn.xlarge",), ""),
        ((), (), ""),
    ],
    ids=str,
)
def test_less_gpu_memory_than_the_preferred_type_is_skipped_and_said(
    types: tuple[str, ...], rungs: tuple[str, ...], said: str
) -> None:
    current = types[0] if types else "g6.xlarge"
    skipped = ladder.by_memory(types)
    assert ladder.rungs(types, current, skipped) == rungs
    assert ladder.skipped_words(skipped) == said
    assert ladder.rungs(types, current) == types[1:]
    assert ladder.skipped_words({}) == ""


def test_the_preferred_type_counts_whatever_the_host_is_now() -> None:
    types = ("g6.xlarge", "g4dn.xlarge", "g5.xlarge")
    small = ladder.by_memory(types)
    assert ladder.order(types, "g4dn.xlarge", "", small) == ("g4dn.xlarge", "g6.xlarge", "g5.xlarge")
    assert ladder.order(types, "g5.xlarge", "", small) == ("g5.xlarge", "g6.xlarge")
    assert ladder.order(types, "g5.xlarge", "") == ("g5.xlarge", "g6.xlarge", "g4dn.xlarge")


def test_what_was_skipped_is_said_only_after_a_refusal() -> None:
    assert ladder.words("", "", "x skipped") == ""
    assert ladder.words("g5.xlarge", "g6.xlarge (A)", "x skipped") == (
        " as g5.xlarge after EC2 refused g6.xlarge (A) (x skipped)"
    )
