"""What the lease client on a machine prints, as dataclasses."""

from __future__ import annotations

import dataclasses
import json
import threading
from typing import Any

import pytest

from core.contract.documents import UnitSettings
from core.errors import DeployError
from core.lease import Event, Inhibitor, Lease, State
from core.shutdown_report import Journal
from remote.machines import lease_client
from remote.machines.lease_client import NOT_ASKED, NOT_MET, LeaseClient, read
from remote.machines.transport import Result
from remote.verbs.lease import settings_of
from tests.remote.verbs.test_verbs_lease import STACK

LEASE = Lease(
    "s/host", State.STOPPED, 7, 90.0, "idle", "agent", inhibitors=(Inhibitor("ann", "fab deploy", 160.0),), busy=2
)


class Machine:
    """Answers every command with the same output."""

    role = "gateway"

    def __init__(self, out: str, code: int = 0) -> None:
        self.result, self.asked = Result(code, out, "bash: no such file"), ""

    def run(self, script: str, **_: Any) -> Result:
        self.asked = script
        return self.result


def client(*printed: Any, code: int = 0) -> LeaseClient:
    return LeaseClient(Machine("\n".join(map(json.dumps, printed)), code))  # type: ignore[arg-type]


def printed(**also: Any) -> dict[str, Any]:
    return {**dataclasses.asdict(LEASE), "now": 100.0, **also}


def test_a_lease_comes_back_as_it_was_written() -> None:
    answer = client(printed(wanted=False, inhibited=True)).call("show")
    assert (answer.lease, answer.now, answer.changed, answer.met) == (LEASE, 100.0, False, True)
    assert (answer.machine, answer.settings, answer.events) == (NOT_ASKED, None, ())


def test_without_a_lease() -> None:
    answer = client({"state": None, "now": 100.0}).show()
    assert (answer.lease, answer.state, answer.why) == (None, None, "no reason is known")


def test_machine_settings_and_history_where_they_were_asked_for() -> None:
    event = Event(7, 90.0, "STOPPING", "STOPPED", "relay", "idle", {"on_s": 3})
    settings = settings_of(STACK)
    answer = read(
        json.loads(
            json.dumps(
                printed(
                    machine={"instance_id": "i-1", "state": "stopped", "tags": {"a": "b"}},
                    settings=dataclasses.asdict(settings),
                    events=[{**dataclasses.asdict(event), "facts": {"on_s": 3}}],
                )
            )
        )
    )
    assert (answer.machine.state, answer.machine.tags) == ("stopped", {"a": "b"})
    assert isinstance(answer.settings, UnitSettings)
    assert answer.settings == settings
    assert answer.events == (event,)


def test_what_a_newer_machine_prints_besides_is_left_out() -> None:
    answer = client(printed(machine={"state": "running", "colour": "green"}, moon="full")).call("show")
    assert answer.machine.state == "running"


def test_a_lease_of_a_newer_version_is_said() -> None:
    with pytest.raises(
        DeployError, match=r"has version 99.* gateway seems to have another version.*fab deploy -s STACK"
    ):
        client(printed(lease_version=99)).show()


@pytest.mark.parametrize(
    "out", [[], [1], {}, {"now": None}, {"now": "noon"}, {"now": 1.0, "state": "x"}, {"now": 1.0, "settings": {"a": 1}}]
)
def test_an_answer_that_cannot_be_read_is_the_gateways_other_version(out: Any) -> None:
    for ask in (client(out).show, lambda: client(1).events(60.0), lambda: client({"words": {}}).shutdown_report()):
        with pytest.raises(DeployError, match=r"cannot be read: .*seems to have another version.*fab deploy -s STACK"):
            ask()


def test_no_lease_client_is_the_gateways_other_version_too() -> None:
    machine = Machine("", 2)
    with pytest.raises(
        DeployError, match=r"`request-wake` failed: .*no such file.*another version.*`fab deploy -s STACK`"
    ):
        LeaseClient(machine).call("request-wake")  # type: ignore[arg-type]


def test_what_the_lease_client_says_itself_is_the_whole_message() -> None:
    with pytest.raises(DeployError, match=r"^The lease command `pin` failed: There is no lease yet\.$"):
        client({"error": "There is no lease yet."}, code=1).call("pin")


@pytest.mark.parametrize("bad", [json.dumps(printed(lease_version=99)), "no JSON", RuntimeError("the thread's own")])
def test_an_inhibitor_is_renewed_after_a_renewal_that_failed(bad: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_client, "RENEW_S", 0.01)
    machine, again, said = Machine(json.dumps(printed(changed=True))), threading.Event(), list[str]()
    answers = iter([machine.result, bad])

    def run(script: str, **_: Any) -> Result:
        answer = next(answers, None)
        if isinstance(answer, Exception):
            raise answer
        if answer is None and " inhibit " in script:
            again.set()
        return Result(0, answer, "") if isinstance(answer, str) else machine.result

    monkeypatch.setattr(machine, "run", run)
    with lease_client.Inhibitor(LeaseClient(machine), "fab deploy", said.append) as inhibitor:  # type: ignore[arg-type]
        inhibitor.take()
        assert again.wait(10), "nothing was renewed after the renewal that failed"
    assert [words.startswith("the inhibitor could not be renewed: ") for words in said] == [True]


@pytest.mark.parametrize(("note", "why"), [("no quota.", "no quota"), ("", "idle")])
def test_why_is_what_the_write_said_or_the_leases_reason(note: str, why: str) -> None:
    assert read(printed(note=note)).why == why


def test_a_wait_that_was_not_met_is_an_answer() -> None:
    assert client(printed(met=False), code=NOT_MET).call("wait").met is False


@pytest.mark.parametrize(("out", "says"), [({"error": "There is no lease yet."}, "no lease yet"), ([], "no such file")])
def test_a_command_that_failed_is_an_error_with_its_own_message(out: Any, says: str) -> None:
    with pytest.raises(DeployError, match=f"The lease command `pin` failed: .*{says}"):
        client(out, code=1).call("pin")


def test_a_shutdown_report_and_none() -> None:
    told = {"epoch": 9, "at": 90.0, "reason": "idle", "by": "agent", "boot_id": "b", "late": True}
    journals = {"a.service": {"lines": ["x"], "cut": 4}}
    report = client({"kept": 1, "words": {**told, "journals": journals}}).shutdown_report()
    assert report is not None
    assert (report.reason, report.late, report.journals) == ("idle", True, {"a.service": Journal(("x",), 4)})
    assert client({"kept": 0, "words": None}).shutdown_report(3) is None


def test_the_history_is_a_line_an_event() -> None:
    events = [Event(1, 9.0, "", "NEW", "deploy", "first deployment"), Event(2, 10.0, "NEW", "RUNNING", "agent", "ok")]
    lines = [{**dataclasses.asdict(dataclasses.replace(event, facts={}))} for event in events]
    assert [(event.epoch, event.after) for event in client(*lines).events(60.0)] == [(1, "NEW"), (2, "RUNNING")]
