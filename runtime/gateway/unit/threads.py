"""Threads for what blocks: the store, EC2 and the reaper's invocation, which may hang for seconds each.

Every unit has its own. In asyncio's shared pool (six threads on a small machine) the units of one account that does not
answer would keep the others from reading their leases, ordering starts and cordoning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

THREADS: Final = 2  # the watch has one call at a time; another may outlive the task that awaited it


P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Runs blocking calls beside the event loop, in threads that carry the unit's name."""

    def __init__(self, unit: str) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix=unit)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The call's result, or what it raised."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(call, *args, **kwargs))

    def close(self) -> None:
        """Take no more calls. One that hangs is not waited for here."""
        self._pool.shutdown(wait=False, cancel_futures=True)
