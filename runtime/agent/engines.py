"""What the agent asks vLLM: is it up, does it answer, what do its counters say.

Facts behind it (seen with vLLM 0.26 and 0.32): a 200 from /health is not readiness, one real completion is; a request
is in `num_requests_running` or `num_requests_waiting`; token counters move only for real requests.
Every connection is closed at once, so that whatever the idle check sees established is somebody else's.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from core.contract.documents import EngineAddress
from core.engines.health import Answer

CONNECT_S: Final = 1.0
METRICS_S: Final = 2.0
COMPLETION_S: Final = 60.0
LARGEST: Final = 2.0**53
_LINE: Final = re.compile(r"^vllm:(\w+)(?:\{[^}]*\})?\s+(\S+)", re.MULTILINE)
_IN_FLIGHT: Final = ("num_requests_running", "num_requests_waiting")
_TOKENS: Final = ("prompt_tokens_total", "generation_tokens_total")


class Unreadable(Exception):
    """The engine is there and did not say what was asked; nothing may be concluded from it."""


class Absent(Unreadable):
    """Nobody listens on the engine's port: nothing can be in an engine that does not run."""


@dataclass(frozen=True)
class Counters:
    """What is in the engines now, and how many tokens have gone through."""

    in_flight: int
    tokens: float

    @classmethod
    def parse(cls, text: str) -> Counters:
        """From Prometheus text; every series of a name is summed. Unreadable where a name is missing."""
        sums: dict[str, float] = {}
        for name, value in _LINE.findall(text):
            if name in _IN_FLIGHT + _TOKENS:
                sums[name] = sums.get(name, 0.0) + _number(value)
        missing = [n for n in _IN_FLIGHT + _TOKENS if n not in sums]
        if missing:
            raise Unreadable(f"/metrics lacks {', '.join(missing)}")
        return cls(int(sum(sums[n] for n in _IN_FLIGHT)), sum(sums[n] for n in _TOKENS))


NOTHING: Final = Counters(0, 0.0)


@dataclass(frozen=True)
class Probe:
    """One engine at one moment. `counters` None: it has some and they cannot be read, for the reason `why`."""

    answer: Answer
    counters: Counters | None
    why: str = ""


def total(parts: Iterable[Counters]) -> Counters:
    """The counters of all engines together."""
    result = NOTHING
    for part in parts:
        result = Counters(result.in_flight + part.in_flight, result.tokens + part.tokens)
    return result


class Engine:
    """One engine on this host."""

    def __init__(self, address: EngineAddress) -> None:
        self.name, self._host, self.port = address.name, address.address, address.port

    def listens(self) -> bool:
        """Somebody accepts connections on the engine's port."""
        try:
            socket.create_connection((self._host, self.port), timeout=CONNECT_S).close()
        except OSError:
            return False
        return True

    def completes(self) -> str:
        """One real completion of one token; "" where it succeeded, else why not."""
        body = json.dumps({"model": self.name, "prompt": "1", "max_tokens": 1, "temperature": 0})
        try:
            status, text = self._ask("POST", "/v1/completions", body, COMPLETION_S)
        except Unreadable as error:
            return str(error)
        return "" if status == 200 and '"choices"' in text else f"{self.name}: HTTP {status}: {text[:200]}"

    def read(self) -> Counters:
        """The engine's counters. Absent where no process listens, Unreadable where one does and makes no sense."""
        status, text = self._ask("GET", "/metrics", None, METRICS_S)
        if status != 200:
            raise Unreadable(f"{self.name}: /metrics answered HTTP {status}")
        return Counters.parse(text)

    def counters(self) -> Counters:
        """The engine's counters; `NOTHING` where no process listens. Unreadable where one does and makes no sense."""
        try:
            return self.read()
        except Absent:
            return NOTHING

    def healthy(self) -> bool:
        """/health answers 200: the server and its engine process live, whatever /metrics says."""
        try:
            return self._ask("GET", "/health", None, METRICS_S)[0] == 200
        except Unreadable:
            return False

    def probe(self) -> Probe:
        """Whether it answers, and what its counters say."""
        try:
            return Probe(Answer.YES, self.read())
        except Absent as error:
            return Probe(Answer.NO, NOTHING, str(error))
        except Unreadable as error:
            return Probe(Answer.YES if self.healthy() else Answer.SILENT, None, str(error))

    def _ask(self, method: str, path: str, body: str | None, timeout_s: float) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self._host, self.port, timeout=timeout_s)
        headers = {"Connection": "close"} | ({"Content-Type": "application/json"} if body else {})
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except ConnectionRefusedError as error:
            raise Absent(f"{self.name}: nobody listens on port {self.port}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unreadable(f"{self.name}: {method} {path}: {error or type(error).__name__}") from error
        finally:
            connection.close()


def _number(text: str) -> float:
    """A gauge or counter: finite, not negative, no more than a float counts exactly. Else Unreadable: a gauge that is
    no number says nothing, so nobody may conclude from it that the engine is idle.
    """
    try:
        value = float(text)
    except ValueError as error:
        raise Unreadable(f"/metrics says {text!r} where a number should be") from error
    if not 0 <= value <= LARGEST:  # NaN is neither
        raise Unreadable(f"/metrics says {text!r} where a count should be")
    return value
