"""What the agent asks an engine, against a real server on the loopback that answers as vLLM does."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core.contract.documents import EngineAddress
from core.engines.health import Answer
from runtime.agent.engines import NOTHING, Counters, Engine, Probe, Unreadable, total
from runtime.agent.idle_check import idle_check

METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 2.0
vllm:num_requests_waiting{engine="0",model_name="m"} 1.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 9.0
vllm:prompt_tokens_total{engine="0",model_name="m"} 1.5e+03
vllm:generation_tokens_total{engine="0",model_name="m"} 20.0
vllm:generation_tokens_created{engine="0",model_name="m"} 1.7e+09
"""


class Answers:
    """What the server answers: status and text by path."""

    def __init__(self) -> None:
        self.by_path: dict[str, tuple[int, str]] = {"/metrics": (200, METRICS)}
        self.bodies: list[dict[str, object]] = []


@pytest.fixture
def served() -> Iterator[tuple[Answers, Engine]]:
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            status, text = answers.by_path.get(self.path, (404, ""))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def do_POST(self) -> None:
            answers.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield answers, Engine(EngineAddress("m", "127.0.0.1", server.server_address[1]))
        server.shutdown()
        thread.join()


@pytest.fixture
def absent() -> Engine:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return Engine(EngineAddress("gone", "127.0.0.1", port))


def test_counters_are_vllms(served: tuple[Answers, Engine]) -> None:
    assert served[1].counters() == Counters(3, 1520.0)


def test_counters_of_many_series_and_engines_add_up() -> None:
    twice = Counters.parse(METRICS + METRICS.replace('engine="0"', 'engine="1"'))
    assert total([twice, Counters(1, 1.0)]) == Counters(7, 3041.0)


@pytest.mark.parametrize(
    "text", ["", "not metrics", METRICS.replace("prompt_tokens_total", "x"), METRICS.replace("2.0\n", "two\n")]
)
def test_what_lacks_a_counter_is_unreadable(served: tuple[Answers, Engine], text: str) -> None:
    served[0].by_path["/metrics"] = (200, text)
    with pytest.raises(Unreadable, match="/metrics"):
        served[1].counters()


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "Inf", "-1.0", "1e300", "two", "0x10"])
@pytest.mark.parametrize("line", [" 2.0\n", " 20.0\n"])
def test_a_gauge_that_is_no_count_says_nothing(served: tuple[Answers, Engine], line: str, value: str) -> None:
    """It was seen to end agent and dead-man's switch in a loop; as 0 it would read as idle."""
    answers, engine = served
    answers.by_path["/metrics"] = (200, METRICS.replace(line, f" {value}\n"))
    with pytest.raises(Unreadable, match="/metrics"):
        engine.counters()
    seen = idle_check([engine], lambda ports: "")
    assert (bool(seen.busy), seen.certain) == (True, False)


def test_a_probe_tells_who_answers(served: tuple[Answers, Engine], absent: Engine) -> None:
    answers, engine = served
    assert engine.probe() == Probe(Answer.YES, Counters(3, 1520.0))
    answers.by_path["/metrics"] = (200, METRICS.replace(" 2.0", " NaN"))
    answers.by_path["/health"] = (200, "")
    assert (engine.probe().answer, engine.probe().counters) == (Answer.YES, None)
    answers.by_path["/health"] = (503, "")  # vLLM's word for an engine process that has died
    assert (engine.probe().answer, engine.probe().counters) == (Answer.SILENT, None)
    assert (absent.probe().answer, absent.probe().counters) == (Answer.NO, NOTHING)


def test_an_error_is_unreadable(served: tuple[Answers, Engine]) -> None:
    served[0].by_path["/metrics"] = (500, "no")
    with pytest.raises(Unreadable, match="HTTP 500"):
        served[1].counters()


def test_nobody_listening_is_nothing_in_flight(absent: Engine) -> None:
    assert absent.counters() == NOTHING
    assert not absent.listens()


def test_a_completion_is_one_token(served: tuple[Answers, Engine]) -> None:
    answers, engine = served
    answers.by_path["/v1/completions"] = (200, '{"choices": [{"text": "x"}]}')
    assert engine.listens()
    assert engine.completes() == ""
    assert answers.bodies[0]["max_tokens"] == 1
    assert answers.bodies[0]["model"] == "m"


@pytest.mark.parametrize("answer", [(500, "boom"), (200, '{"error": {"message": "boom"}}')])
def test_a_completion_that_is_none_says_why(served: tuple[Answers, Engine], answer: tuple[int, str]) -> None:
    served[0].by_path["/v1/completions"] = answer
    assert "boom" in served[1].completes()


def test_a_completion_of_nobody_says_why(absent: Engine) -> None:
    assert "nobody listens" in absent.completes()


def test_a_idle_check_counts_requests_and_names_connections(served: tuple[Answers, Engine]) -> None:
    answers, engine = served
    assert idle_check([engine], lambda ports: "").busy == "3 requests in the engines"
    answers.by_path["/metrics"] = (200, METRICS.replace(" 2.0", " 0.0").replace(" 1.0\n", " 0.0\n"))
    assert idle_check([engine], lambda ports: "10.0.0.9:1 ESTAB").busy == "connections: 10.0.0.9:1 ESTAB"
    assert idle_check([engine], lambda ports: "").busy == ""


def test_a_idle_check_that_fails_is_busy_and_not_certain(served: tuple[Answers, Engine]) -> None:
    def broken(ports: object) -> str:
        raise OSError("ss: not found")

    seen = idle_check([served[1]], broken)
    assert (seen.busy, seen.certain) == ("could not check: ss: not found", False)
