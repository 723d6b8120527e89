"""`fab bench`: what it asks, with which key, in which state of the host, and what it prints."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from invoke.context import Context
from rich.console import Console

from core import settings
from core.contract.documents import SCHEMA_VERSION, ApiKey, ApiKeys
from core.errors import DeployError, SettingsError
from core.lease import Lease, State
from remote import callers, tasks
from remote.callers import Load, Question, Seen
from remote.machines import inventory as inventory_module
from remote.machines.lease_client import Answer
from remote.progress import Progress
from remote.services import keys
from remote.stack_files import StackFile
from remote.verbs import bench, power
from remote.verbs.bench import Asked, Benched
from tests.remote.machines.test_inventory import DEMO, OUTPUTS
from tests.remote.verbs.test_deploy import applied

WANTED = Asked((1, 2), 3, words=10, tokens=5)
GOOD = Load(1, 2.0, (Seen(0.1, (0.01, 0.02), 7, 3),), ())


class World:
    """A stack whose keys, lease and callers are played."""

    def __init__(self) -> None:
        self.keys = ApiKeys(SCHEMA_VERSION)
        self.state = State.RUNNING
        self.log: list[str] = []
        self.questions: list[Question] = []
        self.loads = [GOOD, dataclasses.replace(GOOD, callers=2)]

    def change(self, decide: Any) -> None:
        change = decide(self.keys, 1000.0)
        kept = tuple(key for key in self.keys.keys if key.sha256 not in change.gone)
        self.keys = dataclasses.replace(self.keys, keys=kept + change.new)
        self.log.append(f"keys {len(self.keys.keys)}")

    def show(self) -> Answer:
        return Answer(Lease("demo/host", self.state, 3, 1.0, "", "agent"), 1000.0)

    def warm(self, question: Question) -> None:
        self.questions.append(question)
        assert keys.hash_of(question.key) == self.keys.keys[0].sha256, "it asks with its own key"
        assert self.keys.keys[0].expires == 1000.0 + bench.KEY_S

    def run(self, question: Question, count: int, requests: int, within_s: float, *, first: int) -> Load:
        self.log.append(f"{count} callers, {requests} requests from {first}")
        return self.loads.pop(0)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    found = settings.load(yaml.safe_load(DEMO)["config"], "demo")
    built = inventory_module.build(StackFile("demo", found, tmp_path, {}, ""), OUTPUTS | applied(found), "")

    class Machine:
        def __init__(self, *_: Any) -> None:
            pass

        def connect(self) -> None:
            pass

    monkeypatch.setattr(inventory_module, "load", lambda stack, identity="": built)
    monkeypatch.setattr(bench, "Machine", Machine)
    monkeypatch.setattr(bench, "LeaseClient", lambda _: made)
    monkeypatch.setattr(keys, "Keys", lambda _: made)
    monkeypatch.setattr(callers, "warm", made.warm)
    monkeypatch.setattr(callers, "run", made.run)
    monkeypatch.setattr(power, "wake", lambda *_: made.log.append("wake"))
    return made


def run(wanted: Asked = WANTED) -> Benched:
    return bench.bench("demo", wanted, Progress(quiet=True))


def test_each_load_goes_on_where_the_last_ended_and_the_key_is_gone_afterwards(world: World) -> None:
    found = run()
    assert world.log == ["keys 1", "1 callers, 3 requests from 1", "2 callers, 6 requests from 4", "keys 0"]
    assert [load.callers for load in found.loads] == [1, 2]
    (question,) = world.questions
    assert question.path == "/v1/completions"
    assert question.body["min_tokens"] == question.body["max_tokens"] == 5


def test_a_failure_ends_the_bench_and_the_key(world: World) -> None:
    world.loads = [dataclasses.replace(GOOD, failures=("429: queue_full",))]
    assert run().stopped == "with 1 at once a request failed: 429: queue_full"
    assert world.log[-1] == "keys 0"


def test_keys_of_benches_that_were_killed_are_gone_with_the_next(world: World) -> None:
    names = ("bench-0a1b2c3d", "bench-4e5f6a7b", "bench-of-ann", "ann")
    ends = (999.0, 1001.0, 999.0, 999.0)  # the second one's bench is at work
    kept = tuple(ApiKey(name, name.upper(), 1.0, expires=end) for name, end in zip(names, ends, strict=True))
    change = bench._added(ApiKeys(SCHEMA_VERSION, kept), keys.make("bench-89abcdef"), 1000.0)
    assert change.gone == ("BENCH-0A1B2C3D",)
    assert [key.name for key in change.new] == ["bench-89abcdef"]


def test_a_service_that_refuses_leaves_no_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_: Question) -> None:
        raise DeployError("The service does not answer")

    monkeypatch.setattr(callers, "warm", refuses)
    with pytest.raises(DeployError):
        run()
    assert world.log == ["keys 1", "keys 0"]


def test_a_host_that_is_off_is_woken_only_on_request(world: World) -> None:
    world.state = State.STOPPED
    with pytest.raises(DeployError, match=r"The host is STOPPED, and a bench would wake it\. Add `--wake`"):
        run()
    assert world.log == []
    run(dataclasses.replace(WANTED, wake=True))
    assert world.log[0] == "wake"


def test_a_service_that_is_not_there(world: World) -> None:
    with pytest.raises(SettingsError, match=r'--service "nope" is none of demo.s; there are: '):
        run(dataclasses.replace(WANTED, service="nope"))
    assert world.log == []


FLAGS = {"service": "", "concurrency": "1,4,16", "requests": "4", "words": "200", "tokens": "128", "wake": False}


def test_the_flags() -> None:
    assert bench.asked(**FLAGS) == Asked((1, 4, 16), 4, 200, 128)  # type: ignore[arg-type]
    assert bench.asked(**FLAGS | {"concurrency": "16, 1,16"}).callers == (1, 16)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flag", "value", "says"),
    [
        ("concurrency", "1,x", '--concurrency "x" is not a whole number from 1 to 64'),
        ("concurrency", "65", '--concurrency "65" is not'),
        ("concurrency", "", '--concurrency "" is not'),
        ("concurrency", "1,2,3,4,5,6,7,8,9", "8 numbers at most"),
        ("requests", "51", "--requests"),
        ("words", "-1", "--words"),
        ("tokens", "1e3", '--tokens "1e3" is not a whole number from 1 to 4096'),
    ],
)
def test_wrong_flags_are_one_message(capsys: pytest.CaptureFixture[str], flag: str, value: str, says: str) -> None:
    with pytest.raises(SystemExit) as ended:
        tasks.bench(Context(), stack="demo", **{flag: value})
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("as_json", [True, False])
def test_what_is_printed_and_the_exit_code_of_one_that_stopped(
    world: World, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    world.loads[1] = Load(2, 1.0, (), ("502: engine_crashed",))
    with pytest.raises(SystemExit) as ended:
        tasks.bench(Context(), stack="demo", concurrency="1,2", requests="3", json=as_json)
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert "fab bench: The bench stopped: with 2 at once a request failed: 502: engine_crashed" in said.err
    if as_json:
        first, second = json.loads(said.out)["data"]["loads"]
        assert (first["concurrency"], first["answers"], first["failed"]) == (1, 1, 0)
        assert (first["tokens_s"], first["ttft_p50_ms"], first["inter_token_p95_ms"]) == (1.5, 100.0, 20.0)
        assert (second["failed"], second["ttft_p50_ms"]) == (1, None)
    else:
        assert "TTFT p50 ms" in said.out


def test_a_picture_has_every_load(tmp_path: Path) -> None:
    found = Benched("chat", WANTED, (GOOD, dataclasses.replace(GOOD, callers=2), Load(4, 1.0, (), ("no",))))
    files = bench.picture(found, tmp_path / "bench")
    assert [file.name for file in files] == ["bench.png", "bench.svg"]
    assert "tokens/s by requests at once: 1: 2, 2: 2, 4: 0" in files[1].read_text()


def test_the_table() -> None:
    said = io.StringIO()
    Console(width=160, file=said).print(bench.table(Benched("chat", WANTED, (GOOD,))))
    assert said.getvalue().split()[-9:] == ["1", "1", "2", "100", "100", "100", "10.0", "20.0", "20.0"]
