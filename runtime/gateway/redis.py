"""The relay's one way to Redis: short time-outs, and a circuit, so that a Redis that is down costs nobody time.

Redis down means: no cache, no counting, and requests go on. Nobody who calls this decides that again: `get`, `put` and
`claim` answer as an empty cache does, and `call` raises `RedisDown`, which whoever counts turns into "let it pass". Why
it is down is in `words` (the relay's /health) and in the log, once each time that it changes.

What is cached lies under `cache:` and expires, as sessions do (`session:`): Redis evicts it where memory is short. What
is counted has no expiry, so Redis never evicts it (docs/adr/0022-redis-on-the-gateway.md): whoever counts removes what
is old.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

from redis.asyncio import BlockingConnectionPool, UnixDomainSocketConnection
from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError, OutOfMemoryError, RedisError, ResponseError

from core.contract.paths import REDIS_PASSWORD, REDIS_SOCKET, REDIS_UNIT

T = TypeVar("T")
log = logging.getLogger(__name__)

TIMEOUT_S: Final = 0.5  # of a connection, and of an answer: on this machine an answer takes well under a millisecond
PAUSE_S: Final = 1.0  # after a failure nobody tries again for so long
LOOK_S: Final = 5.0  # it is looked at this often, so that `words` are true where nobody asks
CONNECTIONS_MAX: Final = 16
ALIVE: Final = "alive"  # written at each look: a Redis that cannot write is down for us
CACHE: Final = "cache:"
_PASSWORD: Final = "requirepass "  # Redis's own directive: the file is included in its configuration


class RedisDown(Exception):
    """Nothing was counted or kept; the message says why."""


class Redis:
    """Open until `close`. `words`: why it is down, "" where it is not. `monotonic` is for tests."""

    def __init__(
        self,
        socket: str = REDIS_SOCKET,
        password_file: str = REDIS_PASSWORD,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.words = ""
        self._socket, self._password_file = socket, Path(password_file)
        self._monotonic = monotonic
        self._client: Client | None = None
        self._not_before = float("-inf")

    async def run(self) -> None:
        """Look for ever."""
        while True:
            with contextlib.suppress(RedisDown):  # `call` has said so
                await self.call(lambda client: client.set(ALIVE, 1, ex=60))
            await asyncio.sleep(LOOK_S)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def call(self, do: Callable[[Client], Awaitable[T]]) -> T:
        """What `do` says of the connection. RedisDown at once where Redis was down a moment ago, else within
        TIMEOUT_S. What `do` sent may have been carried out all the same.
        """
        if self._monotonic() < self._not_before:
            raise RedisDown(self.words)
        try:
            found = await do(self._client or self._open())
        except (RedisError, OSError, TimeoutError, _NoPassword) as error:
            await self._failed(error)
            raise RedisDown(self.words) from error
        self._say("")
        return found

    # ------------------------------------------------------------ a cache of bytes; where Redis is down it is empty
    async def get(self, name: str) -> bytes | None:
        """What `put` kept under this name; None where it is not there (any more)."""
        try:
            found = await self.call(lambda client: client.get(CACHE + name))
        except RedisDown:
            return None
        return found if isinstance(found, bytes) else None

    async def put(self, name: str, value: bytes, ttl_s: float) -> bool:
        """Keep it for at most `ttl_s` seconds; Redis drops it earlier where its memory is full. False: not kept."""
        try:
            await self.call(lambda client: client.set(CACHE + name, value, px=max(1, round(1000 * ttl_s))))
        except RedisDown:
            return False
        return True

    async def claim(self, name: str, ttl_s: float) -> bool:
        """True for one caller of several at the same time, in any relay of this gateway: it does the work, until it
        calls `release` or `ttl_s` seconds are over. True for all where Redis is down.
        """
        ttl_ms = max(1, round(1000 * ttl_s))
        try:
            return bool(await self.call(lambda client: client.set(f"{CACHE}claim:{name}", 1, nx=True, px=ttl_ms)))
        except RedisDown:
            return True

    async def release(self, name: str) -> None:
        """The claim's work is done."""
        with contextlib.suppress(RedisDown):  # the claim ends by itself
            await self.call(lambda client: client.unlink(f"{CACHE}claim:{name}"))

    # ------------------------------------------------------------ the connection
    def _open(self) -> Client:
        pool: BlockingConnectionPool = BlockingConnectionPool(
            max_connections=CONNECTIONS_MAX,
            timeout=TIMEOUT_S,
            connection_class=UnixDomainSocketConnection,
            path=self._socket,
            password=self._password(),
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            # never twice: what was sent may have been counted
            retry=Retry(NoBackoff(), 0),
        )
        self._client = Client.from_pool(pool)
        return self._client

    def _password(self) -> str:
        """Read at each connection, so that a new one needs no restart."""
        try:
            text = self._password_file.read_text(encoding="utf-8")
        except OSError as error:
            raise _NoPassword(f"{self._password_file}: {error.strerror}") from error
        if not text.startswith(_PASSWORD):
            raise _NoPassword(f"{self._password_file} does not begin with `{_PASSWORD.strip()}`")
        return text.removeprefix(_PASSWORD).strip()

    async def _failed(self, error: Exception) -> None:
        """No connection of before is used again, and none is tried for PAUSE_S."""
        self._not_before = self._monotonic() + PAUSE_S
        self._say(_why(error, self._password_file))
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(RedisError, OSError, TimeoutError):  # it is given up in any case
                await client.aclose()

    def _say(self, words: str) -> None:
        if words == self.words:
            return
        self.words = words
        if words:
            log.warning("Redis is down: no cache, no counting, requests go on", extra={"facts": {"error": words}})
        else:
            log.info("Redis is back")


class _NoPassword(Exception):
    """The file of the password is not as `fab deploy` makes it."""


def _why(error: Exception, password_file: Path) -> str:
    """One line with the next command."""
    if isinstance(error, _NoPassword):
        return f"no password to log in with ({error}). Run `fab deploy`."
    if isinstance(error, AuthenticationError) or isinstance(error.__cause__ or error.__context__, AuthenticationError):
        return f"Redis does not accept the password in {password_file}. Run `fab deploy`."
    if isinstance(error, OutOfMemoryError):
        return "its memory is full of counts. A larger gateway (gateway.instanceType) gives it more."
    if isinstance(error, ResponseError) and str(error).startswith("MISCONF"):
        return "it cannot write its file: is the disk full? It goes on by itself once there is room."
    if isinstance(error, ConnectionError | OSError):
        return f"it does not answer. `fab logs` says why {REDIS_UNIT} does not run."
    return f"{type(error).__name__}: {error}"
