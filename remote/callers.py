"""Callers of a deployed service: so many at once, each with a connection of its own, and what they saw.

The load is bounded: so many requests, and none begins after a time. Standard library only; a thread a caller is enough
for MOST_CALLERS.
"""

from __future__ import annotations

import http.client
import itertools
import json
import math
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.errors import DeployError

MOST_CALLERS: Final = 64
SILENCE_S: Final = 120.0  # of a stream, before it counts as broken
WORDS: Final = ("river", "stone", "cloud", "amber", "field", "north", "paper", "glass", "seven", "light")
Clock = Callable[[], float]


@dataclass(frozen=True)
class Question:
    """What is asked: `path` below the API's root and `body`, to which each request adds a prompt of its own."""

    url: str  # of the API: http://gateway:8000/v1
    path: str  # of dialects: /v1/completions
    body: Mapping[str, Any]
    key: str = field(repr=False)
    prompt_words: int
    chat: bool = False

    def whole(self, number: int) -> bytes:
        """The body of one request. No two share a beginning, so that no cache of prefixes answers."""
        turned = (WORDS[(number * 7 + n * (1 + number % 5)) % len(WORDS)] for n in range(self.prompt_words))
        text = f"{number} {' '.join(turned)}"
        asked = {"messages": [{"role": "user", "content": text}]} if self.chat else {"prompt": text}
        return json.dumps({**self.body, **asked, "stream": True, "stream_options": {"include_usage": True}}).encode()


@dataclass(frozen=True)
class Seen:
    """One answer: seconds to its first token, the gaps between the pieces after it, and tokens as the engine counts."""

    first_s: float
    gaps_s: tuple[float, ...]
    tokens_in: int
    tokens_out: int


class Failed(Exception):
    """A request that was refused, or whose stream broke; the message says how."""


def answer(lines: Iterator[bytes], begun: float, clock: Clock) -> Seen:
    """One stream of events as it comes. Failed: it holds an error, or ends before it is whole."""
    at: list[float] = []
    usage: Mapping[str, Any] = {}
    for line in lines:
        if not line.startswith(b"data: "):
            continue
        text = line.removeprefix(b"data: ").strip()
        if text == b"[DONE]":
            break
        event = json.loads(text)
        if error := event.get("error"):
            raise Failed(str(error.get("message", error))[:300])
        usage = event.get("usage") or usage
        if any(_says(choice) for choice in event.get("choices") or ()):
            at.append(clock())
    else:
        raise Failed("the stream ended before it was whole")
    if not at:
        raise Failed("the answer has no token")
    gaps = tuple(later - earlier for earlier, later in itertools.pairwise(at))
    return Seen(at[0] - begun, gaps, int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", len(at))))


def _says(choice: Mapping[str, Any]) -> bool:
    delta = choice.get("delta") or {}
    return bool(choice.get("text") or delta.get("content") or delta.get("reasoning_content"))


class Caller:
    """One caller, whose connection is open before a request is timed. Use as a context."""

    def __init__(self, question: Question, clock: Clock = time.perf_counter) -> None:
        where = urllib.parse.urlsplit(question.url)
        self._question, self._clock = question, clock
        if where.scheme == "https":
            context = ssl.create_default_context()
            self._door: http.client.HTTPConnection = http.client.HTTPSConnection(
                where.hostname or "", where.port, timeout=SILENCE_S, context=context
            )
        else:
            self._door = http.client.HTTPConnection(where.hostname or "", where.port, timeout=SILENCE_S)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self._door.close()

    def ask(self, number: int) -> Seen:
        """One request. Failed: refused, or broken off."""
        headers = {"Authorization": f"Bearer {self._question.key}", "Content-Type": "application/json"}
        body = self._question.whole(number)
        try:
            if self._door.sock is None:
                self._door.connect()
            begun = self._clock()
            self._door.request("POST", self._question.path, body, headers)
            with self._door.getresponse() as reply:
                if reply.status != 200:
                    raise Failed(f"{reply.status}: {reply.read(2000).decode(errors='replace').strip()[:300]}")
                seen = answer(iter(reply.readline, b""), begun, self._clock)
                reply.read()  # what is left, so that the connection can be used again
                return seen
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._door.close()
            raise Failed(str(error) or type(error).__name__) from error
        except Failed:
            self._door.close()
            raise


@dataclass(frozen=True)
class Load:
    """What `callers` at once saw within `took_s`: answers, and what each request that failed said."""

    callers: int
    took_s: float
    seen: tuple[Seen, ...]
    failures: tuple[str, ...]

    @property
    def tokens_s(self) -> float:
        """Tokens of all answers together, a second."""
        return sum(each.tokens_out for each in self.seen) / self.took_s if self.took_s else 0.0

    def first_ms(self, part: float) -> float | None:
        """The time to the first token that `part` of the requests stayed below, ms; None without an answer."""
        return percentile([1000 * each.first_s for each in self.seen], part)

    def gap_ms(self, part: float) -> float | None:
        """The time between two pieces of a stream, likewise."""
        return percentile([1000 * gap for each in self.seen for gap in each.gaps_s], part)

    def mean(self, name: str) -> float:
        """Of a field of the answers; 0 without one."""
        return sum(getattr(each, name) for each in self.seen) / len(self.seen) if self.seen else 0.0


def percentile(values: Sequence[float], part: float) -> float | None:
    """By the nearest rank; None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * part) - 1)] if ordered else None


class _Turns:
    """Numbers of requests, until there are enough of them, the time is over, or one failed."""

    def __init__(self, first: int, count: int, ends: float, clock: Clock) -> None:
        self._numbers = iter(range(first, first + count))
        self._ends, self._clock = ends, clock
        self._lock = threading.Lock()
        self.failed = False

    def next(self) -> int | None:
        """The next request's number; None: no more."""
        with self._lock:
            return None if self.failed or self._clock() >= self._ends else next(self._numbers, None)


def run(question: Question, callers: int, requests: int, within_s: float, *, first: int = 1) -> Load:
    """`requests` by `callers` at once; none begins after `within_s`. The first failure ends the load."""
    clock = time.perf_counter
    begun = clock()
    turns = _Turns(first, requests, begun + within_s, clock)
    seen, failures = list[Seen](), list[str]()

    def call() -> None:
        with Caller(question) as caller:
            while (number := turns.next()) is not None:
                try:
                    seen.append(caller.ask(number))
                except Failed as failure:
                    turns.failed = True
                    failures.append(str(failure))

    threads = [threading.Thread(target=call, daemon=True) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load(callers, clock() - begun, tuple(seen), tuple(failures))


def warm(question: Question) -> None:
    """One request that is not counted. DeployError: the service refuses it."""
    with Caller(question) as caller:
        try:
            caller.ask(0)
        except Failed as failure:
            raise DeployError(f"The service does not answer at {question.url}: {failure}") from failure
