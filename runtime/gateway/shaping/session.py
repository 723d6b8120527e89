"""Tokens of a session: what one chat may use, prompts and answers together, as the engine counts them.

Counted after each answer, so requests of one session at the same time may go over the limit by what they use. Redis
down: not counted, and not refused.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import Any, Final, Protocol

from runtime.gateway import errors
from runtime.gateway.redis import Redis, RedisDown
from runtime.gateway.shaping.defaults import asked_max_tokens, cap
from runtime.gateway.shaping.visit import Json, Through, Visit

PREFIX: Final = "session:"  # of names in Redis
SESSION_S: Final = 86400  # a session that rests for so long is forgotten


class Counts(Protocol):
    """Where tokens are counted."""

    async def used(self, session: str) -> int:
        """So far; 0 where it is not known."""

    async def add(self, session: str, tokens: int, ttl_s: float) -> None:
        """So many more."""


class SessionLimit(Through):
    """Refusal 429 `session_limit` where a session has no tokens left; its answers are no longer than what is left."""

    def __init__(self, limit: int, counts: Counts) -> None:
        self._limit, self._counts = limit, counts

    async def before(self, visit: Visit) -> Json | None:
        """What is left?"""
        used = await self._counts.used(_name(visit))
        if used >= self._limit:
            raise errors.session_limit(used, self._limit)
        left = self._limit - used
        visit.left = left
        cap(visit.body, left)  # where it is more than fits, vLLM takes what fits
        visit.note(session_tokens_left=left)
        return None

    async def after(self, visit: Visit, answer: Json) -> Json:
        """All requests to the engine that this one took."""
        await self.charge(visit)
        return answer

    async def charge(self, visit: Visit) -> None:
        """Count what the visit used since this was asked last."""
        if tokens := visit.usage.get("total_tokens", 0) - visit.charged:
            visit.charged += tokens
            await self._counts.add(_name(visit), tokens, SESSION_S)
            left = visit.notes.get("session_tokens_left", 0) - tokens
            visit.note(session_tokens_left=max(0, left))


def spent(visit: Visit, body: Json, answer: Json) -> bool:
    """The answer to this body took all that the session had left, and would be longer otherwise."""
    if visit.left is None or asked_max_tokens(body) != visit.left:
        return False
    tokens = (answer.get("usage") or {}).get("completion_tokens")
    return not isinstance(tokens, int) or tokens >= visit.left


class SessionCounts:
    """In Redis, each for SESSION_S since its last answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def used(self, session: str) -> int:
        """0 also where Redis is down."""
        try:
            return int(await self._redis.call(lambda client: client.get(PREFIX + session)) or 0)
        except RedisDown:
            return 0

    async def add(self, session: str, tokens: int, ttl_s: float) -> None:
        """Nothing where Redis is down."""

        async def both(client: Any) -> None:
            pipe = client.pipeline(transaction=True)
            pipe.incrby(PREFIX + session, tokens)
            pipe.expire(PREFIX + session, round(ttl_s))
            await pipe.execute()

        with contextlib.suppress(RedisDown):  # `call` has said so
            await self._redis.call(both)


def _name(visit: Visit) -> str:
    """Of one caller at one service; callers choose the session's own name."""
    return hashlib.sha256("\0".join((visit.service, visit.caller, visit.session)).encode()).hexdigest()
