"""keys.json as the relay reads it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from core.contract.documents import SCHEMA_VERSION, ApiKey, ApiKeys
from runtime.gateway.usage.keys import Keys


def write(path: Path, *keys: ApiKey) -> None:
    """As `fab keys` does: a new file in the old one's place."""
    new = path.with_suffix(".new")
    new.write_text(ApiKeys(SCHEMA_VERSION, keys).to_json())
    new.replace(path)


def limited(name: str, tokens_per_day: int | None) -> ApiKey:
    return ApiKey(name, "A" * 64, 1.0, tokens_per_day=tokens_per_day)


def test_a_new_key_and_a_changed_limit_count_for_the_very_next_request(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write(path, limited("ann", 10))
    keys = Keys(str(path))
    assert keys.tokens_per_day("ann") == 10
    assert keys.tokens_per_day("bob") is None
    write(path, limited("ann", 20), limited("bob", 1))
    assert keys.tokens_per_day("bob") == 1
    assert keys.tokens_per_day("ann") == 20


def test_a_file_that_cannot_be_read_leaves_what_was_known_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.json"
    write(path, limited("ann", 10))
    keys = Keys(str(path))
    assert keys.tokens_per_day("ann") == 10
    path.write_text("{")
    with caplog.at_level(logging.WARNING):
        assert [keys.tokens_per_day("ann") for _ in range(3)] == [10] * 3
    assert len(caplog.records) == 1
