"""status, explain, history, pin: over a client that answers as lease_cli does, without a machine."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from invoke.context import Context
from rich.console import Console

from core import settings
from core.errors import DeployError, SettingsError
from core.lease import Event, Lease, State
from core.money import cost
from core.times.durations import show
from remote import stack_files, tasks
from remote.machines.lease_client import Answer, read
from remote.machines.transport import Unreachable
from remote.verbs import (
    explain as verbs_explain,
)
from remote.verbs import (
    lease as verbs_lease,
)
from remote.verbs import (
    status as verbs_status,
)
from remote.verbs.lease import Front, settings_of
from tests.core.test_policy_forecast import NOON

STACK = settings.load(
    {
        "pilotlight:cloud": "embedded",
        "pilotlight:engines": {"a": {"model": "/srv/a"}},
        "pilotlight:host": {"instanceTypes": ["g6.xlarge"]},
        "pilotlight:budget": {"monthlyUsd": 100},
        "pilotlight:idle": {"profile": "online", "timeZone": "Europe/Berlin"},
    },
    "s",
)
RUNNING = Lease(
    "s/host",
    State.RUNNING,
    7,
    NOON - 600,
    "one real completion succeeded",
    "agent",
    instance_id="i-1",
    boot_id="b",
    ready_at=NOON - 600,
    demand_at=NOON - 600,
    agent_at=NOON - 5,
)
MACHINE = {"state": "running", "state_reason": "", "tags": {}, "instance_type": "g6.xlarge"}


def event(at: float, before: str, after: str, **facts: Any) -> dict[str, Any]:
    return {"epoch": 1, "at": at, "before": before, "after": after, "by": "agent", "reason": "why", "facts": facts}


EVENTS = [
    event(NOON - 90000, "", "NEW"),
    event(NOON - 89000, "NEW", "RUNNING", boot_s=1.0),
    event(NOON - 88000, "RUNNING", "DRAINING"),
    event(NOON - 87990, "DRAINING", "STOPPING"),
    event(NOON - 87980, "STOPPING", "STOPPED"),
    event(NOON - 642, "STOPPED", "STARTING"),
    event(NOON - 600, "STARTING", "RUNNING", boot_s=3.1, engine_a_s=20.5),
]


class Client:
    """Answers as `python -m runtime.lease_client` prints it, JSON and all; keeps what it was asked."""

    events_told = EVENTS
    redis_told = "ok"

    def __init__(self, lease: Lease | None = RUNNING) -> None:
        self.lease, self.asked, self.answer = lease, list[tuple[str, ...]](), dict[str, Any]()

    def call(self, verb: str, *words: str, timeout_s: float = 30.0) -> Answer:
        self.asked.append((verb, *words))
        lease = {"state": None} if self.lease is None else dataclasses.asdict(self.lease)
        if verb != "show":
            return read({**lease, "now": NOON, "changed": True, "pin_until": NOON + 60, **self.answer})
        told = {**lease, "now": NOON, "machine": MACHINE, "settings": None, "events": self.events_told}
        told |= {"redis": self.redis_told} if "--gateway" in words else {}
        return read(json.loads(json.dumps(told)))

    def show(self) -> Answer:
        return self.call("show", "--machine")

    def events(self, since_s: float) -> list[Event]:
        self.asked.append(("events", str(since_s)))
        return [Event(**each) for each in EVENTS]


def front(client: Client) -> Front:
    inventory = SimpleNamespace(stack="s", settings=STACK, api_url="http://a/v1")
    return Front(inventory, client)  # type: ignore[arg-type]


def printed(table: Any, width: int = 200) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    return out.getvalue()


# ---------------------------------------------------------------- status
def test_status_of_a_host_that_is_on() -> None:
    found = verbs_status.status(front(Client()))
    shown = verbs_status.as_dict(found)
    assert (shown["stack"], shown["host"]["state"], shown["api_url"]) == ("s", "RUNNING", "http://a/v1")
    assert found.why == "last demand 10m ago; stops in 20m"
    assert (found.for_s, found.idle_s, found.stops_in_s, shown["host"]["pin"]) == (600, 600, 1200, None)
    at = "2026-11-20T11:50:00+01:00"
    assert shown["last_wake"] == {"at": at, "who": None, "took_s": 42, "boot_s": 21.5, "engines_s": {"a": 20.5}}
    assert shown["stops_at"] == "2026-11-20T12:20:00+01:00"
    json.dumps(shown)


@pytest.mark.parametrize(
    ("told", "problem"), [("ok", None), ("", None), ("it does not answer.", "it does not answer.")]
)
def test_a_redis_that_is_down_is_said(told: str, problem: str | None) -> None:
    client = Client()
    client.redis_told = told
    found = verbs_status.status(front(client))
    assert verbs_status.as_dict(found)["redis_problem"] == problem
    row = printed(verbs_status.Listing([found]), width=80)
    assert ("nothing is counted or cached" in " ".join(row.split())) is (problem is not None)


def test_what_today_and_the_month_have_cost() -> None:
    found = verbs_status.status(front(Client()))
    hour = float(verbs_status.money.host_hour(verbs_status.shape(STACK)))
    assert found.spent_month_usd == pytest.approx((642 + 2020) / 3600 * hour)  # NEW counts, until STOPPED
    assert found.cost_today_usd > 642 / 3600 * hour  # and what goes on while it is off


def test_hours_cost_what_the_machine_was_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 hours on the ladder's g6e.xlarge, until a minute ago; the type is set back since."""
    began = NOON - 100 * 3600 - 60
    run = [event(began, "STOPPED", "STARTING"), event(began + 9, "STARTING", "RUNNING", rung="g6e.xlarge")]
    monkeypatch.setattr(Client, "events_told", [*run, event(NOON - 60, "STOPPING", "STOPPED")])
    off = dataclasses.replace(RUNNING, state=State.STOPPED, boot_id="")
    monkeypatch.setitem(MACHINE, "state", "stopped")
    found = verbs_status.status(front(Client(off)))
    assert round(found.spent_month_usd, 2) == 186.10
    assert found.decision.action == "mark"  # of the 100 in the stack file
    standing = cost.total(cost.lines(verbs_status.shape(STACK), [], since=NOON - 12 * 3600, until=NOON))
    assert float(found.cost_today_usd - standing) == pytest.approx((12 - 1 / 60) * (1.861 + 0.005), abs=0.001)


def test_a_type_without_a_price_is_said_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MACHINE, "instance_type", "x9.mega")
    found = verbs_status.status(front(Client()))
    assert (found.cost_today_usd, found.spent_month_usd) == (None, None)
    assert "x9.mega" in found.cost_problem
    assert "the budget is not enforced" in found.why


@pytest.mark.parametrize("lease", [RUNNING, dataclasses.replace(RUNNING, state=State.STOPPED, boot_id="")])
def test_a_malformed_tag_is_said_and_leaves_only_max_lease(monkeypatch: pytest.MonkeyPatch, lease: Lease) -> None:
    machine = "running" if lease is RUNNING else "stopped"
    monkeypatch.setitem(MACHINE, "tags", {"pilotlight:auto-stop": "30 minuts"})
    monkeypatch.setitem(MACHINE, "state", machine)
    found = verbs_status.status(front(Client(dataclasses.replace(lease, demand_at=NOON - 7200))))
    assert 'tag pilotlight:auto-stop: "30 minuts" is not a duration' in found.why
    assert "not stopped for being idle until that is corrected" in found.why
    assert found.decision.action == "keep"
    assert (found.stops_in_s is None) is (lease is not RUNNING), "maxLease still ends it"
    assert '"30 minuts"' in printed(verbs_status.Listing([found]))


def test_a_pin_and_requests_are_seen() -> None:
    lease = dataclasses.replace(RUNNING, busy=2, pin_until=NOON + 7200, pin_who="ann", pin_why="demo")
    found = verbs_status.status(front(Client(lease)))
    pin = {"who": "ann", "why": "demo", "until": "2026-11-20T14:00:00+01:00"}
    assert verbs_status.as_dict(found)["host"]["pin"] == pin
    assert (found.idle_s, found.stops_in_s) == (None, 7200)
    assert "RUNNING (pinned)" in printed(verbs_status.Listing([found]))
    shown = printed(verbs_status.Listing([dataclasses.replace(found, lease=dataclasses.replace(lease, dead="a, b"))]))
    assert "RUNNING (pinned; engine a, b does not answer)" in " ".join(shown.split())


def test_who_asked_is_said_while_the_host_starts_and_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    starting = dataclasses.replace(RUNNING, state=State.STARTING, wake_by="key ann", wake_until=NOON + 60)
    assert "STARTING (for key ann)" in printed(verbs_status.Listing([verbs_status.status(front(Client(starting)))]))
    woken = [event(NOON - 642, "STOPPED", "STARTING", wanted_by="key ann"), event(NOON - 600, "STARTING", "RUNNING")]
    monkeypatch.setattr(Client, "events_told", woken)
    found = verbs_status.status(front(Client()))
    assert found.last_wake.words == "42s for key ann"
    assert verbs_status.as_dict(found)["last_wake"]["who"] == "key ann"


def test_status_before_the_first_deployment() -> None:
    found = verbs_status.status(front(Client(None)))
    assert (verbs_status.as_dict(found)["host"], found.why) == ({"state": None}, "no lease yet; run `fab deploy`")
    assert "not deployed" in printed(verbs_status.Listing([found]))


def test_the_table() -> None:
    shown = printed(
        verbs_status.Listing([verbs_status.status(front(Client())), verbs_status.Unknown("t", "not made yet")])
    )
    assert "last demand 10m ago; stops in 20m" in shown
    assert "42s: boot 21s, engine a 20s" in shown
    assert "not made yet" in shown


def test_on_a_narrow_terminal_a_stack_is_a_paragraph() -> None:
    today = verbs_status.status(front(Client())).cost_today_usd
    assert today
    listing = verbs_status.Listing(
        [verbs_status.status(front(Client())), verbs_status.Unknown("t", "not made yet; run `pulumi up -s t`")]
    )
    lines = [line.rstrip() for line in printed(listing, width=80).splitlines()]
    assert lines == [
        "s  RUNNING for 10m",
        "  last demand 10m ago; stops in 20m",
        f"  idle 10m, stops in 20m, today ${cost.cents(today)}, last wake 42s: boot 21s, engine a 20s",
        "t  -",
        "  not made yet; run `pulumi up -s t`",
    ]
    assert printed(listing, width=verbs_status.WIDE).splitlines()[0].split() == [
        word for column in verbs_status.COLUMNS for word in column.split()
    ]


def test_all_stacks_say_why_one_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(name: str, identity: str) -> Front:
        if name == "b":
            raise DeployError("no machines.\nMake them.")
        return front(Client())

    monkeypatch.setattr(verbs_status, "front", connect)
    monkeypatch.setattr(verbs_status.stack_files, "names", lambda: ["a", "b"])
    (one, at), other = verbs_status.fronts([])
    assert (one, isinstance(at, Front), other) == ("a", True, ("b", verbs_status.Unknown("b", "no machines.")))
    with pytest.raises(DeployError):
        verbs_status.fronts(["b"])


def test_one_that_stops_answering_does_not_hide_the_others() -> None:
    class Broken(Client):
        def call(self, verb: str, *words: str, timeout_s: float = 30.0) -> dict[str, Any]:
            raise DeployError("gateway: no answer.\nTry again.")

    one, other = verbs_status.statuses([("a", front(Client())), ("b", front(Broken()))])
    assert (one.lease.state, other) == ("RUNNING", verbs_status.Unknown("b", "gateway: no answer."))
    with pytest.raises(DeployError):
        verbs_status.statuses([("b", front(Broken()))])


def test_fab_status_prints_a_list_for_one_stack_and_for_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verbs_status, "front", lambda name, identity: front(Client()))
    for names, many in (("s", 1), ("s,t", 2)):
        tasks.status(Context(), stack=names, json=True)
        stacks = json.loads(capsys.readouterr().out)["data"]["stacks"]
        assert [each["host"]["state"] for each in stacks] == ["RUNNING"] * many


def test_fab_status_ends_with_1_where_a_stack_could_not_be_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def connect(name: str, identity: str) -> Front:
        if name == "b":
            raise DeployError("no machines.")
        return front(Client())

    monkeypatch.setattr(verbs_status, "front", connect)
    for json_too in (False, True):
        with pytest.raises(SystemExit) as ended:
            tasks.status(Context(), stack="a,b", json=json_too)
        assert ended.value.code == 1
        assert "no machines." in capsys.readouterr().out


def test_fab_status_names_the_settings_of_a_file_that_is_not_complete(checkout: Callable[[str], None]) -> None:
    checkout(INCOMPLETE)
    ((_, said),) = verbs_status.fronts([])
    assert isinstance(said, verbs_status.Unknown)
    assert said.error == (
        "stacks/Pulumi.q.yaml: 3 settings need your attention: host.sshPublicKey, access.cidrs, access.sshCidrs"
    )
    tasks.status(Context())  # an example that nobody filled in is no failure; asked for by name it is one
    with pytest.raises(SystemExit):
        tasks.status(Context(), stack="q")


@pytest.mark.parametrize("seconds", [16, 63, 1199])
def test_column_and_reason_of_an_idle_stop_agree(seconds: float) -> None:
    lease = dataclasses.replace(RUNNING, ready_at=NOON - 7200, demand_at=NOON - 1800 + seconds, since=NOON - 7200)
    found = verbs_status.status(front(Client(lease)))
    assert (found.stops_in_s, found.why.split("stops in ")[1]) == (seconds, show(seconds))


# ---------------------------------------------------------------- explain
def test_explain_from_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs_explain, "front", lambda stack, identity: front(Client()))
    found = verbs_explain.explain("s", for_s=7200)
    assert (found.source, found.now, found.until) == ("the lease", NOON, NOON + 7200)
    lines = verbs_explain.lines(found)
    assert lines[1] == "now: last demand 10m ago; stops in 20m"
    assert [" ".join(line.split()) for line in lines[3:]] == [
        "Fri 20 Nov 12:00 – 12:20 on last demand 10m ago; stops in 20m",
        "Fri 20 Nov 12:20 – 12:21 stopping no demand for 30m, the limit is 30m",
        "Fri 20 Nov 12:21 – 14:00 off off: no demand for 30m, the limit is 30m",
    ]


def test_explain_refuses_more_than_a_year_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tasks.explain(Context(), stack="s", for_="367d")
    assert '"367d" is longer than 366d' in capsys.readouterr().err


def test_explain_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    monkeypatch.setattr(verbs_explain, "front", lambda stack, identity: front(client))
    verbs_explain.explain("s", for_s=60)
    assert {asked[0] for asked in client.asked} == {"show"}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A checkout with one stack file, and no embedded cloud."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("PILOTLIGHT_CLOUD", raising=False)
    monkeypatch.setattr(stack_files, "CHECKOUT", tmp_path)
    (tmp_path / "stacks").mkdir()

    def put(text: str) -> None:
        (tmp_path / "stacks/Pulumi.q.yaml").write_text(text)

    return put


INCOMPLETE = """config:
  pilotlight:engines: {a: {model: x/y}}
  pilotlight:idle: {profile: office-hours, timeZone: Europe/Berlin}
"""


def test_explain_from_the_file_alone_though_key_and_callers_are_missing(checkout: Callable[[str], None]) -> None:
    checkout(INCOMPLETE)
    with pytest.raises(SettingsError, match="sshPublicKey"):
        stack_files.find("q")
    found = verbs_explain.from_file("q", for_s=4 * 86400, now=NOON, reason="r")
    days = [verbs_explain.line(span, found.zone) for span in found.spans if span.phase == "on"]
    assert " ".join(days[2].split()) == "Mon 23 Nov 09:00 – 18:00 on the schedule says on for another 9h"
    assert found.as_dict()["spans"][6]["from"] == "2026-11-23T09:00:00+01:00"


def test_explain_falls_back_and_says_why(checkout: Callable[[str], None]) -> None:
    checkout(INCOMPLETE)
    assert "3 settings need your attention" in verbs_explain.explain("q", for_s=60).source
    assert "asked to look at no machine" in verbs_explain.explain("q", for_s=60, offline=True).source


@pytest.mark.parametrize("as_json", [True, False])
def test_explain_assumes_nothing_of_a_stack_that_does_not_answer(
    checkout: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    as_json: bool,
) -> None:
    checkout(INCOMPLETE)

    def silent(*_: str) -> Front:
        raise Unreachable("The gateway does not answer.")

    monkeypatch.setattr(verbs_explain, "front", silent)
    with pytest.raises(SystemExit) as ended:
        tasks.explain(Context(), stack="q", json=as_json)
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "now: unknown. The gateway does not answer." in said.err
    assert "`fab explain -s q --offline`" in said.err
    tasks.explain(Context(), stack="q", offline=True)
    assert "from the stack file alone (asked to look at no machine)\nnow: " in capsys.readouterr().out


def test_explain_without_a_lease_does_not_say_off(
    checkout: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout(INCOMPLETE)
    monkeypatch.setattr(verbs_explain, "front", lambda *_: front(Client()))
    monkeypatch.setattr(verbs_status, "see", lambda _: SimpleNamespace(lease=None))
    with pytest.raises(DeployError, match=r"now: unknown\. There is no lease yet\. Run `fab deploy -s q`"):
        verbs_explain.explain("q", for_s=60)


def test_explain_of_a_stack_that_was_never_made_is_by_the_file(
    checkout: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout(INCOMPLETE)

    def unmade(*_: str) -> Front:
        raise stack_files.NotMade("The stack `q` has not been made yet.")

    monkeypatch.setattr(verbs_explain, "front", unmade)
    assert "has not been made yet" in verbs_explain.explain("q", for_s=60).source


def test_explain_does_not_hide_a_wrong_setting_or_an_unknown_stack(checkout: Callable[[str], None]) -> None:
    checkout(INCOMPLETE.replace("office-hours", "office"))
    with pytest.raises(SettingsError, match="office"):
        verbs_explain.explain("q", for_s=60)
    with pytest.raises(DeployError, match="There is no stack `w`; there are: q"):
        verbs_explain.explain("w", for_s=60)


def test_settings_of_the_table_win_over_the_file() -> None:
    told = dataclasses.asdict(dataclasses.replace(settings_of(STACK), stop_after_s=60.0))
    raw = json.loads(json.dumps({"state": None, "now": NOON, "machine": MACHINE, "settings": told}))
    assert verbs_lease.seen(read(raw), STACK).settings.stop_after_s == 60.0
