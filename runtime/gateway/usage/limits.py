"""One request's way through the limits: reserve, mark the request, read the answer, settle. What the HTTP side calls.

A key without a token limit passes as it is. So does every key while Redis is down: nothing is counted then.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from core.contract.dialects import CHAT, COMPLETIONS
from runtime.gateway import errors
from runtime.gateway.api.call import JUDGED_BYTES, Call
from runtime.gateway.redis import Redis, RedisDown
from runtime.gateway.usage import need as needs
from runtime.gateway.usage.holder import RENEW_S, Day, Holder, Owner, resets_at
from runtime.gateway.usage.keys import Keys
from runtime.gateway.usage.ledger import Ledger
from runtime.gateway.usage.meter import EVERYTHING, Asked, Meter
from runtime.gateway.usage.need import Need

log = logging.getLogger(__name__)

LEAST_ANSWER: Final = 16  # tokens: a shorter answer is not worth its prompt
FORGET_S: Final = 3600.0
CONTEXT_UNKNOWN: Final = 2**17  # tokens, of an engine whose context relay.json does not say
STREAM_OPTIONS: Final = {"include_usage": True, "continuous_usage_stats": True}
_WITH_OPTIONS: Final = frozenset({CHAT, COMPLETIONS})


class Held:
    """What is reserved for one request, and what it has used so far. The way to the engine tells it `sent` and reads
    the answer `through` it.
    """

    def __init__(self, owner: Owner, need: Need, *, since: float, asked: Asked, stream: bool) -> None:
        self.owner, self.need, self.since = owner, need, since
        self.ident = secrets.token_hex(8)
        self._asked, self._stream = asked, stream
        self._meters: list[Meter] = []
        self._sent = self._refused = False
        self.shortened = False  # the answer may be no longer than there are tokens for

    def sent(self) -> None:
        """Bytes of it may reach an engine from now on."""
        self._sent = True

    def not_sent(self) -> None:
        """None did."""
        self._sent = False

    def answered(self, status: int) -> None:
        """The engine's answer has begun, or broke off (502); what is no answer took nothing."""
        self._refused = status >= 300

    def through(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The answer's bytes as the caller is to have them, counted."""
        if self._refused:
            return answer.content.iter_any()
        self._meters.append(meter := Meter(self._asked))
        streamed = answer.content_type == "text/event-stream"
        return (meter.stream if streamed else meter.plain)(answer.content.iter_any())

    @property
    def tokens(self) -> tuple[int, int]:
        """Prompt's and answer's, as the engine counted them so far."""
        usages = [meter.usage for meter in self._meters]
        return sum(u.prompt for u in usages), sum(u.answer for u in usages)

    @property
    def known(self) -> bool:
        """The engine said what it took."""
        return any(meter.usage.known for meter in self._meters)

    def charge(self) -> tuple[int, int]:
        """What it is charged, prompt and answer, now that it is over.

        As the engine counted; nothing where no engine had it or one refused it. Of what left before the engine said
        anything: a stream its prompt, and all that was reserved where the answer was to come in one piece.
        """
        if self.known:
            return self.tokens
        if not self._sent or self._refused:
            return 0, 0
        return self.need.prompt, 0 if self._stream else self.need.answers


class Limits:
    """Token limits of all keys. `contexts`: tokens of prompt and answer together, by engine. `clock` is for tests."""

    def __init__(
        self, keys: Keys, redis: Redis, contexts: Mapping[str, int], *, clock: Callable[[], float] = time.time
    ) -> None:
        self.ledger = Ledger(redis)
        self._keys, self._contexts, self._clock = keys, dict(contexts), clock
        self._holder = Holder(redis)
        self._held: dict[str, Held] = {}
        self._settling: set[asyncio.Task[None]] = set()
        self._doubted: set[str] = set()  # engines whose prompts were once longer than was thought

    # ------------------------------------------------------------ one request
    @asynccontextmanager
    async def one(self, call: Call) -> AsyncIterator[Call]:
        """The call as it may be sent, counted until the end of the block. Refusal 429: the key has no tokens for it."""
        limit = self._keys.tokens_per_day(call.key)
        if limit is None or call.endpoint.path not in needs.COUNTED:
            yield call
            return
        held = await self._reserve(call, limit)
        self._held[held.ident] = held
        try:
            yield dataclasses.replace(call, passage=held)
        finally:
            del self._held[held.ident]
            task = asyncio.create_task(self._settle(held, call))
            self._settling.add(task)
            task.add_done_callback(self._settled)  # nobody waits for it, and who hangs up is charged as well

    async def _reserve(self, call: Call, limit: int) -> Held:
        context = self._contexts.get(call.engine) or CONTEXT_UNKNOWN
        need = needs.of(call.endpoint.path, call.body, context, plain=call.engine not in self._doubted)
        owner, now = Owner(call.key, call.user), self._clock()
        held = Held(owner, need, since=now, asked=_asked(call), stream=call.stream)
        least = min(need.answers, LEAST_ANSWER * need.choices) if need.open_ended else need.answers
        try:
            day = await self._holder.reserve(
                owner, held.ident, now=now, limit=limit, prompt=need.prompt, answer=need.answers, least=least
            )
            if day.granted is None:
                await self.ledger.note(owner, now, refused=True)
        except RedisDown:
            day = Day(0, 0, need.answers)
        if day.granted is None:
            raise errors.tokens_spent(limit, day.used, day.held, need.prompt + least, resets_at(now) - now)
        held.shortened = need.open_ended and day.granted < need.answers
        _mark(call, held, day.granted)
        return held

    async def _settle(self, held: Held, call: Call) -> None:
        prompt, answer = held.charge()
        if held.known and prompt > held.need.prompt:
            self._doubt(call.engine, prompt, held.need.prompt)
        with contextlib.suppress(RedisDown):  # `Redis` has said so; the reservation ends by itself
            await self._holder.settle(held.owner, held.ident, since=held.since, tokens=prompt + answer)
            await self.ledger.note(held.owner, self._clock(), prompt=prompt, answer=answer)

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._settling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("not settled", exc_info=error)  # the reservation ends by itself

    def _doubt(self, engine: str, prompt: int, thought: int) -> None:
        """From now on a prompt of this engine is taken for a whole context."""
        self._doubted.add(engine)
        facts = {"engine": engine, "prompt_tokens": prompt, "thought": thought}
        log.warning("a prompt was longer than it could be", extra={"facts": facts})

    # ------------------------------------------------------------ beside them
    async def run(self) -> None:
        """Renew what is in flight, and remove what is old, for ever."""
        forget_at = 0.0
        while True:
            with contextlib.suppress(RedisDown):
                await self._renew()
                if self._clock() >= forget_at:
                    await self.ledger.forget(self._clock())
                    forget_at = self._clock() + FORGET_S
            await asyncio.sleep(RENEW_S)

    async def _renew(self) -> None:
        for held in list(self._held.values()):
            await self._holder.renew(held.owner, held.ident, since=held.since, now=self._clock(), used=sum(held.tokens))

    async def close(self) -> None:
        """Everything is settled."""
        await asyncio.gather(*self._settling, return_exceptions=True)


def _asked(call: Call) -> Asked:
    """What the caller is to see of a stream's usage."""
    if call.endpoint.path not in _WITH_OPTIONS or not call.stream:
        return EVERYTHING
    options = dict(call.body.outline.members()).get("stream_options")
    if call.body.size <= JUDGED_BYTES:
        options = json.loads(b"".join(call.body.pieces)).get("stream_options")
    told: dict[str, Any] = options if isinstance(options, dict) else {}
    at_end = told.get("include_usage") is True
    return Asked(at_end, at_end and told.get("continuous_usage_stats") is True)


def _mark(call: Call, held: Held, granted: int) -> None:
    """Ask the engine to count aloud, and for no longer answer than there are tokens for."""
    members: dict[str, Any] = {}
    if call.stream and call.endpoint.path in _WITH_OPTIONS:
        members["stream_options"] = STREAM_OPTIONS
    if held.shortened:
        members |= dict.fromkeys(needs.LONGEST[call.endpoint.path], granted // held.need.choices)
    if members:
        call.body.append(members)
