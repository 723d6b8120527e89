"""Journals that are followed: over a stop of the host and a broken connection, without a line lost or said twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import DeployError
from remote.machines import following, journal
from remote.machines.following import Told, lines
from remote.machines.journal import Wanted
from remote.machines.transport import Unreachable

ENDED = "its journal ended: it shuts down, or its connection was closed."
LATER = "It is shown again once it answers; nothing here wakes it."


def at(second: int, text: str) -> str:
    return f"2026-11-25T16:00:{second:02}+0000 host vllm[7]: {text}"


class Growing:
    """A machine whose connections do what `script` says, one after the other; the last refuses us, which ends it."""

    def __init__(self, role: str, *script: Any) -> None:
        self.role, self._script = role, [*script, DeployError("It does not accept the key.")]
        self.asked: list[str] = []

    def connect(self) -> None:
        if isinstance(self._script[0], Exception):
            raise self._script.pop(0)

    def stream(self, order: str) -> Any:
        self.asked.append(order)
        for piece in self._script.pop(0):
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def close(self) -> None:
        pass


def followed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *machines: Growing) -> list[str]:
    found = dict.fromkeys(machines, ("a.service",))
    monkeypatch.setattr(journal, "machines", lambda *_: found)
    waited = list[float]()
    following.follow(SimpleNamespace(), Wanted(5), pause=waited.append)  # type: ignore[arg-type]
    assert set(waited) <= {following.AGAIN_S}
    return capsys.readouterr().out.splitlines()


def encoded(*found: str) -> list[bytes]:
    return [f"{line}\n".encode() for line in found]


def test_a_host_that_stops_and_starts_is_shown_again_from_where_it_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    off = Unreachable("The host does not answer.")
    again = encoded(at(1, "one"), at(2, "two"), at(2, "more"), "  its second line", at(3, "three"))
    host = Growing("host", encoded(at(1, "one"), at(2, "two")), off, off, again)
    said = followed(monkeypatch, capsys, Growing("gateway", []), host)
    ours = [line.removeprefix("host     ") for line in said if line.startswith("host")]
    assert ours == [
        "--- begins",
        at(1, "one"),
        at(2, "two"),
        f"--- {ENDED} {LATER}",
        "--- answers again",
        at(2, "more"),
        "  its second line",
        at(3, "three"),
        ours[-2],
        "--- It does not accept the key.",
    ]
    first, second = host.asked
    assert first == "journalctl --no-pager -o short-iso -n 5 -f -u 'a.service'"
    assert second == "journalctl --no-pager -o short-iso -n all --since=@1795622402 -f -u 'a.service'"


def test_a_connection_that_breaks_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = [*encoded(at(1, "one")), Unreachable("The connection broke: reset.")]
    said = followed(monkeypatch, capsys, Growing("gateway", []), Growing("host", broken, Unreachable("No."), []))
    assert sum(LATER in line for line in said if line.startswith("host")) == 2
    assert not [line for line in said if "No. It is" in line]


def test_a_host_that_is_off_from_the_beginning_hides_nothing_of_the_gateway(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = followed(
        monkeypatch, capsys, Growing("gateway", encoded(at(1, "one"))), Growing("host", Unreachable("It is off."))
    )
    assert f"gateway  {at(1, 'one')}" in said
    assert f"host     --- It is off. {LATER}" in said


def test_a_gateway_that_does_not_answer_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unreachable, match="No gateway"):
        followed(monkeypatch, capsys, Growing("gateway", Unreachable("No gateway.")))
    assert capsys.readouterr().out == ""


def test_lines_come_whole_whatever_the_pieces() -> None:
    assert list(lines([b"on", b"e\ntw", b"o\n", b"\xff\nthree"])) == ["one", "two", "\ufffd", "three"]


def test_what_has_no_time_belongs_to_the_line_before() -> None:
    told = Told()
    assert list(told.new(["-- Boot 1 --", at(1, "a"), "  more"])) == ["-- Boot 1 --", at(1, "a"), "  more"]
    assert list(told.new([at(1, "a"), "  more", at(1, "b"), "  of b"])) == [at(1, "b"), "  of b"]
