"""`--json`: one envelope for every verb, ISO times, and nothing of the lease that is not meant for callers."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from invoke.context import Context

from core.lease import Inhibitor, Lease, State
from remote import money_tasks, replay_tasks, stack_files, tasks
from remote.callers import Load, Seen
from remote.checks import Area, passed, warned
from remote.machines import inventory
from remote.verbs import bench as verbs_bench
from remote.verbs import deploy as verbs_deploy
from remote.verbs import doctor as verbs_doctor
from remote.verbs import explain as verbs_explain
from remote.verbs import lease as verbs_lease
from remote.verbs import status as verbs_status
from tests.core.test_policy_forecast import NOON
from tests.remote.verbs.test_verbs_lease import RUNNING, STACK, Client, front
from tests.remote.verbs.test_verbs_logs import Site, site  # noqa: F401  # a fixture

PAGE = Path(__file__).parents[3] / "docs" / "json.md"
PUBLIC = {"state", "since", "reason", "by", "failure", "inhibitors"}  # a lease's fields that keep their name
FULL = dataclasses.replace(
    RUNNING,
    wake_by="key ann",
    wake_at=NOON - 1,
    wake_until=NOON + 60,
    inhibitors=(Inhibitor("ann", "fab deploy", NOON + 60),),
    pin_until=NOON + 7200,
    pin_who="bob",
)


VERBS: dict[str, Callable[[], None]] = {
    "bench": lambda: tasks.bench(Context(), stack="s", json=True),
    "deploy": lambda: tasks.deploy(Context(), stack="s", json=True),
    "doctor": lambda: tasks.doctor(Context(), stack="s", json=True),
    "status": lambda: tasks.status(Context(), stack="s", json=True),
    "wake": lambda: tasks.wake(Context(), stack="s", json=True),
    "stop": lambda: tasks.stop(Context(), stack="s", force=True, json=True),
    "pin": lambda: tasks.pin(Context(), stack="s", for_="1h", json=True),
    "unpin": lambda: tasks.unpin(Context(), stack="s", json=True),
    "explain": lambda: tasks.explain(Context(), stack="s", json=True),
    "history": lambda: tasks.history(Context(), stack="s", json=True),
    "logs": lambda: tasks.logs(Context(), stack="s", json=True),
    "url": lambda: tasks.url(Context(), stack="s", json=True),
    "size": lambda: tasks.size(Context(), "Qwen/Qwen2.5-7B-Instruct", json=True),
    "cost": lambda: money_tasks.cost(Context(), stack="s", json=True),
    "roi": lambda: money_tasks.roi(Context(), stack="s", hours_on="100", tokens="1M", json=True),
    "budget": lambda: money_tasks.budget(Context(), stack="s", json=True),
    "prices": lambda: money_tasks.prices(Context(), json=True),
    "replay": lambda: replay_tasks.replay(Context(), "batch", days="3", picture="none", json=True),
    "version": lambda: tasks.version(Context(), json=True),
}


class Deployment:
    def __init__(self, *_: Any) -> None:
        pass

    def run(self) -> verbs_deploy.Report:
        return verbs_deploy.Report("s", "http://a/v1", ["gateway: x"], lease="RUNNING")


@pytest.fixture
def told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    site: Site,  # noqa: F811  # the fixture
) -> Callable[[str], dict[str, Any]]:
    """What a verb prints with `--json`, over a lease in which everything is set."""
    client = Client(FULL)
    for module in (verbs_lease, verbs_status, verbs_explain):
        monkeypatch.setattr(module, "front", lambda stack, identity: front(client))
    monkeypatch.setattr(verbs_deploy, "Deployment", Deployment)
    monkeypatch.setattr(stack_files, "settings_of", lambda stack: STACK)
    asked = verbs_bench.Asked((1,), 1, 2, 3)
    measured = Load(1, 1.0, (Seen(0.1, (0.01,), 7, 3),), ())
    monkeypatch.setattr(verbs_bench, "bench", lambda *_, **__: verbs_bench.Benched("a", asked, (measured,)))
    found = verbs_doctor.Examination((passed(Area.HOST, "disk", "enough"), warned(Area.HOST, "clock", "no NTP", "x")))
    monkeypatch.setattr(verbs_doctor, "examine", lambda *_, **__: found)
    load = inventory.load

    def with_urls(stack: str, identity: str) -> Any:
        found = load(stack, identity=identity)
        return SimpleNamespace(**vars(found), api_url="http://a/v1", outputs={"chatUrl": "http://c"})

    monkeypatch.setattr(inventory, "load", with_urls)

    def run(verb: str) -> dict[str, Any]:
        if verb == "stop":
            client.answer = {"state": "STOPPED"}
        VERBS[verb]()
        return dict(json.loads(capsys.readouterr().out.splitlines()[-1]))

    return run


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from _keys(each)
    elif isinstance(value, list):
        for each in value:
            yield from _keys(each)


def test_every_verb_with_json_is_here() -> None:
    verbs = tasks.namespace.tasks | money_tasks.namespace.tasks | replay_tasks.namespace.tasks
    with_json = {name for name, task in verbs.items() if "json" in {each.name for each in task.get_arguments()}}
    assert with_json == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_envelope(told: Callable[[str], dict[str, Any]], verb: str) -> None:
    answer = told(verb)
    assert list(answer) == ["schema_version", "verb", "stack", "now", "data"]
    stack = None if verb in ("status", "prices", "size", "replay", "version") else "s"
    assert (answer["schema_version"], answer["verb"], answer["stack"]) == (1, verb, stack)
    assert datetime.fromisoformat(answer["now"]).tzinfo is not None
    assert isinstance(answer["data"], dict)


@pytest.mark.parametrize("verb", VERBS)
def test_no_field_of_the_lease_leaks(told: Callable[[str], dict[str, Any]], verb: str) -> None:
    raw = {field.name for field in dataclasses.fields(Lease)} - PUBLIC
    allowed = {"instance_id"} if verb == "status" else set()  # the machine's, as EC2 shows it
    assert set(_keys(told(verb)["data"])) & raw <= allowed


@pytest.mark.parametrize("verb", VERBS)
def test_no_time_is_a_number(told: Callable[[str], dict[str, Any]], verb: str) -> None:
    said = json.dumps(told(verb)["data"])
    assert not re.search(rf"\b{str(NOON)[:5]}\d{{5}}", said)
    for text in re.findall(r'"(\d{4}-\d\d-\d\dT[^"]*)"', said):
        assert datetime.fromisoformat(text).tzinfo is not None, text


@pytest.mark.parametrize("verb", VERBS)
def test_every_field_stands_on_its_page(told: Callable[[str], dict[str, Any]], verb: str) -> None:
    """Names that are data (an engine's, a journal's, a fact's) aside."""
    page, free = PAGE.read_text(), {"a", "boot_s", "engine_a_s", "rung", "4096", "32768", "131072"}
    missing = {key for key in _keys(told(verb)) if f"`{key}`" not in page and not key.startswith("pilotlight-")}
    assert not missing - free


def test_the_host_of_a_lease_in_which_everything_is_set(told: Callable[[str], dict[str, Any]]) -> None:
    (stack,) = told("status")["data"]["stacks"]
    assert stack["host"] == {
        "state": State.RUNNING.value,
        "since": "2026-11-20T11:50:00+01:00",
        "reason": "one real completion succeeded",
        "by": "agent",
        "failure": None,
        "requests": 0,
        "dead_engines": [],
        "wake_request": {
            "by": "key ann",
            "at": "2026-11-20T11:59:59+01:00",
            "until": "2026-11-20T12:01:00+01:00",
        },
        "pin": {"who": "bob", "why": "", "until": "2026-11-20T14:00:00+01:00"},
        "inhibitors": [{"who": "ann", "why": "fab deploy", "until": "2026-11-20T12:01:00+01:00"}],
    }
