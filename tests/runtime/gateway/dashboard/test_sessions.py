"""Sessions: begun by an operator's key alone, ended by time and by what becomes of the key, and not to be made up."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from runtime.gateway.dashboard import sessions
from runtime.gateway.dashboard.operators import Operators
from runtime.gateway.dashboard.sessions import SESSION_S, Session, Sessions
from tests.runtime.gateway.dashboard.board import OPERATOR, PLAIN, SECRET, key, write_keys
from tests.runtime.gateway.stage import Clock


class World:
    def __init__(self, folder: Path) -> None:
        self.clock, self.keys = Clock(), folder / "keys.json"
        write_keys(self.keys, key("ann", OPERATOR, operator=True), key("bob", PLAIN))
        self.operators = Operators(str(self.keys), clock=self.clock)
        self.sessions = Sessions(SECRET, self.operators, clock=self.clock)

    def begin(self) -> Session:
        found = self.sessions.begin(OPERATOR)
        assert found is not None
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_operators_key_begins_a_session_that_is_known_again(world: World) -> None:
    begun = world.begin()
    assert begun.name == "ann"
    assert world.sessions.find(begun.cookie) == begun


@pytest.mark.parametrize("secret", [PLAIN, "", "sk-pl-unknown", OPERATOR + " "])
def test_no_other_key_does(world: World, secret: str) -> None:
    assert world.sessions.begin(secret) is None


def test_it_ends_at_its_time(world: World) -> None:
    begun = world.begin()
    world.clock.now += SESSION_S - 1
    assert world.sessions.find(begun.cookie) is not None
    world.clock.now += 1
    assert world.sessions.find(begun.cookie) is None


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [key("ann", OPERATOR)],
        [key("ann", "another secret", operator=True)],
        [key("ann", OPERATOR, operator=True, expires=1_000_000.0)],
    ],
    ids=["revoked", "no operator any longer", "rotated", "expired"],
)
def test_it_ends_with_its_key(world: World, keys: list[object]) -> None:
    begun = world.begin()
    write_keys(world.keys, *keys)  # type: ignore[arg-type]
    assert world.sessions.find(begun.cookie) is None


def test_it_lives_on_while_the_rotated_key_still_works(world: World) -> None:
    begun = world.begin()
    old = key("ann", OPERATOR, operator=True, expires=1_000_100.0)
    write_keys(world.keys, old, key("ann", "new", operator=True))
    assert world.sessions.find(begun.cookie) is not None
    world.clock.now += 101
    assert world.sessions.find(begun.cookie) is None


def test_a_file_that_cannot_be_read_has_no_operators(world: World) -> None:
    begun = world.begin()
    world.keys.write_text("{")
    assert world.sessions.find(begun.cookie) is None
    assert world.sessions.begin(OPERATOR) is None
    world.keys.unlink()
    assert world.sessions.begin(OPERATOR) is None


def test_nobody_makes_one_up(world: World) -> None:
    cookie = world.begin().cookie
    name, ends, drawn, signature = cookie.split(".")
    longer = f"{name}.{int(ends) + 9999}.{drawn}.{signature}"
    for wrong in ("", "x", "a.b.c", "....", longer, cookie[:-1], f"{cookie}x", f"é.{ends}.x.y", "9" * 2000):
        assert world.sessions.find(wrong) is None, wrong
    other = Sessions(b"o" * 32, world.operators, clock=world.clock)
    assert other.find(cookie) is None


def test_the_token_is_the_sessions_own(world: World) -> None:
    one, other = world.begin(), world.begin()
    assert world.sessions.allows(one, one.csrf)
    assert not world.sessions.allows(one, other.csrf)
    assert not world.sessions.allows(one, "")


def test_words_are_read_by_their_session_alone(world: World) -> None:
    one, other = world.begin(), world.begin()
    sealed = world.sessions.seal(one, "Pinned – até já")
    assert world.sessions.unseal(one, sealed) == "Pinned – até já"
    assert world.sessions.unseal(other, sealed) == ""
    assert world.sessions.unseal(one, "SGVsbG8.0000") == ""
    assert world.sessions.unseal(one, "") == ""


def test_the_secret_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "session.key"
    first = sessions.secret(str(path))
    assert len(first) == 32
    assert sessions.secret(str(path)) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["session.key"]


@pytest.mark.parametrize("content", ["", "00", "no hex"])
def test_a_secret_that_is_none_is_not_used(tmp_path: Path, content: str) -> None:
    path = tmp_path / "session.key"
    path.write_text(content)
    assert len(sessions.secret(str(path))) == 32
    assert path.read_text() == content


def test_without_a_place_the_secret_is_this_processs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, other = (sessions.secret(str(tmp_path / "missing" / "session.key")) for _ in range(2))
    assert one != other
    assert "sessions end with this process" in caplog.text
