"""The callers of the storm: each sends one request by the unmodified client and judges what came back.

Answered: the text is right and, streamed, came to its end. Refused properly: 429 or 503 in OpenAI's shape with a code,
while the injected fault is one after which that is the right answer. Anything else is lost, or a stream cut.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import httpx2
import openai

from bench.storm_faults import FULL, MAY_REFUSE, Ground
from local.demo.caller import QUESTION, Caller

ANSWER: Final = "Paris"
SHORT_TOKENS: Final = 12
LONG_TOKENS: Final = 120  # seconds of streaming on two cores: a drain meets it in flight
LONG_QUESTION: Final = "What is the capital of France? Answer first, then tell its history in many sentences."
PATIENCE_S: Final = 600.0
PLACES: Final = 24  # the relay's queueMax in the storm's stack
PAUSE_S: Final = 8.0
CROWD: Final = 2 * PLACES


@dataclass
class Tally:
    """What became of the requests. Safe for threads."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, why: str = "") -> None:
        """One more of `what`; `why` is kept for the report."""
        with self.lock:
            self.counts[what] += 1
            if why:
                self.wrong.append(f"{what}: {why}")


@dataclass(frozen=True)
class Request:
    """One request: `at` seconds after the round's begin. `once`: the client may not try again by itself."""

    at: float
    streamed: bool
    long: bool = False
    once: bool = False


def plan(dice: random.Random, fault: str, before: int) -> list[Request]:
    """A round's requests: some while the drain begins, some only after a pause in which the stop may win.

    The pause grows with the rounds `before` that ended without a stop.
    """
    begin = dice.choice((0.0, dice.uniform(2.0, 5.0), dice.uniform(5.0, 12.0))) + PAUSE_S * before
    moments = sorted(begin + dice.uniform(0.0, 20.0) for _ in range(12))
    usual = [Request(at, streamed=n % 2 == 0, long=n % 4 == 0) for n, at in enumerate(moments)]
    crowd = [Request(moments[0] + dice.uniform(0.0, 2.0), streamed=n % 2 == 0, once=True) for n in range(CROWD)]
    return sorted([*usual, *(crowd if fault == FULL else [])], key=lambda r: r.at)


def send_all(ground: Ground, tally: Tally, requests: list[Request], fault: str) -> None:
    """Send each at its moment, from a thread of its own; returns when all have ended."""
    start, threads = time.monotonic(), []
    for request in requests:
        time.sleep(max(0.0, start + request.at - time.monotonic()))
        thread = threading.Thread(target=_send, args=(ground.caller, tally, request, fault), daemon=True)
        thread.start()
        threads.append(thread)
    until = time.monotonic() + PATIENCE_S
    for thread in threads:
        thread.join(timeout=max(0.0, until - time.monotonic()))
        if thread.is_alive():
            tally.add("lost", f"no answer in ten minutes ({fault})")


def _send(caller: Caller, tally: Tally, request: Request, fault: str) -> None:
    tally.add("sent")
    client = caller.client.with_options(max_retries=0) if request.once else caller.client
    kind = "streams_cut" if request.streamed else "lost"
    try:
        text, ended = _ask(client, caller.model, request)
    except openai.APIStatusError as error:
        proper = fault in MAY_REFUSE and error.status_code in (429, 503) and bool(error.code)
        tally.add("refused_properly" if proper else "lost", "" if proper else f"{fault}: {error}")
    except openai.APIError as error:  # also what a queued stream says after its 200
        proper = fault in MAY_REFUSE and bool(error.code)
        tally.add("refused_properly" if proper else kind, "" if proper else f"{fault}: {error!r}")
    except httpx2.HTTPError as error:  # a connection that broke in the middle of a stream
        tally.add(kind, f"{fault}: {error!r}")
    else:
        _judge(tally, fault, text, ended=ended)


def _judge(tally: Tally, fault: str, text: str, *, ended: bool) -> None:
    if not ended:
        tally.add("streams_cut", f"{fault}: no end after “{text}”")
    elif ANSWER not in text:
        tally.add("lost", f"{fault}: answered “{text}”")
    else:
        tally.add("answered")


def _ask(client: openai.OpenAI, model: str, request: Request) -> tuple[str, bool]:
    """The text, and whether it came to its end."""
    tokens = LONG_TOKENS if request.long else SHORT_TOKENS
    messages = [{"role": "user", "content": LONG_QUESTION if request.long else QUESTION}]
    options = {"model": model, "messages": messages, "max_tokens": tokens, "temperature": 0}
    if not request.streamed:
        choice = client.chat.completions.create(**options).choices[0]  # type: ignore[call-overload]
        return choice.message.content or "", choice.finish_reason is not None
    text, ended = "", False
    for chunk in client.chat.completions.create(**options, stream=True):  # type: ignore[call-overload]
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
            ended = ended or chunk.choices[0].finish_reason is not None
    return text, ended
