"""Requests and tokens of the last day by hour and by key, from the ledger in Redis. Asked for only because people look.

The ledger knows keys with a token limit. What other keys ask of a host that is awake passes no program of ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from core.times import moments
from runtime.gateway.redis import RedisDown
from runtime.gateway.usage.ledger import HOUR_S, Hour

SHOWN_S: Final = 23 * HOUR_S  # and the hour that runs
REFRESH_S: Final = 15.0


class Hours(Protocol):
    """`runtime.gateway.usage.ledger.Ledger`, as it is read here."""

    async def hours(self, since: float, until: float) -> list[Hour]:
        """Every owner of every hour in which one used something, oldest first."""


@dataclass(frozen=True)
class Row:
    """Sums of an hour or of a key. `name` is what people read, `iso` an hour's time for programs."""

    name: str
    requests: int
    prompt_tokens: int
    answer_tokens: int
    refused: int
    iso: str = ""


@dataclass(frozen=True)
class Usage:
    """Newest hour first; the key that used most first. `problem`: why nothing is counted now."""

    hours: tuple[Row, ...] = ()
    keys: tuple[Row, ...] = ()
    problem: str = ""


class UsageReader:
    """Reads the ledger at most every REFRESH_S, however many pages are open. `clock`: s since 1970."""

    def __init__(self, ledger: Hours, *, clock: Callable[[], float] = time.time) -> None:
        self._ledger, self._clock = ledger, clock
        self._kept: tuple[Hour, ...] = ()
        self._problem = ""
        self._read_at = float("-inf")

    async def last_day(self, zone: str) -> Usage:
        """With times on a clock in `zone`."""
        now = self._clock()
        if not 0 <= now - self._read_at < REFRESH_S:
            self._read_at = now
            try:
                self._kept, self._problem = tuple(await self._ledger.hours(now - SHOWN_S, now)), ""
            except RedisDown as error:
                self._kept, self._problem = (), str(error)
        return of(self._kept, zone, self._problem)


def of(counted: Sequence[Hour], zone: str, problem: str = "") -> Usage:
    """Summed by hour, and by key. Pure."""
    begins = sorted({hour.at for hour in counted}, reverse=True)
    hours = [_sum(moments.show(at, zone), [h for h in counted if h.at == at], moments.iso(at, zone)) for at in begins]
    names = sorted({hour.key for hour in counted})
    keys = [_sum(name, [h for h in counted if h.key == name]) for name in names]
    most_first = sorted(keys, key=lambda row: -(row.prompt_tokens + row.answer_tokens))
    return Usage(tuple(hours), tuple(most_first), problem)


def _sum(name: str, hours: Sequence[Hour], iso: str = "") -> Row:
    return Row(
        name,
        sum(h.requests for h in hours),
        sum(h.prompt_tokens for h in hours),
        sum(h.answer_tokens for h in hours),
        sum(h.refused for h in hours),
        iso,
    )
