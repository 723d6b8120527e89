"""`pin` and `unpin`: until when, and a question before a long one."""

from __future__ import annotations

import io

import pytest
from invoke.context import Context

from core.errors import SettingsError
from remote import tasks
from remote.machines.lease_client import person
from remote.verbs import lease as verbs_lease
from remote.verbs import pin as verbs_pin
from tests.core.test_policy_forecast import NOON
from tests.remote.verbs.test_verbs_lease import Client, front


def test_pin_until_a_time_of_the_stacks_clock_or_for_a_while() -> None:
    client = Client()
    verbs_pin.pin(front(client), until="18:00", why="demo")
    verbs_pin.pin(front(client), lasts="2h")
    (_, *one), (_, *two) = [asked for asked in client.asked if asked[0] == "pin"]
    assert one == ["--who", person(), "--why", "demo", "--until", str(NOON + 6 * 3600), "--start"]
    assert two[4:] == ["--for", "7200.0", "--start"]


@pytest.mark.parametrize("words", [{}, {"until": "18:00", "lasts": "2h"}, {"until": "six"}, {"lasts": "2 hours"}])
def test_a_pin_that_cannot_be_read_is_refused(words: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        verbs_pin.pin(front(Client()), **words)


def test_fab_pin_says_until_when(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    client = Client()
    monkeypatch.setattr(verbs_lease, "front", lambda stack, identity: front(client))
    tasks.pin(Context(), stack="s", for_="1m")
    assert capsys.readouterr().out == "Pinned until Fri 20 Nov 12:01 (Europe/Berlin); the host is RUNNING.\n"
    tasks.unpin(Context(), stack="s")
    assert capsys.readouterr().out == "The pin is over; the host is RUNNING.\n"
    client.answer = {"changed": False, "note": "the pin would be over already"}
    with pytest.raises(SystemExit):
        tasks.pin(Context(), stack="s", for_="1m")
    assert "Not pinned: the pin would be over already." in capsys.readouterr().err


class Terminal(io.StringIO):
    """Standard input as a person's, or as a pipe."""

    def __init__(self, said: str = "", *, person: bool = True) -> None:
        super().__init__(said)
        self.isatty = lambda: person  # type: ignore[method-assign]


LONG = "until Sat 25 Dec 2027 12:00 (Europe/Berlin), 400d from now: about $7,774 for the machine"


@pytest.fixture
def pinnable(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()
    client.answer = {"pin_until": NOON + 400 * 86400}
    monkeypatch.setattr(verbs_lease, "front", lambda stack, identity: front(client))
    return client


def pins(client: Client) -> int:
    return sum(asked[0] == "pin" for asked in client.asked)


@pytest.mark.parametrize(("said", "done"), [("y\n", True), ("Yes\n", True), ("\n", False), ("n\n", False), ("", False)])
def test_a_pin_of_more_than_a_day_asks_with_year_and_dollars(
    pinnable: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: str, done: bool
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(said))
    if done:
        tasks.pin(Context(), stack="s", for_="400d")
    else:
        with pytest.raises(SystemExit):
            tasks.pin(Context(), stack="s", for_="400d")
    shown = capsys.readouterr()
    assert f"Pin {LONG}. Go on? [y/N]" in shown.err
    assert ("Pinned until Sat 25 Dec 2027 12:00 (Europe/Berlin)" in shown.out) is done
    assert pins(pinnable) == int(done)


def test_where_nobody_can_be_asked_yes_is_needed(
    pinnable: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(person=False))
    with pytest.raises(SystemExit):
        tasks.pin(Context(), stack="s", until="2027-12-25 12:00")
    assert f"Not pinned {LONG}. That is longer than 24 h: add `--yes`" in capsys.readouterr().err
    assert pins(pinnable) == 0
    tasks.pin(Context(), stack="s", until="2027-12-25 12:00", yes=True)
    assert pins(pinnable) == 1


def test_a_day_is_pinned_without_a_question(pinnable: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(person=False))
    tasks.pin(Context(), stack="s", for_="24h")
    assert pins(pinnable) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"for_": "3000000d"}, '"3000000d" is longer than'),
        ({"for_": "732d"}, '"732d" is longer than 731d'),
        ({"until": "25:00"}, '"25:00" is not a time'),
        ({}, "one of the two"),
        ({"until": "18:00", "for_": "2h"}, "one of the two"),
    ],
)
def test_wrong_words_are_refused_before_any_machine_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: dict[str, str], said: str
) -> None:
    monkeypatch.setattr(verbs_lease, "front", lambda *_: pytest.fail("asked a machine"))
    with pytest.raises(SystemExit):
        tasks.pin(Context(), stack="s", yes=True, **words)
    assert said in capsys.readouterr().err


def test_a_time_that_is_too_far_off_is_not_sent(pinnable: Client, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tasks.pin(Context(), stack="s", until="9998-01-01 00:00", yes=True)
    assert '--until "9998-01-01 00:00" is more than 731d from now' in capsys.readouterr().err
    assert pins(pinnable) == 0
