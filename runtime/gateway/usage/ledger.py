"""Requests and tokens by hour, key and user: what the relay saw, in Redis, one hash an hour.

Exact for keys with a token limit, which always go by way of the relay. Awake traffic of the others passes no code of
ours: their requests are in HAProxy's log and tables, and an engine's tokens as a whole in its own counters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from runtime.gateway.redis import Redis
from runtime.gateway.usage import holder
from runtime.gateway.usage.holder import Owner

PREFIX: Final = "hours:"
KEPT_S: Final = 40 * 86400.0  # hours; days of tokens are only needed while a stream may still settle in them
DAYS_KEPT_S: Final = 2 * 86400.0
HOUR_S: Final = 3600.0
_REQUESTS, _PROMPT, _ANSWER, _REFUSED = "requests", "prompt", "answer", "refused"


@dataclass(frozen=True)
class Hour:
    """What one owner used in the hour that began at `at` (seconds since 1970)."""

    at: float
    key: str
    user: str
    requests: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    refused: int = 0  # for want of tokens; not among `requests`

    @property
    def tokens(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.answer_tokens


class Ledger:
    """The one way to it: the relay writes, `fab keys.list` and the dashboard read. RedisDown from all of them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def note(self, owner: Owner, now: float, *, prompt: int = 0, answer: int = 0, refused: bool = False) -> None:
        """One more request."""
        counts = {_REFUSED: 1} if refused else {_REQUESTS: 1, _PROMPT: prompt, _ANSWER: answer}

        async def write(client: object) -> None:
            pipeline = client.pipeline(transaction=False)  # type: ignore[attr-defined]
            for what, count in counts.items():
                if count:
                    pipeline.hincrby(_name(now), f"{what}:{owner.key}:{owner.user}", count)
            await pipeline.execute()

        await self._redis.call(write)

    async def hours(self, since: float, until: float) -> list[Hour]:
        """Every owner of every hour in which one used something, oldest first."""
        names = [_name(at) for at in _begins(since, until)]

        async def read(client: object) -> list[dict[bytes, bytes]]:
            pipeline = client.pipeline(transaction=False)  # type: ignore[attr-defined]
            for name in names:
                pipeline.hgetall(name)
            return list(await pipeline.execute())

        found = await self._redis.call(read)
        return [hour for at, counts in zip(_begins(since, until), found, strict=True) for hour in _of(at, counts)]

    async def forget(self, now: float) -> None:
        """Remove what nobody asks for any more. Redis does not do it by itself: see the package's docstring."""
        oldest = {PREFIX: _name(now - KEPT_S), holder.PREFIX: holder.PREFIX + holder.date(now - DAYS_KEPT_S)}

        async def sweep(client: object) -> None:
            for prefix, first in oldest.items():
                async for raw in client.scan_iter(match=f"{prefix}*", count=500):  # type: ignore[attr-defined]
                    if raw.decode(errors="replace") < first:
                        await client.unlink(raw)  # type: ignore[attr-defined]

        await self._redis.call(sweep)


def _name(at: float) -> str:
    return f"{PREFIX}{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H}"


def _begins(since: float, until: float) -> Iterable[float]:
    """The begins of the hours from that of `since` to that of `until`."""
    first = since - since % HOUR_S
    return [first + n * HOUR_S for n in range(int((until - first) // HOUR_S) + 1)]


def _of(at: float, counts: dict[bytes, bytes]) -> list[Hour]:
    owners: dict[tuple[str, str], dict[str, int]] = {}
    for field, count in counts.items():
        what, key, user = field.decode(errors="replace").split(":", 2)
        owners.setdefault((key, user), {})[what] = int(count)
    return [
        Hour(at, key, user, c.get(_REQUESTS, 0), c.get(_PROMPT, 0), c.get(_ANSWER, 0), c.get(_REFUSED, 0))
        for (key, user), c in sorted(owners.items())
    ]
