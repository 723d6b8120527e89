"""Keys: which may be added, revoked and rotated, and what each of it does to the records."""

from __future__ import annotations

import dataclasses

import pytest

from core import keys
from core.contract.documents import SCHEMA_VERSION, ApiKey, ApiKeys
from core.errors import ContractError, SettingsError
from core.keys import Change, KeyState

NOW = 1_800_000_000.0
ANN = ApiKey("ann", "A" * 64, NOW - 100, quiet=True, rpm=10, tokens_per_day=5000, expires=NOW + 900)
BOB = ApiKey("bob", "B" * 64, NOW - 50)
LATE = ApiKey("late", "C" * 64, NOW - 50, expires=NOW)
PAGE = ApiKey("webui", "D" * 64, NOW - 50)
NEW = "E" * 64


def of(*records: ApiKey) -> ApiKeys:
    return ApiKeys(SCHEMA_VERSION, records)


THERE = of(ANN, BOB, LATE, PAGE)


def done(there: ApiKeys, change: Change) -> ApiKeys:
    return of(*(key for key in there.keys if key.sha256 not in change.gone), *change.new)


def test_the_file_says_what_was_written_into_it() -> None:
    assert ApiKeys.from_json(THERE.to_json()) == THERE
    assert THERE.named("ann") == ANN
    assert THERE.named("eve") is None


@pytest.mark.parametrize("change", [{"rpm": "10"}, {"rpm": True}, {"expires": "never"}, {"sha256": None}])
def test_a_wrong_record_is_named(change: dict[str, object]) -> None:
    raw = {"schema_version": SCHEMA_VERSION, "keys": [dataclasses.asdict(ANN) | change]}
    with pytest.raises(ContractError, match=r"ApiKeys\.keys\[0\]: " + next(iter(change))):
        ApiKeys.from_dict(raw)


def test_a_key_is_added() -> None:
    eve = ApiKey("eve", NEW, NOW, rpm=1, expires=NOW + 1)
    assert keys.add(THERE, eve, NOW) == Change(new=(eve,))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (ApiKey("ann", NEW, NOW), "a key `ann` already. Choose another name, .* `fab keys.rotate ann`"),
        (ApiKey("late", NEW, NOW), "already .it has expired."),
        (ApiKey("webui", NEW, NOW), "the chat page's own key"),
        (ApiKey("deploy-check", NEW, NOW), "`fab deploy` asks with"),
        (ApiKey("", NEW, NOW), "cannot be a key's name"),
        (ApiKey("a" * 41, NEW, NOW), "cannot be a key's name: .*40 characters"),
        (ApiKey("-x", NEW, NOW), "cannot be a key's name"),
        (ApiKey("a b", NEW, NOW), "cannot be a key's name"),
        (ApiKey("a\nb", NEW, NOW), "cannot be a key's name"),
        (ApiKey("a:1", NEW, NOW), "cannot be a key's name"),
        (ApiKey("a/1", NEW, NOW), "cannot be a key's name"),
        (ApiKey("jörg", NEW, NOW), "cannot be a key's name"),
        (ApiKey("eve", NEW, NOW, rpm=0), "--rpm 0"),
        (ApiKey("eve", NEW, NOW, tokens_per_day=0), "--tokens-per-day 0"),
        (ApiKey("eve", NEW, NOW, expires=NOW), "in the past"),
    ],
)
def test_a_key_that_is_not_added(key: ApiKey, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        keys.add(THERE, key, NOW)


def test_a_key_is_revoked_with_what_it_was_before() -> None:
    rotated = done(THERE, keys.rotate(THERE, "bob", NEW, now=NOW, grace_s=60))
    assert keys.revoke(rotated, "bob") == Change(gone=(BOB.sha256, NEW))
    assert done(rotated, keys.revoke(rotated, "bob")) == of(ANN, LATE, PAGE)


def test_rotated_the_old_one_stops_at_once_and_the_limits_stay() -> None:
    after = done(THERE, keys.rotate(THERE, "ann", NEW, now=NOW))
    assert after.named("ann") == dataclasses.replace(ANN, sha256=NEW, created=NOW)
    assert len(after.keys) == len(THERE.keys)


def test_rotated_with_grace_both_work_until_it_ends() -> None:
    after = done(THERE, keys.rotate(THERE, "bob", NEW, now=NOW, grace_s=60))
    old, new = (key for key in after.keys if key.name == "bob")
    assert (old.sha256, old.expires, new.sha256, new.expires) == (BOB.sha256, NOW + 60, NEW, None)
    assert [keys.state(after, key, NOW + 59) for key in (old, new)] == [KeyState.REPLACED, KeyState.VALID]
    assert [keys.state(after, key, NOW + 60) for key in (old, new)] == [KeyState.EXPIRED, KeyState.VALID]


def test_grace_gives_no_key_more_time_than_it_had() -> None:
    old, _ = keys.rotate(THERE, "ann", NEW, now=NOW, grace_s=1e6).new
    assert old.expires == ANN.expires


def test_rotated_again_only_the_last_one_has_grace() -> None:
    once = done(THERE, keys.rotate(THERE, "bob", NEW, now=NOW, grace_s=60))
    twice = done(once, keys.rotate(once, "bob", "F" * 64, now=NOW + 1, grace_s=60))
    assert [key.sha256 for key in twice.keys if key.name == "bob"] == [NEW, "F" * 64]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("eve", "There is no key `eve`. The keys are ann, bob, late.$"),
        ("webui", "the chat page's own key"),
    ],
)
def test_what_is_not_there_or_ours_is_neither_revoked_nor_rotated(name: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        keys.revoke(THERE, name)
    with pytest.raises(SettingsError, match=said):
        keys.rotate(THERE, name, NEW, now=NOW)


def test_without_any_key_it_says_how_one_is_made() -> None:
    with pytest.raises(SettingsError, match=r"no key at all; `fab keys\.add NAME`"):
        keys.revoke(of(PAGE), "ann")


def test_an_expired_key_is_not_rotated() -> None:
    with pytest.raises(SettingsError, match="has expired"):
        keys.rotate(THERE, "late", NEW, now=NOW)
