"""`fab logs`: of a host that is on its journals, of one that is off what it said last."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from invoke.context import Context

from core.errors import DeployError
from remote import tasks
from remote.machines import inventory, journal
from remote.machines.journal import Wanted
from remote.machines.transport import Result, Unreachable
from remote.verbs import logs as verbs_logs
from tests.core.test_policy_forecast import NOON

AGENT, ENGINE = "pilotlight-agent.service", "pilotlight-engine@a.service"


def words(**changes: Any) -> dict[str, Any]:
    journals = {ENGINE: {"lines": ["e1", "e2"], "cut": 0}, AGENT: {"lines": ["a1"], "cut": 4}}
    told = {"epoch": 9, "at": NOON, "reason": "no demand for 30m", "by": "agent", "boot_id": "b", "late": False}
    return {**told, "journals": journals, **changes}


class Site:
    """A gateway and a host, without SSH: what they say, and what was asked of them."""

    def __init__(self) -> None:
        self.machine_state, self.words, self.asked = "stopped", words(), list[str]()
        self.silent: set[str] = set()
        self.has_gateway = True

    def machine(self, where: str, gateway: Any = None) -> Any:
        def connect() -> None:
            if where in self.silent:
                raise Unreachable(f"The {where} does not answer.")

        def must(script: str, **_: Any) -> str:
            self.asked.append(f"{where}: {script}")
            return f"{where} 1\n{where} 2\n"

        def run(script: str, **_: Any) -> Result:
            verb = script.split("relay.json ")[1].split()
            self.asked.append(f"{where}: {' '.join(verb)}")
            if verb[0] == "show":
                return Result(0, json.dumps({"state": None, "now": NOON, "machine": {"state": self.machine_state}}), "")
            return Result(0, json.dumps({"kept": 1, "words": self.words}), "")

        return SimpleNamespace(role=where, connect=connect, must=must, run=run)


class Machine(SimpleNamespace):
    __hash__ = object.__hash__


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    site = Site()
    monkeypatch.setattr(journal, "Machine", lambda where, gateway=None: Machine(**vars(site.machine(where, gateway))))
    engines = {"a": None, "chat": None}
    webui = SimpleNamespace(oidc=None)
    settings = SimpleNamespace(
        idle=SimpleNamespace(time_zone="Europe/Berlin"), engines=engines, webui=webui, own_machine=False
    )

    def load(stack: str, identity: str) -> Any:
        gateway = "gateway" if site.has_gateway else None
        return SimpleNamespace(stack=stack, gateway=gateway, host="host", settings=settings)

    monkeypatch.setattr(inventory, "load", load)
    return site


def logs(lines: int = 50, **options: Any) -> dict[str, Any]:
    """As `--json` prints it."""
    found = verbs_logs.logs(inventory.load("s", identity=""), Wanted(lines), **options)
    return found.as_dict("Europe/Berlin")


def report(**changes: Any) -> dict[str, Any]:
    """The shutdown report as `--json` prints it: without epoch and boot."""
    told = words(**changes)
    kept = {name: told[name] for name in ("reason", "by", "late", "journals")}
    return {"at": "2026-11-20T12:00:00+01:00", **kept}


def test_a_host_that_is_on_shows_its_journals(site: Site) -> None:
    site.machine_state = "running"
    found = logs()
    assert (found["gateway"], found["host"]) == (["gateway 1", "gateway 2"], ["host 1", "host 2"])
    assert (found["shutdown_report"], found["problems"]) == (None, [])


def test_a_host_that_is_off_is_not_waited_for(site: Site) -> None:
    found = logs()
    assert (found["gateway"], found["host"]) == (["gateway 1", "gateway 2"], None)
    assert found["shutdown_report"] == report()
    assert not [asked for asked in site.asked if asked.startswith("host")]


def test_a_host_that_does_not_answer_though_it_is_on(site: Site) -> None:
    site.machine_state, site.silent = "running", {"host"}
    found = logs()
    assert (found["host"], found["shutdown_report"]) == (None, report())
    assert found["problems"] == ["The host does not answer."]


def test_a_gateway_that_does_not_answer_is_said_once(site: Site) -> None:
    site.silent = {"gateway", "host"}
    found = logs()
    assert found["problems"] == ["The gateway does not answer.", "The host does not answer."]
    assert found["shutdown_report"] is None


def test_without_a_gateway_the_host_is_asked_itself(site: Site) -> None:
    site.has_gateway = False
    assert logs()["host"] == ["host 1", "host 2"]
    assert logs(last=True, back=2)["shutdown_report"] == report()
    assert site.asked[-1] == "host: shutdown-report --back 2"


def test_only_as_many_lines_as_were_asked_for(site: Site) -> None:
    told = logs(lines=1)["shutdown_report"]["journals"]
    assert told == {ENGINE: {"lines": ["e2"], "cut": 1}, AGENT: {"lines": ["a1"], "cut": 4}}


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> str:
    tasks.logs(Context(), stack="s", **options)
    return capsys.readouterr().out


def test_what_a_person_reads(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys).splitlines() == [
        "--- gateway",
        "gateway 1",
        "gateway 2",
        "--- the host's shutdown report: no demand for 30m",
        "    Fri 20 Nov 12:00 (Europe/Berlin), by agent",
        f"--- host, {ENGINE}",
        "e1",
        "e2",
        f"--- host, {AGENT} (4 older lines left out)",
        "a1",
    ]
    site.words = words(late=True)
    assert "Fri 20 Nov 12:00 (Europe/Berlin), told by the boot after it" in run(capsys)


def test_no_words_are_said_plainly(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.words = None  # type: ignore[assignment]
    assert "--- of the host: no shutdown report is kept" in run(capsys)


def test_back_asks_for_earlier_ones_though_the_host_is_on(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.machine_state = "running"
    assert "shutdown report" in run(capsys, back=2)
    assert site.asked[-1] == "gateway: shutdown-report --back 2"


def test_json_is_the_record(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(run(capsys, json=True))["data"] == logs()


def test_a_gateway_without_our_code_yet_does_not_hide_the_host(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_client(front: Any) -> Any:
        raise DeployError("no lease_cli")

    monkeypatch.setattr(verbs_logs, "LeaseClient", no_client)
    found = logs()
    assert (found["host"], found["problems"]) == (["host 1", "host 2"], ["no lease_cli"])


def test_where_nothing_can_be_read_it_says_not_known_and_fails(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.silent = {"gateway", "host"}
    with pytest.raises(SystemExit) as ended:
        run(capsys)
    assert ended.value.code == 1
    told = capsys.readouterr().out
    assert "--- of the host: whether a shutdown report is kept is not known" in told
    assert "no shutdown report is kept" not in told


def test_following_as_json_is_refused(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(capsys, follow=True, json=True)
    assert "--follow and --json: one of the two." in capsys.readouterr().err
    assert site.asked == []


def test_n_is_the_number_of_lines_as_with_journalctl() -> None:
    short = {nick: each.name for each in tasks.namespace["logs"].get_arguments() for nick in each.nicknames}
    assert short["n"] == "lines"


# ---------------------------------------------------------------- which lines
def test_since_and_lines_reach_journalctl(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.machine_state = "running"
    run(capsys, lines="7", since="10m")
    assert [asked.split(" -u ")[0] for asked in site.asked if "journalctl" in asked] == [
        f"{machine}: journalctl --no-pager -o short-iso -n 7 --since=-600s" for machine in ("gateway", "host")
    ]


def test_one_engine_alone(site: Site) -> None:
    site.machine_state = "running"
    found = logs(engine="a")
    assert (found["gateway"], found["host"]) == (None, ["host 1", "host 2"])
    assert [asked for asked in site.asked if "journalctl" in asked] == [
        f"host: journalctl --no-pager -o short-iso -n 50 -u '{ENGINE}'"
    ]


def test_one_engine_of_a_host_that_is_off(site: Site) -> None:
    assert logs(engine="a")["shutdown_report"]["journals"] == {ENGINE: {"lines": ["e1", "e2"], "cut": 0}}


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"lines": "abc"}, 'fab logs: --lines "abc" is not a whole number, 0 or more; write e.g. --lines 20.'),
        ({"back": "-1"}, 'fab logs: --back "-1" is not a whole number, 0 or more; write e.g. --back 20.'),
        ({"since": "soon"}, 'fab logs: "soon" is not a duration; write e.g. 30m, 1h30m, 20s'),
        (
            {"engine": "chta"},
            'fab logs: --engine "chta" is not an engine of s; there are: a, chat (did you mean chat?).',
        ),
    ],
)
def test_a_flag_that_cannot_be_read_is_one_message(
    site: Site, capsys: pytest.CaptureFixture[str], flags: dict[str, str], says: str
) -> None:
    with pytest.raises(SystemExit):
        tasks.logs(Context(), stack="s", **flags)
    assert capsys.readouterr().err == f"{says}\n"
    assert site.asked == []
