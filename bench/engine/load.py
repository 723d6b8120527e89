"""Callers of one engine: N streams at once, each of so many tokens in and out, and what they saw."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TOKENS_IN = 512
TOKENS_OUT = 256
REQUESTS_A_STREAM = 6
VOCABULARY = 150_000
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Seen:
    """One answer: seconds from the request to its first token, and from there to its end."""

    first_s: float
    rest_s: float


@dataclass(frozen=True)
class Load:
    """What `streams` callers at once saw. Milliseconds; tokens a second of all of them together."""

    streams: int
    tokens_s: float
    ttft_ms: tuple[float, float, float]  # p50, p95, p99
    gap_ms: tuple[float, float, float]  # between two tokens of a stream, likewise

    def flat(self) -> dict[str, Any]:
        """As JSON has it."""
        names = ("p50", "p95", "p99")
        found: dict[str, Any] = {"streams": self.streams, "tokens_s": round(self.tokens_s)}
        found["ttft_ms"] = dict(zip(names, (round(v, 1) for v in self.ttft_ms), strict=True))
        found["gap_ms"] = dict(zip(names, (round(v, 2) for v in self.gap_ms), strict=True))
        return found


def run(url: str, streams: int) -> Load:
    """Load the engine at `url` (…/v1). RuntimeError where it refuses or breaks off."""
    return asyncio.run(_run(url, streams))


async def _run(url: str, streams: int) -> Load:
    import aiohttp

    requests = streams * REQUESTS_A_STREAM
    places = asyncio.Semaphore(streams)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:

        async def one(number: int) -> Seen:
            async with places:
                return await _ask(session, url, number)

        await _ask(session, url, 0)  # the first one after a start pays for what is done lazily
        begun = time.perf_counter()
        seen = await asyncio.gather(*(one(1 + number) for number in range(requests)))
        took = time.perf_counter() - begun
    ttft = percentiles([1000 * s.first_s for s in seen])
    gap = percentiles([1000 * s.rest_s / (TOKENS_OUT - 1) for s in seen])
    return Load(streams, requests * TOKENS_OUT / took, ttft, gap)


async def _ask(session: Any, url: str, number: int) -> Seen:
    body = {
        "model": "m",
        "prompt": [(number * 7919 + i * 31) % VOCABULARY for i in range(TOKENS_IN)],  # no two share a prefix
        "max_tokens": TOKENS_OUT,
        "min_tokens": TOKENS_OUT,
        "ignore_eos": True,
        "temperature": 0,
        "stream": True,
        "return_token_ids": True,
    }
    begun, first = time.perf_counter(), 0.0
    async with session.post(f"{url}/completions", json=body) as answer:
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {(await answer.text())[:300]}")
        async for line in answer.content:
            if line.startswith(b'data: {"error'):
                raise RuntimeError(line[:300].decode(errors="replace"))
            if not first and line.startswith(b"data: {") and _has_token(line):
                first = time.perf_counter()
    if not first:
        raise RuntimeError("the stream ended without a token")
    return Seen(first - begun, time.perf_counter() - first)


def _has_token(line: bytes) -> bool:
    choices = json.loads(line.removeprefix(b"data: ")).get("choices") or [{}]
    return bool(choices[0].get("token_ids") or choices[0].get("text"))


def percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    """p50, p95, p99 by the nearest rank."""
    ordered = sorted(values)
    found = [ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.50, 0.95, 0.99)]
    return found[0], found[1], found[2]
