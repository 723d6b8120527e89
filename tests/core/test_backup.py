"""Backups: whose they are, what they hold, and what a restore would take away."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core import backup
from core.backup import Chats, Contents, Manifest, Stored
from core.contract.documents import ApiKey
from core.errors import DeployError

NOON = 1_795_608_000.0  # Wed 25 Nov 2026 12:00 UTC


def manifest(**changes: Any) -> Manifest:
    told = {"stack": "qwen7b", "deployment_id": "d1", "made_at": NOON, "version": "0.1.0", "webui_image": "x"}
    return Manifest(**(told | {"files": {"keys.json": Stored(2, "ab")}} | changes))


def text(**changes: Any) -> str:
    told = {
        "schema_version": 1,
        "stack": "qwen7b",
        "deployment_id": "d1",
        "made_at": NOON,
        "version": "0.1.0",
        "webui_image": "x",
        "files": {"keys.json": {"bytes": 2, "sha256": "ab"}},
        "chats": None,
        "counts": 3,
    }
    return json.dumps({key: value for key, value in (told | changes).items() if value != "gone"})


def test_a_manifest_is_read() -> None:
    assert backup.read(text()) == manifest(counts=3)
    chats = {"chats": 2, "accounts": 1, "newest": NOON, "problem": ""}
    assert backup.read(text(chats=chats)).chats == Chats(2, 1, NOON)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "[]",
        '"text"',
        text(stack="gone"),
        text(files={}),
        text(files=3),
        text(files={"keys.json": {}}),
        text(made_at="noon"),
        text(made_at=float("nan")),
        text(chats=3),
    ],
)
def test_what_is_no_manifest_is_one_message(wrong: str) -> None:
    with pytest.raises(DeployError, match="is not a backup of `fab backup`: its manifest cannot be read"):
        backup.read(wrong)


def test_a_newer_form_names_who_made_it() -> None:
    with pytest.raises(DeployError, match=r"schema_version 9, and this pilotlight reads 1. It was made by .* 0\.1\.0"):
        backup.read(text(schema_version=9))


@pytest.mark.parametrize(
    ("of", "changes", "refused"),
    [
        ("", {}, ""),
        ("", {"stack": "other"}, "is a backup of another stack, `other`, made Wed 25 Nov 2026 12:00"),
        ("", {"deployment_id": "d0"}, "is a backup of an earlier deployment of `qwen7b` (d0; this one is d1)"),
        ("other", {"stack": "other"}, ""),
        ("qwen7b", {"deployment_id": "d0"}, ""),
        ("third", {"stack": "other"}, "is of the stack `other`, and --of says `third`"),
    ],
)
def test_whose_it_is(of: str, changes: dict[str, str], refused: str) -> None:
    if not refused:
        return backup.check_owner(manifest(**changes), "qwen7b", "d1", of, "UTC")
    with pytest.raises(DeployError) as error:
        backup.check_owner(manifest(**changes), "qwen7b", "d1", of, "UTC")
    assert refused in str(error.value)
    assert "Nothing was changed" in str(error.value)
    return None


def key(name: str, sha256: str) -> ApiKey:
    return ApiKey(name, sha256, NOON)


OLD = Contents((key("ann", "A"), key("webui", "W0")), Chats(2, 1, NOON - 60), 5)


def lost(there: Contents) -> list[str]:
    return backup.lost(there, OLD, NOON, "UTC")


def test_a_gateway_that_has_nothing_else_loses_nothing() -> None:
    assert lost(Contents((key("ann", "A"), key("webui", "W1")), Chats(0, 1), 0)) == []
    assert lost(Contents((), None, None)) == []


def test_what_would_go_is_said() -> None:
    there = Contents((key("ann", "A2"), key("bob", "B"), key("webui", "W1")), Chats(1, 2, NOON + 60), 1)
    assert lost(there) == [
        "API keys that would stop working: ann, bob",
        "1 conversation of 2 accounts, the newest of Wed 25 Nov 2026 12:01, newer than the backup",
        "1 entry in Redis (what keys used, cached answers)",
    ]
    assert lost(Contents((), Chats(3, 1, NOON - 1), 0)) == [
        "3 conversations of 1 account, the newest of Wed 25 Nov 2026 11:59"
    ]
    assert lost(Contents((), Chats(None, None, problem="malformed"), 0)) == [
        "the chat page's database, which cannot be read (malformed)"
    ]


def test_the_chat_pages_own_key_stays_with_its_machine() -> None:
    gone, new = backup.new_keys(OLD.keys, (key("webui", "W1"), key("bob", "B")))
    assert gone == ("B",)
    assert [each.name for each in new] == ["ann"]


def test_words_for_what_it_has() -> None:
    assert backup.words(OLD) == [
        "1 API key: ann",
        "5 entries in Redis (what keys used, cached answers)",
        "2 conversations of 1 account",
    ]
    assert backup.words(Contents((), None, None)) == ["0 API keys"]
