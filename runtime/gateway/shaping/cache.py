"""Kept answers: equal requests get the same answer, also while the host is off, and one of them at a time is asked.

Equal is what is left without the words that change no answer (`stream`, `user`, …), in whatever order it was written.
Only a complete answer is kept: not one that was cut off, withheld, or not as asked. Redis down: nothing is kept, and
requests go on.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from core.codes import ErrorCode
from core.contract.shaping import ServiceShape
from runtime.gateway.errors import Refusal
from runtime.gateway.shaping.reply import EngineSaid
from runtime.gateway.shaping.visit import Json, choices

log = logging.getLogger(__name__)

IGNORED: Final = frozenset(
    {"stream", "stream_options", "user", "metadata", "store", "safety_identifier", "service_tier"}
)
ENTRY_BYTES_MAX: Final = 256 * 2**10  # a longer answer is not kept
KEPT_REASONS: Final = frozenset({"stop", "tool_calls"})
CLAIM_S: Final = 30.0
LOOK_S: Final = 0.2  # between two looks at what the other relay brings
FORM: Final = 1  # of an entry; another one is no entry
# What an engine did to a request, it would do to an equal one. Of the other refusals each caller has its own: whether
# its key wakes, how long it waits, what it has left
_ENGINES_OWN: Final = frozenset({ErrorCode.ENGINE_CRASHED, ErrorCode.ENGINE_REDIRECTED})


class Store(Protocol):
    """Bytes by name. It never fails: what cannot be read is not there, and what cannot be kept is not kept."""

    async def get(self, name: str) -> bytes | None:
        """What is kept, or None."""

    async def put(self, name: str, value: bytes, ttl_s: float) -> bool:
        """Keep it for so long. False: it was not kept."""

    async def claim(self, name: str, ttl_s: float) -> bool:
        """True for one of all relays, until `release` or for so long; for all where it cannot be known."""

    async def release(self, name: str) -> None:
        """The one with the claim is done."""


def canonical(asked: Mapping[str, Any], path: str, shape: ServiceShape, *, background: bool = False) -> str:
    """The name of all requests that are equal to this one. Another shape of the service is another request, and so is
    a background call, which is not shaped.
    """
    kept = {name: value for name, value in asked.items() if name not in IGNORED and value is not None}
    text = json.dumps([path, kept, vars(shape), background], sort_keys=True, separators=(",", ":"), default=vars)
    return hashlib.sha256(text.encode()).hexdigest()


def to_keep(answer: Mapping[str, Any], notes: Mapping[str, Any]) -> bool:
    """The answer is whole and as it was asked for."""
    reasons = {c.get("finish_reason") for c in choices(answer)}
    return bool(reasons) and reasons <= KEPT_REASONS and notes.get("valid", True) and "withheld" not in notes


class Cache:
    """Answers of one service, for `ttl_s` each."""

    def __init__(self, store: Store, ttl_s: float, *, clock: Callable[[], float] = time.time) -> None:
        self._store, self._ttl_s, self._clock = store, ttl_s, clock

    async def get(self, name: str) -> tuple[Json, int] | None:
        """A kept answer, and how many seconds ago it was made."""
        raw = await self._store.get(name)
        if raw is None:
            return None
        try:
            entry = json.loads(raw)
            if entry["form"] == FORM:
                return entry["answer"], max(0, int(self._clock() - entry["at"]))
        except (ValueError, TypeError, KeyError) as error:
            log.warning("a kept answer cannot be read", extra={"facts": {"error": repr(error)}})
        return None

    async def put(self, name: str, answer: Mapping[str, Any]) -> None:
        """Keep an answer."""
        raw = json.dumps({"form": FORM, "at": self._clock(), "answer": answer}).encode()
        if len(raw) <= ENTRY_BYTES_MAX:
            await self._store.put(name, raw, self._ttl_s)

    async def claimed(self, name: str, ends: float) -> tuple[Json, int] | None:
        """None: this relay is to ask, until `release`. Else what another relay brought meanwhile, as `get` has it.

        A relay that was killed lets the other one wait for CLAIM_S; a start that takes longer is asked for by both.
        """
        while not await self._store.claim(name, CLAIM_S):
            await asyncio.sleep(LOOK_S)
            if found := await self.get(name):
                return found
            if asyncio.get_running_loop().time() >= ends:
                return None
        return None

    async def release(self, name: str) -> None:
        """The engine was asked."""
        await self._store.release(name)


class Flights:
    """Equal requests in this relay: the first asks the engine, the others wait for what it brings."""

    def __init__(self) -> None:
        self._going: dict[str, asyncio.Future[Json | None]] = {}

    def lead(self, name: str) -> Flight | None:
        """The right to ask; None where somebody else does already."""
        if name in self._going:
            return None
        self._going[name] = asyncio.get_running_loop().create_future()
        return Flight(self._going, name)

    async def follow(self, name: str, ends: float) -> Json | None:
        """What the one who asks brings: an answer, or None where it left, or where `ends` (the loop's time) came first.
        The engine's failure, which an equal request would meet too.
        """
        going = self._going.get(name)
        if going is None:
            return None
        await asyncio.wait({going}, timeout=max(0.0, ends - asyncio.get_running_loop().time()))
        return going.result() if going.done() else None


class Flight:
    """One request that others wait for. As a context: whatever happens, they go on."""

    def __init__(self, going: dict[str, asyncio.Future[Json | None]], name: str) -> None:
        self._going, self._name = going, name
        self._found: Json | None = None

    def brought(self, answer: Json) -> None:
        """An answer that others may have too."""
        self._found = answer

    def __enter__(self) -> Flight:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        future = self._going.pop(self._name)
        if isinstance(error, EngineSaid) or (isinstance(error, Refusal) and error.code in _ENGINES_OWN):
            future.set_exception(error)  # it is not about this caller alone
            future.exception()  # nobody may be waiting
        else:
            future.set_result(self._found)
