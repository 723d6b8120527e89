"""How a host's shutdown report are cut to what an item takes."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import LeaseError
from core.shutdown_report import MAX_BYTES, MAX_LINE, Journal, ShutdownReport, fit, from_item, lines_of, to_item


def size(journals: dict[str, Journal]) -> int:
    return sum(len(line.encode()) + 1 for journal in journals.values() for line in journal.lines)


def test_what_fits_is_kept_whole() -> None:
    assert fit({"b": ["1", "2"], "a": []}) == {"b": Journal(("1", "2")), "a": Journal(())}
    assert list(fit({"b": ["1"], "a": []})) == ["b", "a"]


def test_the_oldest_lines_go_and_are_counted() -> None:
    assert fit({"a": ["1111", "2222", "3333"]}, 10)["a"] == Journal(("2222", "3333"), cut=1)


def test_what_a_quiet_journal_leaves_goes_to_the_others() -> None:
    cut = fit({"engine": ["x" * 9] * 100, "agent": ["y" * 9] * 2, "other": ["z" * 9] * 100}, 1000)
    assert {name: len(journal.lines) for name, journal in cut.items()} == {"engine": 49, "agent": 2, "other": 49}
    assert cut["engine"].cut == 51


def test_bytes_count_not_characters() -> None:
    cut = fit({"a": ["ü" * 1000] * 300, "b": ["x" * 1500] * 300})
    assert MAX_BYTES - 4000 < size(cut) <= MAX_BYTES


def test_a_long_line_is_cut_and_says_so() -> None:
    (line,) = fit({"a": ["x" * (MAX_LINE + 7)]})["a"].lines
    assert line == "x" * MAX_LINE + " … (7 more characters)"


def test_only_a_line_feed_ends_a_line() -> None:
    assert lines_of("a\rb\u2028c\n\nd\n") == ("a\rb\u2028c", "", "d")
    assert lines_of("") == ()


WORDS = ShutdownReport(7, 1.5, "idle", "agent", "boot", {"a": Journal(("x", "", "y"), 2), "b": Journal(())}, late=True)


def test_an_item_and_back() -> None:
    assert from_item(to_item(WORDS)) == WORDS


@pytest.mark.parametrize("broken", [{"epoch": None}, {"journals": "none"}, {"journals": {"a": {}}}, {"at": "noon"}])
def test_an_item_that_cannot_be_read_is_said(broken: dict[str, Any]) -> None:
    with pytest.raises(LeaseError, match="Shutdown report cannot be read"):
        from_item(to_item(WORDS) | broken)
