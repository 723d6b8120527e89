"""API keys: hashed as HAProxy hashes them, minted only where one is missing, written for their owner only."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.contract.documents import SCHEMA_VERSION, ApiKey, ApiKeys
from core.errors import DeployError
from remote.services import keys


def test_the_hash_is_upper_case_sha256() -> None:
    # printf abc | sha256sum
    assert keys.hash_of("abc") == "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"


def of(**hashes: str) -> ApiKeys:
    return ApiKeys(SCHEMA_VERSION, tuple(ApiKey(name, sha256, 1.0) for name, sha256 in hashes.items()))


def test_keys_of_no_other_name_are_counted() -> None:
    assert keys.next_name(of()) == "key-1"
    assert keys.next_name(of(**{"key-1": "A", "key-2": "B"})) == "key-3"
    assert keys.next_name(of(**{"key-2": "A", "ann": "B", "key-x": "C"})) == "key-3", "no name stands twice"


def test_a_secret_is_another_each_time_and_in_no_words() -> None:
    one, other = keys.make("ann"), keys.make("ann")
    assert one.secret.startswith("sk-pl-")
    assert one.secret != other.secret
    assert one.secret not in repr(one)


def test_the_chat_pages_key_is_nobodys() -> None:
    assert keys.people(of(webui="A")) == []
    assert [key.name for key in keys.people(of(**{"key-1": "A", "webui": "B", "webui-2": "C"}))] == ["key-1", "webui-2"]


def test_a_key_is_needed_only_where_none_works(tmp_path: Path) -> None:
    file, key = tmp_path / "keys/key", keys.make("key-1")
    there = of(**{"key-1": key.hash})
    assert keys.needed(of(), None, 9.0)
    assert keys.needed(of(webui=key.hash), None, 9.0)
    assert not keys.needed(there, None, 9.0)
    assert keys.needed(there, file, 9.0)
    keys.write(key.secret, file)
    assert not keys.needed(there, file, 9.0)
    assert keys.needed(of(**{"key-1": "OTHER"}), file, 9.0)
    ended = ApiKeys(SCHEMA_VERSION, (ApiKey("key-1", key.hash, 1.0, expires=9.0),))
    assert [keys.needed(ended, file, now) for now in (8.9, 9.0)] == [False, True]


def test_only_the_owner_reads_the_file_even_one_that_was_open(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    file.chmod(0o644)
    key = keys.make("ann")
    keys.write(key.secret, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() == key.secret + "\n"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeployError, match="could not be written to"):
        keys.write("secret", tmp_path / "file/key")
