"""API keys: hashed as HAProxy hashes them, minted only where one is missing, written for their owner only."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import DeployError
from remote.services import keys


def test_the_hash_is_upper_case_sha256() -> None:
    # printf abc | sha256sum
    assert keys.hash_of("abc") == "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"


def test_a_key_is_minted_with_the_next_name() -> None:
    assert keys.mint("").name == "key-1"
    assert keys.mint("HASH1 key-1\nHASH2 key-2").name == "key-3"
    assert keys.mint("HASH2 key-2\nHASH3 ann").name == "key-3", "key-1 is gone; no name stands twice"
    one, other = keys.mint(""), keys.mint("")
    assert one.secret.startswith("sk-pl-")
    assert one.secret != other.secret
    assert one.secret not in repr(one)


def test_the_chat_pages_key_is_nobodys() -> None:
    assert keys.of_people("HASH webui") == ""
    assert keys.of_people("HASH1 key-1\nHASH2 webui\nHASH3 webui-of-mine") == "HASH1 key-1\nHASH3 webui-of-mine"


def test_a_key_is_needed_only_where_none_works(tmp_path: Path) -> None:
    file = tmp_path / "keys/key"
    key = keys.mint("")
    known = f"{key.hash} key-1"
    assert keys.needed("", new_key=False, key_file=None)
    assert not keys.needed(known, new_key=False, key_file=None)
    assert keys.needed(known, new_key=True, key_file=None)
    assert keys.needed(known, new_key=False, key_file=file)
    keys.write(key.secret, file)
    assert not keys.needed(known, new_key=False, key_file=file)
    assert keys.needed("OTHER key-1", new_key=False, key_file=file)


def test_only_the_owner_reads_the_file_even_one_that_was_open(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    file.chmod(0o644)
    key = keys.mint("")
    keys.write(key.secret, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() == key.secret + "\n"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeployError, match="could not be written to"):
        keys.write("secret", tmp_path / "file/key")
