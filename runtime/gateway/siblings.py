"""A word between the gateway's relays: "look at the leases now", as a datagram on a Unix socket.

It only saves waiting. Each relay reads the leases by itself, so one that is not there, or a word that is lost, costs
what an interval of the watch costs.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path


class Siblings:
    """The other relays that use `folder`; this one is `name`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._own = folder, folder / f"look-{name}"

    def tell(self) -> None:
        """Say it to all others; never waits."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as door:
            for other in self._folder.glob("look-*"):
                if other != self._own:
                    with contextlib.suppress(OSError):  # it has ended, or has more of these to read than it needs
                        door.sendto(b"look", str(other))

    @asynccontextmanager
    async def heard(self, look: Callable[[], None]) -> AsyncIterator[None]:
        """`look` is called for each word that comes meanwhile. OSError where the socket cannot be made."""
        self._own.unlink(missing_ok=True)

        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as ear:
            ear.bind(str(self._own))
            loop = asyncio.get_running_loop()
            loop.add_reader(ear, self._hear, ear, look)
            try:
                yield
            finally:
                loop.remove_reader(ear)

    @staticmethod
    def _hear(ear: socket.socket, look: Callable[[], None]) -> None:
        ear.recv(16)
        look()
