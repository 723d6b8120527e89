"""Bodies of requests: their bytes are reserved before they are read, so that callers cannot fill the memory.

All bodies share one budget, and a key has at most half of it. A body is kept in the pieces in which it came: nothing
copies it whole. What is refused here is refused before a model is known, so it wakes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Final

from aiohttp import ClientPayloadError, web

from core.codes import ErrorCode
from core.contract.network import BODY_BYTES_MAX
from runtime.gateway import errors
from runtime.gateway.api.outline import NotAnObject, Outline

UPLOAD_S: Final = 120.0  # a body that is read by the relay has arrived within this
# Of all bodies at one relay: half of 128 MiB. The unit's MemoryMax leaves more than as much again for everything else
QUEUED_BYTES_MAX: Final = 64 * 2**20
PIECE_BYTES: Final = 64 * 2**10  # the event loop does something else after so many


class Body:
    """The bytes of one request, and what they say at their top level."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.size = 0
        self.outline = Outline()

    @classmethod
    def made(cls, raw: bytes) -> Body:
        """A body of our own for an engine."""
        body = cls()
        body.add(raw)
        return body

    def add(self, piece: bytes) -> None:
        """Keep the next bytes; Refusal 400 as soon as they cannot become a JSON object."""
        self.pieces.append(piece)
        self.size += len(piece)
        try:
            self.outline.feed(piece)
        except NotAnObject as error:
            raise errors.not_json(str(error)) from error

    def append(self, members: Mapping[str, Any]) -> None:
        """More members at the end of the object, where they count for those of the same names before (as for vLLM).

        Only of a body that is whole; its outline stays as the caller sent it.
        """
        text = json.dumps(members, separators=(",", ":"))[1:]
        tail = b""
        while b"}" not in tail:
            tail = self.pieces.pop() + tail
        self.size -= len(tail)
        tail = tail[: tail.rindex(b"}")] + b"," + text.encode()
        self.pieces.append(tail)
        self.size += len(tail)

    def drop(self) -> None:
        """Keep the bytes no longer than who sends them now."""
        self.pieces = []

    async def stream(self) -> AsyncIterator[bytes]:
        """The bytes once more, for a request to an engine."""
        for piece in self.pieces:
            yield piece


class Share:
    """What one request has of the budget."""

    def __init__(self, budget: Budget, key: str) -> None:
        self._budget, self._key, self.reserved = budget, key, 0

    def reach(self, size: int) -> None:
        """Hold at least `size` bytes; Refusal `bodies_full` where they are not free."""
        if size > self.reserved:
            self._budget.take(self._key, size - self.reserved)
            self.reserved = size

    def release(self) -> None:
        """Give everything back; again is harmless."""
        self._budget.take(self._key, -self.reserved)
        self.reserved = 0


class Budget:
    """Bytes of bodies that this relay holds, all together and by key."""

    def __init__(self, limit: int = QUEUED_BYTES_MAX) -> None:
        self.limit = limit
        self._reserved: Counter[str] = Counter()

    @property
    def reserved(self) -> int:
        """Bytes that are reserved now."""
        return self._reserved.total()

    def take(self, key: str, size: int) -> None:
        """Reserve, or give back where negative."""
        if size > 0 and (self.reserved + size > self.limit or self._reserved[key] + size > self.limit // 2):
            raise errors.bodies_full(self.limit)
        self._reserved[key] += size
        if not self._reserved[key]:
            del self._reserved[key]

    @contextlib.contextmanager
    def share(self, key: str) -> Iterator[Share]:
        """One request's share; given back at the end at the latest."""
        share = Share(self, key)
        try:
            yield share
        finally:
            share.release()


async def receive(request: web.Request, share: Share) -> Body:
    """Read a body. Refusal where it is too long, takes too long, or there is no room for it."""
    length = request.content_length or 0
    if length > BODY_BYTES_MAX:
        raise errors.too_large(BODY_BYTES_MAX)
    decode = _decoder(request.headers.get("Content-Encoding", ""))
    share.reach(length)
    body = Body()
    try:
        async with asyncio.timeout(UPLOAD_S):
            async for chunk in request.content.iter_any():
                for piece in decode(chunk):
                    if body.size + len(piece) > BODY_BYTES_MAX:
                        raise errors.too_large(BODY_BYTES_MAX)
                    share.reach(body.size + len(piece))
                    body.add(piece)
                    await asyncio.sleep(0)
    except TimeoutError as error:
        raise errors.too_slow(UPLOAD_S) from error
    except (zlib.error, ClientPayloadError) as error:
        raise errors.invalid(f"The body cannot be read: {error}", code=ErrorCode.INVALID_BODY) from error
    return body


Decode = Callable[[bytes], Iterator[bytes]]


def _decoder(encoding: str) -> Decode:
    """From bytes as they came to pieces of text. Encodings beyond these need a library that is not there."""
    match encoding.strip().lower():
        case "" | "identity":
            return _pieces
        case "gzip":
            return _Inflater(zlib.MAX_WBITS | 16)
        case "deflate":
            return _Inflater(zlib.MAX_WBITS)
    raise errors.unsupported_encoding(encoding)


def _pieces(chunk: bytes) -> Iterator[bytes]:
    if len(chunk) <= PIECE_BYTES:
        yield chunk
        return
    for at in range(0, len(chunk), PIECE_BYTES):
        yield chunk[at : at + PIECE_BYTES]


class _Inflater:
    """gzip, or deflate with its header or (as some clients send it) without. `window_bits` as zlib has them."""

    def __init__(self, window_bits: int) -> None:
        self._window_bits = window_bits
        self._zlib: Any = None

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        if self._zlib is None:
            bare = self._window_bits == zlib.MAX_WBITS and chunk[0] & 0x0F != zlib.DEFLATED
            self._zlib = zlib.decompressobj(-self._window_bits if bare else self._window_bits)
        full = True
        while full or chunk:  # a full piece may leave output behind that needs no more input
            piece = self._zlib.decompress(chunk, PIECE_BYTES)
            chunk, full = self._zlib.unconsumed_tail, len(piece) == PIECE_BYTES
            if piece:
                yield piece
