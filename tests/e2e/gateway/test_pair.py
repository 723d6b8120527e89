"""Two relays: one is drained as a deployment does it, or killed at any point of its work, and callers go on."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from core import lease as protocol
from tests.e2e.gateway.front import RELAYS, Front, until
from tests.e2e.gateway.test_gateway import ask, engine_seen, in_background, stop_host, waiting, words

pytestmark = pytest.mark.e2e

FRONT = {"queue_max": 60}
CALLERS = 20
LONG = "x" * 400_000  # hides the model from HAProxy: relayed although the host is awake
WRAPPER = Path(__file__).with_name("relay_killed_at.py")


@pytest.fixture
def front(whole_front: Front) -> Front:
    """Awake, with relays that take an order to kill themselves."""
    whole_front.relay_program = [sys.executable, str(WRAPPER), str(order(whole_front))]
    if not all(str(WRAPPER) in map(str, p.args) for n, p in whole_front.processes.items() if n in RELAYS):  # type: ignore[arg-type, union-attr]
        whole_front.end_relays(kill=True)
    order(whole_front).unlink(missing_ok=True)
    whole_front.recover()
    until(lambda: whole_front.states() == {"running"}, "both know it")
    return whole_front


def order(front: Front) -> Path:
    return front.folder / "kill"


def wake(front: Front) -> None:
    """The host comes up, as somebody has ordered it."""
    until(lambda: front.machine() == "running", "started")
    until(lambda: front.lease().state == protocol.State.STARTING, "STARTING")
    if front.processes.get("engine") is None:
        front.start_engine()
    front.agent_ready("boot-again")


def killed(front: Front) -> str:
    """The relay that has ended, "" for none."""
    return next((name for name in RELAYS if front.processes[name].poll() is not None), "")


def count(front: Front, prompt: str) -> int:
    return [str(seen["prompt"]) for seen in engine_seen(front)].count(prompt)


def outcome(front: Front, prompt: str, *, again: int = 0, **options: Any) -> Any:
    """The answer's words, or (status, code) of a refusal, or the name of another error."""
    try:
        answer = ask(front.client(max_retries=again, timeout=60), prompt, **options)
        return words(answer) if options.get("stream") else answer.choices[0].message.content
    except openai.APIStatusError as error:
        return error.status_code, error.code
    except openai.APIError as error:
        return type(error).__name__


# ---------------------------------------------------------------- a deployment
@contextlib.contextmanager
def systemd(front: Front) -> Iterator[socket.socket]:
    """What listens for a relay's word that it is ready."""
    path = front.folder / "notify"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(path))
        door.settimeout(30)
        front.environment["NOTIFY_SOCKET"] = str(path)
        yield door
        del front.environment["NOTIFY_SOCKET"]


@pytest.mark.parametrize("acts", [True, False], ids=["the one that acts", "the other one"])
def test_a_drained_relay_serves_whom_it_has_and_the_other_takes_the_rest(front: Front, acts: bool) -> None:
    """The order of `fab deploy`: `systemctl reload` of one, which ends by itself, then its successor is ready."""
    before = front.acting()
    drained = next(name for name in RELAYS if (name == before) is acts)
    other = next(name for name in RELAYS if name != drained)
    long, short = f"slow {acts}{LONG}", f"queued {acts}"
    relayed = [in_background(lambda: outcome(front, long, stream=True)) for _ in range(CALLERS)]
    until(lambda: count(front, long[:40]) == CALLERS, "all streams have begun")
    front.act(protocol.drain, reason="idle")  # the engine goes on: what a stop would do with streams is not the matter
    front.act(protocol.stop, boot_id=front.lease().boot_id)
    front.ec2.stop_instances(InstanceIds=[front.instance_id])
    until(lambda: front.states() == {"stopped"}, "both know it")
    queued = [in_background(lambda n=n: outcome(front, short, stream=bool(n % 2))) for n in range(CALLERS)]
    until(lambda: waiting(front) == CALLERS, "queued")
    assert min(front.health_of(name)["waiting"] for name in RELAYS) > 0, "each has its share"

    front.processes[drained].send_signal(signal.SIGUSR1)
    until(lambda: front.server(drained) == "DOWN", "HAProxy sends it nothing new")
    until(lambda: front.acting() == other, "the other acts")
    has = front.health_of(drained)["waiting"]
    late = [in_background(lambda: outcome(front, "late")) for _ in range(4)]
    until(lambda: waiting(front) == CALLERS + 4, "queued too")
    assert front.health_of(drained)["waiting"] == has > 0
    wake(front)
    assert front.processes[drained].wait(30) == 0, "it ends when nobody is inside"
    with systemd(front) as door:
        front.start_relay(drained)
        assert door.recv(100) == b"READY=1"
    assert front.server(drained) == "UP", "ready is when HAProxy knows it"
    front.processes[other].send_signal(signal.SIGUSR1)
    until(lambda: front.acting() == drained, "the successor acts")
    assert ask(front.client(), "hi" + LONG).choices[0].message.content == "Paris"
    assert front.processes[other].wait(30) == 0

    for thread, _ in (*relayed, *queued, *late):
        thread.join(60)
    assert {answers[0].split()[-1] for _, answers in relayed} == {"w49"}
    assert {answers[0] for _, answers in queued} == {"Paris", "w0 w1 w2 "}
    assert {answers[0] for _, answers in late} == {"Paris"}
    assert count(front, short) == CALLERS
    assert count(front, long[:40]) == CALLERS


# ---------------------------------------------------------------- kill -9 of a relay that has a request
UNREAD = "a request arrives"  # nothing of its body is read: HAProxy may see a reset, and leaves it to the SDK
ONCE = [  # where the relay is killed, what the caller is answered, how often the engine sees the request
    (UNREAD, "Paris", 1),
    ("its body is read", "Paris", 1),
    ("it is queued", "Paris", 1),
    ("the engine is ready", "Paris", 1),
    ("it is marked", (502, "engine_crashed"), 0),
    ("its bytes are on their way", (502, "engine_crashed"), None),  # the engine may have had time to read them
    ("the engine answers", (502, "engine_crashed"), 1),
]


@pytest.mark.parametrize(("point", "answer", "times"), ONCE, ids=[point for point, *_ in ONCE])
def test_a_request_whose_relay_is_killed_reaches_an_engine_once_at_most(
    front: Front, point: str, answer: object, times: int | None
) -> None:
    stop_host(front)
    order(front).write_text(point)
    asleep = in_background(lambda: outcome(front, point, again=2 * (point == UNREAD)))
    wake(front)
    asleep[0].join(60)
    until(lambda: killed(front), "it came to the point")
    assert asleep[1] == [answer]
    assert count(front, point) == times if times is not None else count(front, point) <= 1


@pytest.mark.parametrize("point", ["the answer is handed on"])
def test_an_answer_that_has_begun_is_the_last_word(front: Front, point: str) -> None:
    stop_host(front)
    order(front).write_text(point)
    thread, answers = in_background(lambda: outcome(front, point))
    wake(front)
    thread.join(60)
    until(lambda: killed(front), "it came to the point")
    assert (answers, count(front, point)) == (["Paris"], 1)


def test_queued_streams_are_cut_for_the_killed_half_alone(front: Front) -> None:
    stop_host(front)
    calls = [in_background(lambda: outcome(front, "half", stream=True)) for _ in range(CALLERS)]
    until(lambda: waiting(front) == CALLERS, "queued")
    killed_ones = front.health_of(RELAYS[0])["waiting"]
    front.end(RELAYS[0], kill=True)
    wake(front)
    for thread, _ in calls:
        thread.join(60)
    answers = [answers[0] for _, answers in calls]
    assert answers.count("w0 w1 w2 ") == CALLERS - killed_ones
    assert 0 < killed_ones < CALLERS


# ---------------------------------------------------------------- kill -9 of the relay that acts
WAKING = ["start is due", "start is written", "the order is due", "the order is given"]


@pytest.mark.parametrize("point", WAKING)
def test_the_other_relay_goes_on_with_a_wake(front: Front, point: str) -> None:
    """Nobody else starts the host here: there is no reaper."""
    stop_host(front)
    acts = front.acting()
    order(front).write_text(point)
    calls = [in_background(lambda: outcome(front, point)) for _ in range(4)]
    until(lambda: killed(front) == acts, "it came to the point")
    until(lambda: front.acting() not in ("", acts), "the other acts")
    wake(front)
    for thread, _ in calls:
        thread.join(60)
    assert [answers[0] for _, answers in calls] == ["Paris"] * 4
    assert count(front, point) == 4
    until(lambda: front.routes() == "engine_tiny", "the other opens the routes")


@pytest.mark.parametrize("point", ["cordon is due", "cordon is written", "resume is due", "resume is written"])
def test_the_other_relay_goes_on_with_a_drain(front: Front, point: str) -> None:
    acts = front.acting()
    order(front).write_text(point)
    front.act(protocol.drain, reason="idle")
    if "resume" in point:
        until(lambda: front.lease().cordon_epoch == front.lease().epoch, "cordon")
        until(lambda: front.states() == {"draining"}, "both know it")
        calls = [in_background(lambda: outcome(front, point)) for _ in range(4)]
    else:
        calls = []
    until(lambda: killed(front) == acts, "it came to the point")
    until(lambda: front.acting() not in ("", acts), "the other acts")
    if not calls:
        until(lambda: front.lease().cordon_epoch == front.lease().epoch, "cordon")
        assert front.routes() == "relay"
        calls = [in_background(lambda: outcome(front, point)) for _ in range(4)]
    for thread, _ in calls:
        thread.join(60)
    assert [answers[0] for _, answers in calls] == ["Paris"] * 4
    until(lambda: front.lease().state == protocol.State.RUNNING, "resumed")
    until(lambda: front.routes() == "engine_tiny", "and open again")
