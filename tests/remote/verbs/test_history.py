"""`history`: what happened, who asked for it and why."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from invoke.context import Context

from core.lease import Event
from remote import tasks
from remote.verbs import history as verbs_history
from remote.verbs import lease as verbs_lease
from tests.core.test_policy_forecast import NOON
from tests.remote.verbs.test_verbs_lease import Client, front, printed


def test_history() -> None:
    client = Client()
    events = verbs_history.history(front(client), since_s=3600)
    assert client.asked == [("events", "3600")]
    shown = printed(verbs_history.table(events, "Europe/Berlin"))
    assert "Fri 20 Nov 11:50:00" in shown
    assert "boot_s 3.1, engine_a_s 20.5" in shown


ASKED = [
    Event(3, NOON - 90, "STOPPED", "STARTING", "relay", "wanted by key ann", {"wanted_by": "key ann"}),
    Event(4, NOON - 60, "STARTING", "RUNNING", "agent", "one real completion succeeded", {"boot_s": 3.1}),
    Event(5, NOON - 30, "RUNNING", "DRAINING", "ann@laptop", "fab stop"),
]


def asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    client = SimpleNamespace(events=lambda since_s: ASKED)
    monkeypatch.setattr(verbs_lease, "front", lambda stack, identity: front(client))  # type: ignore[arg-type]


def test_history_says_who_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked_for(monkeypatch)
    tasks.history(Context(), stack="s")
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert rows[1:] == [
        "Fri 20 Nov 11:58:30 STOPPED STARTING key ann wanted by key ann",
        "Fri 20 Nov 11:59:00 STARTING RUNNING agent one real completion succeeded boot_s 3.1",
        "Fri 20 Nov 11:59:30 RUNNING DRAINING ann@laptop fab stop",
    ]
    tasks.history(Context(), stack="s", json=True)
    first = json.loads(capsys.readouterr().out)["data"]["events"][0]
    assert (first["who"], first["by"], first["facts"]) == ("key ann", "relay", {})


@pytest.mark.parametrize(("limit", "shown"), [("0", 3), ("2", 2), ("9", 3)])
def test_history_shows_the_last_so_many(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], limit: str, shown: int
) -> None:
    asked_for(monkeypatch)
    tasks.history(Context(), stack="s", limit=limit, json=True)
    events = json.loads(capsys.readouterr().out)["data"]["events"]
    assert [each["after"] for each in events] == ["STARTING", "RUNNING", "DRAINING"][3 - shown :]


def test_history_refuses_a_limit_that_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tasks.history(Context(), stack="s", limit="abc")
    assert '--limit "abc" is not a whole number' in capsys.readouterr().err
