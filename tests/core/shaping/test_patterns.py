"""Patterns of filters: bounded in time whatever the text, and exact in what they mask."""

from __future__ import annotations

import pytest

from core.shaping import patterns


@pytest.mark.parametrize(
    ("pattern", "text", "masked", "count"),
    [
        (r"\d+", "a 12 b 3", "a [n] b [n]", 2),
        ("(?i)ab", "AB ab", "[n] [n]", 2),
        ("ü+", "füür", "f[n]r", 1),
        ("x", "\ud800x", "\ud800[n]", 1),
        ("x", "none", "none", 0),
    ],
)
def test_matches_become_the_mask(pattern: str, text: str, masked: str, count: int) -> None:
    assert patterns.masked(pattern, text, "[n]") == (masked, count)


def test_a_pattern_that_goes_back_in_pythons_re_takes_no_longer_here() -> None:
    # Python's re does not come back from this
    assert not patterns.found(r"(a+)+$", "a" * 100_000 + "b")


def test_a_text_that_matches_without_end_is_refused() -> None:
    with pytest.raises(patterns.TooMany):
        patterns.masked(r"\d", "1 " * (patterns.MATCHES_MAX + 1), "[n]")
