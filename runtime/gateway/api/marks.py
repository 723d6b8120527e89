"""Marks of requests that may have reached an engine, on disk before the first byte goes there.

Where a relay is killed, HAProxy sends its requests that have no answer yet to the other relay, under the same id. What
is marked is not sent to an engine a second time. A mark is an empty file: it outlives its process, and costs 20 µs.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from core.contract.network import REQUEST_ID_HEADER, SILENCE_MAX_S
from runtime.gateway import errors

# After a request's end HAProxy may still send it again: for seconds, since it tries twice
KEPT_S: Final = 60.0
# Left behind by a relay that was killed. HAProxy waits no longer than SILENCE_MAX_S for an answer's first byte
LEFT_BEHIND_S: Final = 2.0 * SILENCE_MAX_S
SWEEP_S: Final = 3600.0
_ID: Final = re.compile(r"[0-9a-f-]{36}")  # HAProxy's uuid()


class Mark:
    """The mark of one request. Without a path (the request did not come by HAProxy) nothing is marked."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.made = False

    def make(self) -> bool:
        """Before a byte goes to an engine. False where this request has it already: it asks engines several times."""
        if self.made or self._path is None:
            return False
        try:
            self._path.open("x").close()
        except FileExistsError as error:
            raise errors.sent_before() from error
        self.made = True
        return True

    def take_back(self) -> None:
        """No byte reached an engine after all."""
        if self.made and self._path is not None:
            self._path.unlink(missing_ok=True)
            self.made = False


NO_MARK: Final = Mark()


class Marks:
    """All marks of a gateway's relays, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextlib.contextmanager
    def request(self, headers: Mapping[str, str]) -> Iterator[Mark]:
        """A request's mark, which stays a moment longer than the request. Refusal 502 where one stands already."""
        found = headers.get(REQUEST_ID_HEADER, "")
        mark = Mark(self._folder / found if _ID.fullmatch(found) else None)
        if mark._path is not None and mark._path.exists():
            raise errors.sent_before()
        try:
            yield mark
        finally:
            if mark.made:
                asyncio.get_running_loop().call_later(KEPT_S, mark.take_back)

    def sweep(self) -> None:
        """Remove what relays left behind that were killed."""
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # the other relay sweeps too
                if time.time() - path.stat().st_mtime > LEFT_BEHIND_S:
                    path.unlink()

    async def sweep_for_ever(self) -> None:
        """Now and every SWEEP_S."""
        while True:
            await asyncio.to_thread(self.sweep)
            await asyncio.sleep(SWEEP_S)
